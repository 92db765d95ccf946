"""Names on the Publish page: which are taken, and which version comes next."""

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mlops.accounts.token_cache import Caller
from mlops.errors import MlopsError
from services.models import Version
from services.permissions import require_publish
from services.schema import require_name

if TYPE_CHECKING:
    from mlops.accounts.models import User

FIRST = "1.0"
_SHOWN = 5
_LAST_NUMBER = re.compile(r"(\d+)(\D*)$")
_MOST_DIGITS = 9  # what has more is no counter: a date or an id


@dataclass(frozen=True, slots=True)
class Availability:
    """Whether a version can be published under a name; `problem` says why not.

    `versions` are the newest of the service, `suggestion` one that is free.
    """

    versions: list[str]
    suggestion: str
    problem: str = ""
    field: str = ""


def availability(*, user: "User", name: str, version: str) -> Availability:
    """What can be said of publishing `name` as `version`, either of which may be empty still."""
    taken = versions_of(name)
    suggestion = next_version(taken)
    shown = taken[:_SHOWN][::-1]
    for field, text in (("name", name), ("version", version)):
        try:
            if text:
                require_name(field, text)
            if field == "name":
                require_publish(text, Caller.of(user))
        except MlopsError as error:
            return Availability(shown, suggestion, error.message, field)
    if version and version in taken:
        return Availability(
            shown, suggestion, f"{name} has a version {version} already.", "version"
        )
    return Availability(shown, suggestion)


def versions_of(name: str) -> list[str]:
    """The versions of the service, the newest first."""
    newest_first = Version.objects.named(name).order_by("-created_at", "-pk")
    return list(newest_first.values_list("version", flat=True))


def next_version(taken: list[str]) -> str:
    """A version that is not among those taken, the newest first: the newest counted on."""
    if not taken:
        return FIRST
    counted = taken[0]
    found = _LAST_NUMBER.search(counted)
    if found is None or len(found[1]) > _MOST_DIGITS or len(counted) > 100 or _is_id(counted):
        counted = FIRST if found is None or _is_id(counted) else f"{counted}-1"
        if counted not in taken:
            return counted
    used = set(taken)
    while counted in used:
        counted = _LAST_NUMBER.sub(_next_number, counted, count=1)
    return counted


def _next_number(found: re.Match[str]) -> str:
    digits = found[1]
    return str(int(digits) + 1).zfill(len(digits)) + found[2]


def _is_id(text: str) -> bool:
    return len(text) == 36 and text.count("-") == 4
