"""How people sign in here, and whether that works now."""

from dataclasses import dataclass
from typing import Any

from django.conf import settings

from mlops.accounts.break_glass import broken_now
from mlops.accounts.sign_in import methods
from mlops.accounts.sign_in.entra.provider import provider
from mlops.accounts.sign_in.status import authentication

# The kinds of accounts, as people say it.
KINDS: dict[str, str] = {
    methods.LOCAL: "Local account",
    methods.LDAP: "LDAP account",
    methods.ENTRA: "Entra ID or OpenID account",
    methods.SERVICE: "Service account",
}

_COLOURS = {"pass": "success", "warn": "warning", "fail": "danger"}
_WORDS = {"pass": "works", "warn": "works, with a warning", "fail": "does not work"}


@dataclass(frozen=True, slots=True)
class Line:
    """One thing that was looked at."""

    is_good: bool
    text: str


def method_in_words() -> dict[str, str]:
    """Where people's accounts and passwords are kept, for the method in force."""
    method = methods.of_people()
    if method == methods.LDAP:
        return {
            "name": "LDAP or Active Directory",
            "text": "People sign in with the user name and password that they have in the"
            " directory, and their groups there decide on their role.",
        }
    if method == methods.ENTRA:
        label = provider().entra.label
        return {
            "name": label,
            "text": f"People sign in at {label}; their groups there decide on their role.",
        }
    return {
        "name": "Local accounts",
        "text": "User names, passwords and groups are kept here. Connect a directory to sign in"
        " with the accounts of your organization.",
    }


def glass() -> dict[str, Any] | None:
    """The state of the broken glass; None where there is none to break."""
    if methods.of_people() == methods.LOCAL:
        return None
    return {"broken": broken_now(), "administrator": methods.LOCAL_ADMINISTRATOR}


def state() -> dict[str, Any]:
    """Whether people can sign in, asked now and in bounded time."""
    status = authentication()
    reasons = [str(status.details["reason"])] if "reason" in status.details else []
    components = (status.components or {}).values()
    reasons += [str(each.details["reason"]) for each in components if "reason" in each.details]
    return {
        "colour": _COLOURS[status.code],
        "words": _WORDS[status.code],
        "reasons": reasons,
        "lines": _lines(),
    }


def _lines() -> list[Line]:
    """What else there is to say of the directory: its servers and the declared groups."""
    if methods.of_people() != methods.LDAP or settings.LDAP is None:
        return []
    # The package that it needs is installed only where LDAP is enabled.
    from mlops.accounts.sign_in.ldap_report import report

    return [Line(each.is_good, each.text) for each in report(settings.LDAP)]
