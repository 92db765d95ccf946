"""What may stand behind `Authorization: Bearer`, and whose it is.

Each kind reads its texts without the database, which gives claims, and finds for claims who lives
behind them. The scoring lane does both from memory (token_cache.py), REST views for each request.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from mlops.accounts import tokens
from mlops.accounts.api_keys.kind import ApiKeys
from mlops.accounts.claims import Claims
from mlops.accounts.models import User
from mlops.accounts.sign_in import refreshing
from mlops.accounts.sign_in.entra.tokens import ProviderTokens
from mlops.errors import NotSignedIn


@dataclass(frozen=True, slots=True)
class Credentials:
    """A user, and by what they came: a bearer text with these claims."""

    user: User
    claims: Claims


class Kind(Protocol):
    """One kind of bearer texts."""

    asks_others: bool  # whether `read` may wait for another machine

    def is_mine(self, token: str) -> bool:
        """Whether the text is of this kind, by its looks; anybody may have written it."""

    def read(self, token: str) -> Claims:
        """What the text proves by itself; raises NotSignedIn when it proves nothing.

        Raises DirectoryUnavailable when others have to be asked and do not answer.
        """

    def users(self, claims: Collection[Claims]) -> Mapping[Claims, User]:
        """The users who live behind the claims, with their groups; the others are missing."""

    def refusal(self) -> NotSignedIn:
        """The error for claims behind which nobody lives."""


# The last one takes what none of the others recognises.
KINDS: Sequence[Kind] = [ApiKeys(), ProviderTokens(), tokens.AccessTokens()]


def kind_of(token: str) -> Kind:
    """The kind that has to judge the text."""
    return next((kind for kind in KINDS if kind.is_mine(token)), KINDS[-1])


def credentials_of(token: str) -> Credentials:
    """The user whom a bearer text names, and its claims; raises NotSignedIn otherwise.

    Raises DirectoryUnavailable when a directory or provider has to be asked and is silent.
    """
    kind = kind_of(token)
    claims = kind.read(token)
    known = kind.users([claims]).get(claims)
    user = refreshing.up_to_date(known) if known else None
    if known is None or user is None:
        raise kind.refusal()
    user.came_by = known.came_by  # it may be another object, read anew
    return Credentials(user, claims)
