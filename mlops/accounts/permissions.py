"""Role checks for REST views."""

from typing import TYPE_CHECKING

from rest_framework.permissions import SAFE_METHODS, BasePermission
from rest_framework.request import Request

from mlops.accounts.roles import BY_KEY, NO_ROLE, Role, role_for_nodes, role_of

if TYPE_CHECKING:  # it imports this module, by way of the default permission classes
    from rest_framework.views import APIView


class _AtLeast(BasePermission):
    """Signed in, with at least `role`."""

    role: Role

    def has_permission(self, request: Request, view: "APIView") -> bool:  # noqa: ARG002
        """Whether the caller's role suffices; an anonymous caller gets a 401 from DRF."""
        if not request.user.is_authenticated:
            return False
        role = role_of(request.user)
        if role is None:
            self.message = NO_ROLE
            return False
        self.message = f"This needs the {self.role.name.title()} role."
        return role >= self.role


class IsReader(_AtLeast):
    """Reader or better."""

    role = Role.READER


class IsContributor(_AtLeast):
    """Contributor or better."""

    role = Role.CONTRIBUTOR


class IsOwner(_AtLeast):
    """Owner."""

    role = Role.OWNER


class HasSignedIn(BasePermission):
    """For changes that nobody makes with an API key; looking is open to those too."""

    message = BY_KEY

    def has_permission(self, request: Request, view: "APIView") -> bool:  # noqa: ARG002
        """Whether it is a look, or the caller has not come by a key."""
        return request.method in SAFE_METHODS or getattr(request.user, "came_by", None) is None


class MayChangeNodes(_AtLeast):
    """Owner, or Contributor where there are no groups of Owners."""

    @property
    def role(self) -> Role:  # type: ignore[override]
        """The role now, as settings are read at each call."""
        return role_for_nodes()
