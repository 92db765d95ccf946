"""The sign-ins of a user that last: tokens of clients and browser sessions, and their end.

Each is known by its LoginSessionId, which the audit trail and the action log name too.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import F, Max
from django.utils import timezone

from mlops.accounts import actions, audit, browser_sessions, serving, tokens
from mlops.accounts.api_keys.actions import require_sign_in
from mlops.accounts.models import AuditEntry, TokenFamily, User
from mlops.accounts.refusals import noting_refusals
from mlops.accounts.roles import Role, require_role
from mlops.errors import NotFound

TOKENS, BROWSER = "tokens", "browser"
MAX_SHOWN = 200
_MAX_ENTRIES = 1000  # of the audit trail, that are looked at for addresses

_UNKNOWN = "There is no such sign-in any more."


@dataclass(frozen=True, slots=True)
class Login:
    """One sign-in that lasts."""

    id: str  # its LoginSessionId
    kind: str  # TOKENS or BROWSER
    began_at: datetime
    used_at: datetime  # tokens: renewed; browser: to the minute
    ends_at: datetime  # unless it is used before
    address: str = ""  # from where; empty when the audit trail has it no more


def logins_of(user: User) -> list[Login]:
    """The sign-ins of the user that last, the latest first; MAX_SHOWN at most."""
    found = sorted([*_of_tokens(user), *_of_browsers(user)], key=lambda each: each.began_at)
    found = found[: -MAX_SHOWN - 1 : -1]
    addresses = _addresses(user, {each.id for each in found})
    return [
        Login(
            each.id,
            each.kind,
            each.began_at,
            each.used_at,
            each.ends_at,
            addresses.get(each.id, ""),
        )
        for each in found
    ]


@noting_refusals("end sign-in")
def end_login(*, user: User, username: str, login_session_id: str) -> None:
    """One sign-in of the user `username` has ended: its tokens and browser session are dead.

    Raises Forbidden for somebody else's, unless an Owner ends it, and NotFound.
    """
    account = _account(user, username)
    if not login_session_id or not login_session_id.isprintable():
        raise NotFound(_UNKNOWN)
    families = TokenFamily.objects.filter(
        user=account, login_session_id=login_session_id, revoked_at=None
    )
    with transaction.atomic():
        n_ended = tokens.revoke_families(families)
        for session, data in browser_sessions.of_user(account):
            if data.get(serving.KEY) == login_session_id:
                n_ended += session.delete()[0]
        if not n_ended:
            raise NotFound(_UNKNOWN)
        audit.record(
            "end sign-in", user=user, object=username, before={"loginSessionId": login_session_id}
        )


@noting_refusals("end all sign-ins")
def end_all_logins(*, user: User, username: str) -> User:
    """The user `username`, whose tokens and browser sessions are all dead.

    Raises Forbidden for somebody else's, unless an Owner ends them, and NotFound.
    """
    account = _account(user, username)
    with transaction.atomic():
        actions.end_sign_ins(account)
        audit.record("end all sign-ins", user=user, object=username)
    return account


def _account(user: User, username: str) -> User:
    """The account whose sign-ins the user may end."""
    require_role(user, Role.READER)
    require_sign_in(user)
    if username == user.username:
        return user
    require_role(user, Role.OWNER)
    account = User.objects.filter(username=username).first() if username.isprintable() else None
    if account is None:
        raise NotFound(f"There is no account named {username!r}.")
    return account


def _of_tokens(user: User) -> Iterator[Login]:
    families = (
        TokenFamily.objects.alive()
        .filter(user=user)
        .annotate(renewable_until=Max("refresh_tokens__expires_at"))
        .order_by(F("created_at").desc())[:MAX_SHOWN]
    )
    now = timezone.now()
    for family in families:
        token_until = family.signed_at + timedelta(seconds=settings.ACCESS_TOKEN_SECONDS)
        renewable_until: datetime | None = family.renewable_until  # type: ignore[attr-defined]
        ends_at = max(renewable_until or token_until, token_until)
        if ends_at > now:
            yield Login(
                family.login_session_id, TOKENS, family.created_at, family.signed_at, ends_at
            )


def _of_browsers(user: User) -> Iterator[Login]:
    for session, data in browser_sessions.of_user(user):
        began, seen = browser_sessions.times_of(data)
        longest = began + settings.BROWSER_SESSION_SECONDS
        yield Login(
            str(data.get(serving.KEY, "")),
            BROWSER,
            datetime.fromtimestamp(began, UTC),
            datetime.fromtimestamp(seen, UTC),
            min(session.expire_date, datetime.fromtimestamp(longest, UTC)),
        )


def _addresses(user: User, login_session_ids: set[str]) -> dict[str, str]:
    """From where each of these sign-ins came, as far as the audit trail still says."""
    entries = AuditEntry.objects.filter(
        username=user.username, action="sign in", outcome=audit.SUCCESS
    ).order_by("-pk")[:_MAX_ENTRIES]
    return {
        login: address
        for login, address in entries.values_list("login_session_id", "address")
        if login in login_session_ids
    }
