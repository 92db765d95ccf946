"""API keys as bearer texts (bearers.py)."""

import hmac
import math
from collections.abc import Collection
from dataclasses import dataclass

from mlops.accounts.api_keys import text, uses
from mlops.accounts.claims import Claims
from mlops.accounts.models import ApiKey, User
from mlops.errors import NotSignedIn

_REFUSAL = "The API key is not valid: it is mistyped, expired or revoked."


@dataclass(frozen=True, slots=True)
class _Shown:
    """A key as somebody shows it."""

    id: str
    digest: str


class ApiKeys:
    """The keys of applications."""

    asks_others = False

    def is_mine(self, token: str) -> bool:
        """Whether the text begins as a key does."""
        return token.startswith(text.PREFIX)

    def read(self, token: str) -> Claims:
        """Which key is shown; raises NotSignedIn for a text that can be none.

        Until when it counts the database says, which is asked again and again.
        """
        key_id = text.id_of(token)
        if key_id is None:
            raise self.refusal()
        return Claims(_Shown(key_id, text.digest(token)), key_id, math.inf)

    def users(self, claims: Collection[Claims]) -> dict[Claims, User]:
        """The living users of these keys, each with the key as `came_by`."""
        shown = {each: each.key for each in claims if isinstance(each.key, _Shown)}
        rows = (
            ApiKey.objects.alive()
            .filter(pk__in=[one.id for one in shown.values()])
            .select_related("user")
            .prefetch_related("user__groups")
        )
        keys = {row.pk: row for row in rows}
        living = {
            each: keys[one.id]
            for each, one in shown.items()
            if one.id in keys and hmac.compare_digest(keys[one.id].digest, one.digest)
        }
        uses.note(living.values())
        return {each: _came_by(key) for each, key in living.items()}

    def refusal(self) -> NotSignedIn:
        """The error for a key behind which nobody lives."""
        return NotSignedIn(_REFUSAL)


def _came_by(key: ApiKey) -> User:
    user = key.user
    user.came_by = key
    return user
