"""Which accounts may sign in: those of the method in force, one at a time (administration 4, 6, 7).

While people come from a directory, local accounts are off, except behind the broken glass.
Service accounts have no password; their keys count whatever the method is.
"""

import string
from collections.abc import Collection

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

LOCAL = "local"
LDAP = "ldap"
ENTRA = "entra"
SERVICE = "service"

_IN_LOWER_CASE = str.maketrans(string.ascii_uppercase, string.ascii_lowercase)

LOCAL_ADMINISTRATOR = "admin"  # the account that the first start makes


def chosen(*, ldap: bool, entra: bool) -> str:
    """The method by which people sign in, by which directory is enabled.

    Raises ImproperlyConfigured when both are.
    """
    if ldap and entra:
        raise ImproperlyConfigured(
            "MLOPS_LDAP_ENABLED and MLOPS_ENTRA_ENABLED are both set: people sign in by one"
            " directory, so unset one of them."
        )
    if ldap:
        return LDAP
    return ENTRA if entra else LOCAL


def of_people() -> str:
    """The method by which people sign in: LOCAL, LDAP or ENTRA."""
    method: str = settings.SIGN_IN_METHOD
    return method


def in_force() -> Collection[str]:
    """The methods whose accounts are alive: a token or browser session of any other is dead."""
    return {of_people(), SERVICE}


def compared(name: str) -> str:
    """What tells a user's name from others: directories, unlike local accounts, ignore case.

    Names that differ in more than ASCII's case may be two accounts, so they are two users'.
    """
    return name if of_people() == LOCAL else name.translate(_IN_LOWER_CASE)


def is_same_name(name: str, other: str) -> bool:
    """Whether two names are one user's."""
    return compared(name) == compared(other)
