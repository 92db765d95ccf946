"""Accounts of an LDAP directory or Active Directory (administration section 6).

The query user finds the one entry of the typed name, and binding as that entry with the typed
password proves who types. That the directory could not be asked is never a wrong password.
"""

import dataclasses
import logging
from typing import Any, NoReturn

import ldap
from django.dispatch import receiver
from django.http import HttpRequest
from django_auth_ldap.backend import LDAPBackend, ldap_error

from mlops.accounts.models import User
from mlops.accounts.sign_in import ldap_servers, methods
from mlops.accounts.sign_in.directory import DirectoryEntry, remember
from mlops.accounts.sign_in.ldap_config import LdapConfig, current_ldap
from mlops.accounts.sign_in.ldap_entries import Directory, Found, is_disabled
from mlops.accounts.sign_in.local import AccountBackend
from mlops.errors import DirectoryUnavailable, Forbidden, NotSignedIn

logger = logging.getLogger(__name__)

_CHECK_SECONDS = 2  # for each server, as somebody waits for the state of everything

# How servers refuse a typed password, beside INVALID_CREDENTIALS: the entry has none, it is locked.
_REFUSALS = (ldap.INAPPROPRIATE_AUTH, ldap.CONSTRAINT_VIOLATION, ldap.UNWILLING_TO_PERFORM)


class LdapBackend(LDAPBackend):  # type: ignore[misc]
    """Signs people in by the directory, while it is the method in force."""

    @property
    def default_settings(self) -> dict[str, Any]:
        """The settings of the library."""
        config = current_ldap()
        return {
            "SERVER_URI": lambda _: ldap_servers.answering(config),
            "CONNECTION_OPTIONS": ldap_servers.options(config),
            "START_TLS": config.start_tls,
            "BIND_DN": config.query_user_dn,
            "BIND_PASSWORD": config.query_user_password,
            "USER_SEARCH": _UserSearch(config),
            "ALWAYS_UPDATE_USER": False,  # get_or_build_user does
        }

    def authenticate(
        self,
        request: HttpRequest | None,
        username: str | None = None,
        password: str | None = None,
        **kwargs: Any,
    ) -> User | None:
        """The user of this name and password; None when one is wrong.

        Raises DirectoryUnavailable when that could not be found out, and NotSignedIn, with what to
        tell the user, when their entry is of no use here.
        """
        if methods.of_people() != methods.LDAP or not (username and password):
            return None
        user: User | None = super().authenticate(request, username, password, **kwargs)
        return user

    def authenticate_ldap_user(self, ldap_user: Any, password: str) -> Any:
        """The account of an entry as which the password binds."""
        try:
            if ldap_user.dn is None:  # none of the name, or several
                return None
        except _Failure as failure:
            raise _unavailable(failure.error) from None
        try:
            user = ldap_user.authenticate(password)
        except _Failure as failure:
            # The query user is in, so this is about binding as the entry.
            if isinstance(failure.error, _REFUSALS):
                return None
            raise _unavailable(failure.error) from None
        if user is not None:
            del user.ldap_user  # with it goes the connection
        return user

    def get_or_build_user(self, username: str, ldap_user: Any) -> tuple[User, bool]:  # noqa: ARG002
        """The account of the entry, with its groups as they are now."""
        try:
            directory = Directory(current_ldap(), ldap_user.connection)
            entry = directory.entry(Found(ldap_user.dn, ldap_user.attrs))
            return remember(methods.LDAP, entry), False
        except ldap.LDAPError as error:
            raise _unavailable(error) from None
        except Forbidden as error:
            raise NotSignedIn(error.message) from None

    def get_user(self, user_id: int) -> User | None:
        """The user of a browser session, if their account is alive."""
        return AccountBackend().get_user(user_id)


class _UserSearch:
    """The search for a typed name, as the library calls it."""

    def __init__(self, config: LdapConfig) -> None:
        self._config = config

    def execute(self, connection: Any, filterargs: dict[str, str]) -> list[tuple[str, Any]]:
        """The entries found; only a single one may sign in."""
        found = Directory(self._config, connection).users_named(filterargs["user"])
        if len(found) > 1:
            logger.error("%s entries match a typed name, so nobody signs in by it.", len(found))
        return [(one.dn, one.attributes) for one in found]


class _Failure(Exception):  # noqa: N818 - it may be a refusal
    """An error of the directory within the library, which would take it for a wrong password."""

    def __init__(self, error: ldap.LDAPError) -> None:
        self.error = error
        super().__init__()


@receiver(ldap_error, sender=LdapBackend)
def _raise(exception: ldap.LDAPError, **_: Any) -> NoReturn:
    raise _Failure(exception) from None


def look_up(user: User) -> DirectoryEntry | None:
    """The user's entry as it is now; None when it is gone, disabled or outside the search filter.

    Raises DirectoryUnavailable.
    """
    config = current_ldap()
    try:
        with ldap_servers.connected(config, ldap_servers.answering(config)) as connection:
            directory = Directory(config, connection)
            found = directory.users_identified(user.username)
            if len(found) != 1 or is_disabled(found[0]):
                return None
            return directory.entry(found[0])
    except NotSignedIn:  # nobody could sign in by this entry any longer
        return None
    except ldap.LDAPError as error:
        raise _unavailable(error) from None


def check() -> None:
    """Whether a server lets the query user in; raises DirectoryUnavailable, which says why not."""
    config = dataclasses.replace(current_ldap(), timeout_seconds=_CHECK_SECONDS)
    try:
        with ldap_servers.connected(config, ldap_servers.answering(config)):
            pass
    except ldap.LDAPError as error:
        raise DirectoryUnavailable(ldap_servers.explanation(error)) from None


def _unavailable(error: ldap.LDAPError) -> DirectoryUnavailable:
    logger.error("The directory cannot be asked: %s", ldap_servers.explanation(error))
    return DirectoryUnavailable()
