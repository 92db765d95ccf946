"""Who has been seen here, in which role, and what the declared groups come to."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

from django.conf import settings
from django.db.models import Count, Exists, OuterRef, Q, QuerySet, Subquery
from django.db.models.expressions import Combinable
from django.db.models.functions import Coalesce
from django.utils import timezone

from mlops.accounts.models import ApiKey, RefreshToken, TokenFamily, User
from mlops.accounts.role_reasons import declared_groups, granting_groups, name_of
from mlops.accounts.roles import Role, role_of


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
    roles = declared_groups()
    for user, role in _roles():
        by_role[name_of(role)] += 1
        own = user.group_names()
        declared = [name for one in roles for name in granting_groups(own, one)]
        by_group.update(declared)
        n_implicit += not declared and not _is_fixed(user)
    return RoleTable(
        groups=[
            GroupRow(role.name.title(), name, by_group[name])
            for role, names in sorted(roles.items(), reverse=True)
            for name in names
        ],
        n_by_role=dict(by_role),
        n_implicit=n_implicit,
    )


def in_role(users: QuerySet[User], name: str) -> QuerySet[User]:
    """Those of the users who have the role of this name, or "No role"."""
    found = [user.pk for user, role in _roles() if (name_of(role)) == name]
    return users.filter(pk__in=found)


def _roles() -> Iterator[tuple[User, Role | None]]:
    """Everybody, each with their role. Groups are compared in Python, as databases know no case."""
    users = User.objects.only(
        "username", "sign_in_method", "is_superuser", "assigned_role", "directory_groups"
    )
    for user in users.prefetch_related("groups"):
        yield user, role_of(user)


def _is_fixed(user: User) -> bool:
    """Whether no group changes the user's role."""
    is_local = user.sign_in_method == User.Method.LOCAL
    return user.sign_in_method == User.Method.SERVICE or (user.is_superuser and is_local)


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
