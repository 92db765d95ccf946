"""Who a token of the provider speaks of (wire-api section 9)."""

from collections.abc import Mapping
from typing import Any

from mlops.accounts.models import User
from mlops.accounts.sign_in.directory import DirectoryEntry
from mlops.accounts.sign_in.entra.configuration import EntraSettings
from mlops.accounts.sign_in.entra.graph import graph
from mlops.errors import NotSignedIn

_LONGEST_NAME: int = User._meta.get_field("username").max_length or 0


def person(entra: EntraSettings, claims: Mapping[str, Any]) -> DirectoryEntry:
    """The user of these claims, which are proved genuine, with their groups.

    Raises NotSignedIn when they name none, and DirectoryUnavailable when the directory has to be
    asked for the groups and does not answer.
    """
    directory_id = _text(claims, "oid") or _text(claims, "sub")
    return DirectoryEntry(
        username=_username(entra, claims),
        directory_id=directory_id[:1024],
        display_name=_text(claims, "name")[:256],
        email=_text(claims, "email")[:254],
        groups=_groups(entra, claims, directory_id),
        has_lasting_id=entra.is_microsoft and bool(_text(claims, "oid")),
    )


def _username(entra: EntraSettings, claims: Mapping[str, Any]) -> str:
    named = (_text(claims, name) for name in entra.user_claims)
    username = next(filter(None, named), "")
    if not username:
        raise NotSignedIn(
            "The token names no user: sign in as a person. Programs of their own have service"
            " accounts here."
        )
    if len(username) > _LONGEST_NAME or not username.isprintable():
        raise NotSignedIn("The user's name in the token cannot be used here: ask an administrator.")
    return username


def _groups(entra: EntraSettings, claims: Mapping[str, Any], directory_id: str) -> frozenset[str]:
    """The user's groups; a token that had too many of them says that they are elsewhere."""
    sources = claims.get("_claim_names")
    is_overage = bool(claims.get("hasgroups")) or (
        isinstance(sources, Mapping) and entra.groups_claim in sources
    )
    if is_overage and entra.can_ask_directory:
        groups = graph(entra).groups_of(directory_id)
    else:
        # Without a key nobody can say which they are: the user has the role of people in none.
        given = [] if is_overage else claims.get(entra.groups_claim, [])
        groups = frozenset(
            each for each in ([given] if isinstance(given, str) else given) if isinstance(each, str)
        )
    return graph(entra).with_names(groups) if entra.can_ask_directory else groups


def _text(claims: Mapping[str, Any], name: str) -> str:
    value = claims.get(name)
    return value.strip() if isinstance(value, str) else ""
