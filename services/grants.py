"""Grants: who may consume and who may manage a service that is not open to all.

A service without grants follows the roles alone (wire-api section 10). Grants to consume close it
to everybody who is not named; grants to manage let others than the publisher change its versions,
and nobody but those publish new ones. Owners may always do everything.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Self

from mlops.accounts.sign_in import methods
from mlops.errors import InvalidRequest

CONSUME, MANAGE = "consume", "manage"
RIGHTS = (CONSUME, MANAGE)
USER, GROUP = "user", "group"
KINDS = (USER, GROUP)
MAX_NAME_LENGTH = 256
MAX_GRANTS = 1000


@dataclass(frozen=True, slots=True, order=True)
class Grant:
    """One right of one user or group."""

    right: str
    kind: str
    name: str

    def checked(self) -> Self:
        """Itself; raises InvalidRequest when it cannot be right."""
        if self.right not in RIGHTS:
            raise InvalidRequest(f"A right is {' or '.join(RIGHTS)}.", fields="right")
        if self.kind not in KINDS:
            raise InvalidRequest(f"A kind is {' or '.join(KINDS)}.", fields="kind")
        name = self.name
        is_name = name and name == name.strip() and name.isprintable()
        if not is_name or len(name) > MAX_NAME_LENGTH:
            raise InvalidRequest(
                f"The name of a {self.kind} has 1 to {MAX_NAME_LENGTH} printable characters, no "
                "blank first or last.",
                fields="name",
            )
        return self

    def stored(self) -> dict[str, str]:
        """The grant in the form of the wire and of the database."""
        return {"right": self.right, "kind": self.kind, "name": self.name}

    @property
    def compared(self) -> tuple[str, str, str]:
        """By what it is the same grant as another: groups compare without regard to case."""
        name = self.name.lower() if self.kind == GROUP else methods.compared(self.name)
        return self.right, self.kind, name


def checked(grants: Iterable[Grant]) -> list[dict[str, str]]:
    """The grants as they are stored, in order, each once; raises InvalidRequest."""
    unique = {grant.compared: grant for grant in (each.checked() for each in grants)}
    if len(unique) > MAX_GRANTS:
        raise InvalidRequest(
            f"A service has at most {MAX_GRANTS} grants: grant to groups.", fields="grants"
        )
    return [grant.stored() for grant in sorted(unique.values())]


def revision(stored: list[dict[str, str]]) -> str:
    """A text that is another one for every other list of grants."""
    return hashlib.sha256(json.dumps(stored, sort_keys=True).encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class Access:
    """Who is named by the grants of a service, for a quick look."""

    is_closed: bool  # only those who are named may consume it
    has_managers: bool  # only those who are named may publish to it
    consuming_users: frozenset[str]  # as they compare; those who may manage included
    consuming_groups: frozenset[str]  # in lower case
    managing_users: frozenset[str]
    managing_groups: frozenset[str]

    @classmethod
    def of(cls, stored: Iterable[Mapping[str, str]]) -> "Access | None":
        """What the stored grants say; None when there are none."""
        names = {Grant(**each).compared for each in stored}
        if not names:
            return None

        def named(kind: str, *rights: str) -> frozenset[str]:
            return frozenset(name for right, of, name in names if of == kind and right in rights)

        rights = {right for right, _, _ in names}
        return cls(
            is_closed=CONSUME in rights,
            has_managers=MANAGE in rights,
            consuming_users=named(USER, *RIGHTS),
            consuming_groups=named(GROUP, *RIGHTS),
            managing_users=named(USER, MANAGE),
            managing_groups=named(GROUP, MANAGE),
        )

    def lets_consume(self, username: str, groups: frozenset[str]) -> bool:
        """Whether this user, or one of these groups, may consume every version."""
        return (
            not self.is_closed
            or methods.compared(username) in self.consuming_users
            or not groups.isdisjoint(self.consuming_groups)
        )

    def lets_manage(self, username: str, groups: frozenset[str]) -> bool:
        """Whether this user, or one of these groups, is named as a manager."""
        return methods.compared(username) in self.managing_users or not groups.isdisjoint(
            self.managing_groups
        )
