"""What an administrator sees of the directory: its servers, the declared groups, who gets what."""

import logging
from collections.abc import Iterator
from dataclasses import dataclass

import ldap
from django.conf import settings

from mlops.accounts.models import User
from mlops.accounts.roles import role_of
from mlops.accounts.sign_in import ldap_servers, methods
from mlops.accounts.sign_in.ldap_config import LdapConfig, current_ldap
from mlops.accounts.sign_in.ldap_entries import Directory, is_disabled
from mlops.errors import NotSignedIn

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the report."""

    is_good: bool
    text: str


def report(config: LdapConfig, name: str = "") -> Iterator[Finding]:
    """Each server, each declared group and, if one is named, a user as they would sign in."""
    usable = None
    for uri in config.uris:
        try:
            ldap_servers.try_out(config, uri)
            usable = usable or uri
        except ldap.LDAPError as error:
            yield Finding(False, f"{uri}: {ldap_servers.explanation(error)}")
        else:
            yield Finding(True, f"{uri}: answers, and lets the query user in")
    if usable is None:
        return
    try:
        with ldap_servers.connected(config, usable) as connection:
            directory = Directory(config, connection)
            yield from _groups(directory)
            if name:
                yield from _user(config, directory, name)
    except ldap.LDAPError as error:
        yield Finding(False, f"A search failed: {ldap_servers.explanation(error)}")


def _groups(directory: Directory) -> Iterator[Finding]:
    for role, names in settings.ROLE_GROUPS.items():
        for name in names:
            found = directory.groups_named(name)
            if len(found) == 1:
                yield Finding(True, f"Group {name} for the role {role}: {found[0]}")
            elif found:
                every = "; ".join(found)
                yield Finding(False, f"Group {name} is ignored, as it means several: {every}")
            else:
                yield Finding(False, f"Group {name} for the role {role} is not in the directory")


def _user(config: LdapConfig, directory: Directory, name: str) -> Iterator[Finding]:
    found = directory.users_named(name)
    if len(found) != 1:
        every = "; ".join(one.dn for one in found)
        yield Finding(
            False,
            f"User {name}: {len(found)} entries under {config.search_base} match the search"
            f" filter, where one must. {every}".strip(),
        )
        return
    yield Finding(not is_disabled(found[0]), f"User {name}: {found[0].dn}")
    try:
        entry = directory.entry(found[0])
    except NotSignedIn:
        yield Finding(False, f"It needs one value of {config.unique_attribute} to sign in")
        return
    groups = ", ".join(sorted(entry.groups)) or "none"
    yield Finding(True, f"Signs in as {entry.username}; groups: {groups}")
    user = User(
        username=entry.username,
        sign_in_method=methods.LDAP,
        directory_groups=sorted(entry.groups),
    )
    yield _role(user)


def _role(user: User) -> Finding:
    role = role_of(user)
    if role is None:
        return Finding(False, "Has no role, as none of these groups has one")
    named = f"Has the role {role.name.title()}"
    granting = [
        name
        for name in settings.ROLE_GROUPS[role.name.title()]
        if name.lower() in user.group_names()
    ]
    if granting:
        return Finding(True, f"{named} by {', '.join(granting)}")
    return Finding(True, f"{named}, as everybody outside the declared groups")


def log_faults() -> None:
    """Log what is not well, for a node that starts; in a thread, as a silent server takes time."""
    for finding in report(current_ldap()):
        if not finding.is_good:
            logger.error("The directory: %s", finding.text)
