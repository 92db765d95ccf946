"""Who has been seen here, in which role, and what the declared groups come to."""

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

from django.conf import settings
from django.db.models import Count, Exists, OuterRef, Q, QuerySet, Subquery
from django.db.models.expressions import Combinable
from django.db.models.functions import Coalesce
from django.utils import timezone

from mlops.accounts.models import ApiKey, RefreshToken, TokenFamily, User
from mlops.accounts.role_reasons import declared_groups, name_of
from mlops.accounts.roles import Role, role_by
from mlops.accounts.sign_in import methods


@dataclass(frozen=True, slots=True)
class GroupRow:
    """A declared group: the role that it grants, and how many of the users seen are in it."""

    role: str
    group: str
    n_users: int


@dataclass(frozen=True, slots=True)
class RoleTable:
    """What the declared groups come to, for the users seen so far."""

    groups: list[GroupRow]
    n_by_role: dict[str, int]  # "No role" too
    n_implicit: int  # in none of the declared groups


def with_counts(users: QuerySet[User]) -> QuerySet[User]:
    """The users, with the number of their logins by token and of their API keys that count."""
    families = TokenFamily.objects.alive().filter(_is_usable(), user=OuterRef("pk"))
    keys = ApiKey.objects.filter(user=OuterRef("pk"), expires_at__gt=timezone.now())
    return users.annotate(n_tokens=_count(families), n_keys=_count(keys))


def role_table() -> RoleTable:
    """The table; it looks at every account, in two queries."""
    by_group: Counter[str] = Counter()
    by_role: Counter[str] = Counter()
    n_implicit = 0
    declared = {name: name.lower() for names in declared_groups().values() for name in names}
    for seen in _everybody():
        by_role[name_of(seen.role)] += 1
        own = [name for name, lower in declared.items() if lower in seen.groups]
        by_group.update(own)
        n_implicit += not own and not seen.is_fixed
    return RoleTable(
        groups=[
            GroupRow(name_of(role), name, by_group[name])
            for role, names in sorted(declared_groups().items(), reverse=True)
            for name in names
        ],
        n_by_role=dict(by_role),
        n_implicit=n_implicit,
    )


def in_role(users: QuerySet[User], name: str) -> QuerySet[User]:
    """Those of the users who have the role of this name, or "No role"."""
    return users.filter(pk__in=[seen.pk for seen in _everybody() if name_of(seen.role) == name])


@dataclass(frozen=True, slots=True)
class _Seen:
    """What matters of an account here; no group changes the role of one that `is_fixed`."""

    pk: int
    role: Role | None
    groups: frozenset[str]  # in lower case
    is_fixed: bool


def _everybody() -> Iterator[_Seen]:
    """All accounts. Groups are compared in Python, as databases know no case."""
    local_groups: dict[int, set[str]] = defaultdict(set)
    memberships = User.groups.through.objects.values_list("user_id", "group__name")
    for pk, group in memberships.iterator():
        local_groups[pk].add(group.lower())
    rows = User.objects.values_list(
        "pk", "sign_in_method", "assigned_role", "is_superuser", "directory_groups"
    )
    roles: dict[tuple[str, int | None, bool, frozenset[str]], Role | None] = {}
    for pk, method, assigned, is_superuser, directory_groups in rows.iterator():
        is_local = method == methods.LOCAL
        own = local_groups[pk] if is_local else map(str.lower, directory_groups)
        groups = frozenset(own)
        key = (method, assigned, is_superuser, groups)
        if key not in roles:
            roles[key] = role_by(method, assigned, is_superuser, groups.copy)
        is_fixed = method == methods.SERVICE or (is_superuser and is_local)
        yield _Seen(pk, roles[key], groups, is_fixed)


def _is_usable() -> Combinable | Q:
    """Of families: the newest access token lives, or a refresh token does."""
    now = timezone.now()
    signed_after = now - timedelta(seconds=settings.ACCESS_TOKEN_SECONDS)
    refreshable = RefreshToken.objects.filter(
        family=OuterRef("pk"), expires_at__gt=now, used_at=None
    )
    return Q(signed_at__gt=signed_after) | Exists(refreshable)


def _count(rows: QuerySet[TokenFamily] | QuerySet[ApiKey]) -> Coalesce:
    counted = rows.order_by().values("user").annotate(n=Count("pk")).values("n")
    return Coalesce(Subquery(counted), 0)
