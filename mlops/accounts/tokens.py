"""Token pairs: issued at login, renewed by rotation, revoked at once (wire-api section 9).

All pairs of one login form a family. Its row names the only access token that is alive, so a
renewal or a revocation counts for every web node with the next request.
"""

import hashlib
import secrets
import uuid
from collections.abc import Collection, Hashable
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils import timezone

from mlops.accounts import access_token, audit, changes, keys, serving
from mlops.accounts.claims import Claims
from mlops.accounts.models import RefreshToken, TokenFamily, User
from mlops.errors import NotSignedIn

_REFUSAL = "The refresh token is not valid: sign in again with POST /login."
_REUSED = "The refresh token was used before: it was stolen, so the whole login is ended."
_NO_ACCOUNT = "This account is not active: ask an administrator."


@dataclass(frozen=True, slots=True)
class TokenPair:
    """A living access token and the refresh token that renews it, and whose they are."""

    access_token: str
    refresh_token: str
    expires_in: int  # seconds
    expires_on: int  # Unix seconds
    username: str
    login_session_id: str


def issue(user: User) -> TokenPair:
    """The first pair of a new family; raises NotSignedIn for a user who is not alive."""
    if not user.is_alive():
        raise NotSignedIn(_NO_ACCOUNT)
    now = timezone.now()
    with transaction.atomic():
        family = TokenFamily.objects.create(
            user=user,
            login_session_id=serving.begin_login(),
            access_id=uuid.uuid4(),
            key_id=keys.signing_key().id,
            signed_at=now,
            created_at=now,
        )
        return _new_pair(family, now)


def renew(refresh_token: str) -> TokenPair:
    """A new pair in exchange for `refresh_token`; the pair before it is dead from then on.

    Of several concurrent renewals exactly one wins. A refresh token that is used again later was
    stolen by somebody, so it kills its family. Raises NotSignedIn when it is of no use.
    """
    now = timezone.now()
    row = _usable(refresh_token, now)
    family = row.family
    if not family.user.is_alive():
        raise NotSignedIn(_NO_ACCOUNT)
    with transaction.atomic():
        # Conditional updates: whoever came second changes no row, here or on another web node.
        used = RefreshToken.objects.filter(pk=row.pk, used_at=None).update(used_at=now)
        family.access_id = uuid.uuid4()
        rotated = used and TokenFamily.objects.filter(pk=family.pk, revoked_at=None).update(
            access_id=family.access_id, key_id=keys.signing_key().id, signed_at=now
        )
        if not rotated:
            raise NotSignedIn(_REFUSAL)
        transaction.on_commit(changes.note)
        return _new_pair(family, now)


def revoke(refresh_token: str) -> None:
    """End the family of `refresh_token`; raises NotSignedIn when the token is of no use."""
    now = timezone.now()
    family = _usable(refresh_token, now).family
    with transaction.atomic():
        _revoke(TokenFamily.objects.filter(pk=family.pk), now)
        audit.record("sign out", user=family.user)


def revoke_all(user: User) -> None:
    """End all families of `user`: every token of theirs is dead."""
    _revoke(TokenFamily.objects.filter(user=user), timezone.now())


def revoke_families(families: QuerySet[TokenFamily]) -> int:
    """End these families; how many of them lasted until now."""
    return _revoke(families, timezone.now())


def revoke_signed_with(key_ids: Collection[str]) -> None:
    """End all families whose newest access token one of these keys signed."""
    _revoke(TokenFamily.objects.filter(key_id__in=key_ids), timezone.now())


class AccessTokens:
    """The access tokens of families, as a kind of bearer texts (bearers.py)."""

    asks_others = False

    def is_mine(self, token: str) -> bool:  # noqa: ARG002 - texts of no other kind are judged here
        """True."""
        return True

    def read(self, token: str) -> Claims:
        """The claims of a well-signed, unexpired access token; raises NotSignedIn otherwise."""
        return access_token.read(token)

    def users(self, claims: Collection[Claims]) -> dict[Claims, User]:
        """The active users whose families have these as their newest access tokens."""
        families = (
            TokenFamily.objects.alive()
            .filter(access_id__in=[each.key for each in claims])
            .select_related("user")
            .prefetch_related("user__groups")
        )
        living: dict[tuple[Hashable, str], User] = {
            (family.access_id, family.login_session_id): family.user for family in families
        }
        named = {each: living.get((each.key, each.login_session_id)) for each in claims}
        return {each: user for each, user in named.items() if user is not None}

    def refusal(self) -> NotSignedIn:
        """The error for a well-signed token that its family no longer backs."""
        return access_token.refusal()


def keys_unknown_here(now: datetime) -> set[str]:
    """The keys of living access tokens that were signed elsewhere and are refused here."""
    recent = now - timedelta(seconds=settings.ACCESS_TOKEN_SECONDS)
    used = TokenFamily.objects.alive().filter(signed_at__gt=recent)
    known = {"", *(key.id for key in keys.accepted_keys())}
    return set(used.exclude(key_id__in=known).values_list("key_id", flat=True))


def remove_dead(now: datetime) -> int:
    """Delete the families that can never be used again, with their tokens; how many they were."""
    # The last access token of a family may outlive its last refresh token.
    horizon = now - timedelta(seconds=settings.ACCESS_TOKEN_SECONDS)
    living_tokens = RefreshToken.objects.filter(family=OuterRef("pk"), expires_at__gt=horizon)
    dead = TokenFamily.objects.filter(Q(revoked_at__isnull=False) | ~Exists(living_tokens))
    _, per_model = dead.delete()
    RefreshToken.objects.filter(expires_at__lte=horizon).delete()
    return per_model.get(TokenFamily._meta.label, 0)


def _usable(refresh_token: str, now: datetime) -> RefreshToken:
    """The row of a refresh token that may be exchanged; raises NotSignedIn otherwise."""
    row = (
        RefreshToken.objects.select_related("family__user")
        .filter(pk=_digest(refresh_token), family__revoked_at=None)
        .first()
    )
    if row is None:
        raise NotSignedIn(_REFUSAL)
    if row.used_at is not None:
        with transaction.atomic():
            _revoke(TokenFamily.objects.filter(pk=row.family_id), now)
            audit.record(
                "use refresh token", user=row.family.user, outcome=audit.REFUSED, reason=_REUSED
            )
        raise NotSignedIn(_REFUSAL)
    if not row.is_usable(now):
        raise NotSignedIn(_REFUSAL)
    return row


def _new_pair(family: TokenFamily, now: datetime) -> TokenPair:
    """The pair for `family.access_id`, its refresh token stored."""
    token, expires_on = access_token.sign(family, family.access_id, now)
    refresh_token = secrets.token_urlsafe(64)
    chain_end = family.created_at + timedelta(seconds=settings.TOKEN_CHAIN_SECONDS)
    unused_end = now + timedelta(seconds=settings.REFRESH_TOKEN_SECONDS)
    RefreshToken.objects.create(
        digest=_digest(refresh_token), family=family, expires_at=min(chain_end, unused_end)
    )
    return TokenPair(
        token,
        refresh_token,
        settings.ACCESS_TOKEN_SECONDS,
        expires_on,
        family.user.username,
        family.login_session_id,
    )


def _revoke(families: QuerySet[TokenFamily], now: datetime) -> int:
    """Mark living families as revoked and tell this process at once; how many they were."""
    n_revoked = families.filter(revoked_at=None).update(revoked_at=now)
    transaction.on_commit(changes.note)
    return n_revoked


def _digest(refresh_token: str) -> str:
    return hashlib.sha256(refresh_token.encode(errors="surrogatepass")).hexdigest()
