"""Why people have the roles they have, in words."""

from collections.abc import Iterable
from dataclasses import dataclass

from django.conf import settings

from mlops.accounts.models import User
from mlops.accounts.roles import Role, implicit_role, role_of
from mlops.accounts.sign_in import methods


def name_of(role: Role | None) -> str:
    """The role as people write it."""
    return role.name.title() if role else "No role"


@dataclass(frozen=True, slots=True)
class Reason:
    """A role, or None, and why somebody has it."""

    role: Role | None
    why: str

    @property
    def name(self) -> str:
        """The role as people write it."""
        return name_of(self.role)


def declared_groups() -> dict[Role, list[str]]:
    """The groups that grant each role, as they are spelled in the settings."""
    return {Role[name.upper()]: list(groups) for name, groups in settings.ROLE_GROUPS.items()}


def reason_of(user: User) -> Reason:
    """The user's role, and why it is that one."""
    role = role_of(user)
    if user.sign_in_method == methods.SERVICE:
        return Reason(role, "a service account has the role that it was made with")
    if user.is_superuser and user.sign_in_method == methods.LOCAL:
        return Reason(role, "the local administrator is an Owner whatever the groups are")
    granting = granting_groups(user.group_names(), role)
    if granting:
        return Reason(role, f"in {_listed(granting)}")
    if role is None:
        return Reason(role, "in none of the groups that have a role")
    return Reason(role, "implicit: in none of the declared groups")


def granting_groups(own_groups: frozenset[str], role: Role | None) -> list[str]:
    """Those of somebody's groups (in lower case) that grant the role, as they are declared."""
    if role is None:
        return []
    return [name for name in declared_groups()[role] if name.lower() in own_groups]


def implicit_role_in_words() -> str:
    """What everybody is who is in none of the declared groups, and why."""
    declared = {role for role, groups in declared_groups().items() if groups}
    role = implicit_role(declared)
    if not declared:
        return (
            "Everybody who can sign in is a Contributor, because no groups are declared for any"
            " role."
        )
    if role is None:
        return (
            "Everybody else has no role and cannot come in, because groups are declared for the"
            " role Reader."
        )
    if role == Role.READER:
        return (
            "Everybody else who can sign in is a Reader, because groups are declared for the role"
            " Contributor but none for Reader."
        )
    return (
        "Everybody else who can sign in is a Contributor, because groups are declared for the role"
        " Owner only."
    )


def _listed(names: Iterable[str]) -> str:
    found = list(names)
    return f"group {found[0]}" if len(found) == 1 else f"groups {', '.join(found)}"
