"""Making and revoking API keys; views, pages and commands call these."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from mlops.accounts import audit, changes
from mlops.accounts.api_keys import text
from mlops.accounts.models import ApiKey, User
from mlops.accounts.refusals import noting_refusals
from mlops.accounts.roles import BY_KEY, Role, require, require_role, role_of
from mlops.accounts.sign_in import methods
from mlops.errors import Forbidden, InvalidRequest, LimitReached, NotFound

DEFAULT_DAYS = 365
MAX_DAYS = 2 * 365
KEYS_PER_ACCOUNT = 100
MAX_NAME_LENGTH = 128
MAX_SERVICES = 1000

_UNKNOWN = "There is no such API key."


@dataclass(frozen=True, slots=True)
class MadeKey:
    """A new key, and its text, which is nowhere else."""

    key: ApiKey
    text: str


def visible_keys(user: User) -> QuerySet[ApiKey]:
    """The keys that the user sees: their own; all for an Owner."""
    keys = ApiKey.objects.select_related("user")
    return keys if role_of(user) == Role.OWNER else keys.filter(user=user)


@noting_refusals("create API key")
def create_api_key(
    *,
    user: User,
    name: str,
    account: str = "",
    services: Sequence[str] | None = None,
    days: int = DEFAULT_DAYS,
) -> MadeKey:
    """A key of the service account `account`, or of the user's own account.

    It can do what the account can; with `services`, only call these. Raises Forbidden for somebody
    else's account, NotFound for an unknown one, InvalidRequest, or LimitReached.
    """
    role = require_role(user, Role.READER)
    require_sign_in(user)
    _check(name, services, days)
    now = timezone.now()
    new = text.new_key()
    with transaction.atomic():
        owner = _account(user, role, account)
        if owner.api_keys.count() >= KEYS_PER_ACCOUNT:
            raise LimitReached(
                f"{owner.username} has {KEYS_PER_ACCOUNT} API keys: revoke one that is not needed."
            )
        key = ApiKey.objects.create(
            id=new.id,
            user=owner,
            name=name,
            digest=text.digest(new.text),
            services=None if services is None else sorted(set(services)),
            created_at=now,
            expires_at=now + timedelta(days=days),
        )
        audit.record("create API key", user=user, object=_object(key), after=_described(key))
    return MadeKey(key, new.text)


@noting_refusals("revoke API key")
def revoke_api_key(*, user: User, key_id: str) -> ApiKey:
    """The key, which opens nothing any more; raises NotFound for one that the user does not see."""
    require_role(user, Role.READER)
    require_sign_in(user)
    if not key_id.isprintable():
        raise NotFound(_UNKNOWN)
    with transaction.atomic():
        key = visible_keys(user).filter(pk=key_id).first()
        if key is None:
            raise NotFound(_UNKNOWN)
        audit.record("revoke API key", user=user, object=_object(key), before=_described(key))
        ApiKey.objects.filter(pk=key.pk).delete()
        transaction.on_commit(changes.note)
    return key


def require_sign_in(user: User) -> None:
    """Nothing; raises Forbidden for who came by a key: a key that leaked must not make others."""
    if user.came_by is not None:
        raise Forbidden(BY_KEY)


def _check(name: str, services: Sequence[str] | None, days: int) -> None:
    if not name.strip() or len(name) > MAX_NAME_LENGTH or not name.isprintable():
        raise InvalidRequest(
            f"The name must have 1 to {MAX_NAME_LENGTH} printable characters.", fields="name"
        )
    if not 1 <= days <= MAX_DAYS:
        raise InvalidRequest(
            f"A key is good for 1 to {MAX_DAYS} days, not for {days}.", fields="days"
        )
    if services is not None and not 1 <= len(services) <= MAX_SERVICES:
        raise InvalidRequest(
            f"Name 1 to {MAX_SERVICES} services, or leave them out for all.", fields="services"
        )
    for service in services or ():
        if not 1 <= len(service) <= MAX_NAME_LENGTH or not service.isprintable():
            raise InvalidRequest(f"{service!r} is no name of a service.", fields="services")


def _account(user: User, role: Role, username: str) -> User:
    if username in ("", user.username):
        return user
    require(role, Role.OWNER)
    account = User.objects.filter(username=username).first() if username.isprintable() else None
    if account is None:
        raise NotFound(f"There is no account named {username!r}.")
    if account.sign_in_method != methods.SERVICE:
        raise Forbidden("People make their API keys themselves; name a service account.")
    return account


def _object(key: ApiKey) -> str:
    return f"{key.user.username}/{key.pk}"


def _described(key: ApiKey) -> dict[str, object]:
    return {
        "name": key.name,
        "services": key.services,
        "expires": key.expires_at.isoformat(timespec="seconds"),
    }
