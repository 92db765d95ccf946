"""Who acts in which role, and what that opens (wire-api section 10)."""

from collections.abc import Callable

import pytest
from django.contrib.auth.models import Group
from pytest_django import DjangoAssertNumQueries, Settings
from rest_framework.permissions import BasePermission
from rest_framework.response import Response
from rest_framework.test import APIClient, APIRequestFactory, force_authenticate
from rest_framework.views import APIView

from mlops.accounts.models import User
from mlops.accounts.permissions import IsContributor, IsOwner, IsReader
from mlops.accounts.roles import Role, implicit_role, role_of

R, C, O = Role.READER, Role.CONTRIBUTOR, Role.OWNER  # noqa: E741


@pytest.mark.parametrize(
    ("declared", "role"),
    [
        (set(), C),
        ({O}, C),
        ({C}, R),
        ({C, O}, R),
        ({R}, None),
        ({R, C}, None),
        ({R, O}, None),
        ({R, C, O}, None),
    ],
)
def test_the_implicit_role_of_everybody_else(declared: set[Role], role: Role | None) -> None:
    assert implicit_role(declared) is role


@pytest.mark.parametrize(
    ("declared", "role"),
    [
        ({}, C),
        ({"Owner": ["chiefs"]}, C),
        ({"Contributor": ["makers"]}, R),
        ({"Contributor": ["makers"], "Owner": ["chiefs"]}, R),
        ({"Reader": ["lookers"]}, None),
        ({"Reader": ["lookers"], "Owner": ["chiefs"]}, None),
        ({"Reader": ["lookers"], "Contributor": ["makers"]}, None),
        ({"Reader": ["lookers"], "Contributor": ["makers"], "Owner": ["chiefs"]}, None),
    ],
)
def test_somebody_outside_the_declared_groups_acts_in_it(
    alice: User, settings: Settings, declared: dict[str, list[str]], role: Role | None
) -> None:
    settings.ROLE_GROUPS = {"Owner": [], "Contributor": [], "Reader": []} | declared
    alice.groups.set([Group.objects.create(name="stats")])
    assert role_of(alice) is role


@pytest.mark.parametrize(
    ("groups", "role"),
    [
        (["chiefs"], O),
        (["makers"], C),
        (["lookers"], R),
        (["lookers", "makers"], C),
        (["lookers", "chiefs"], O),
        (["CHIEFS"], O),
        (["makers too"], C),
        (["stats"], None),
        ([], None),
    ],
)
def test_the_highest_role_of_several_groups_wins(
    alice: User, settings: Settings, groups: list[str], role: Role | None
) -> None:
    settings.ROLE_GROUPS = {
        "Owner": ["Chiefs"],
        "Contributor": ["makers", "makers too"],
        "Reader": ["lookers"],
    }
    alice.groups.set([Group.objects.create(name=name) for name in groups])
    assert role_of(alice) is role


def test_groups_of_a_directory_compare_without_regard_to_case(
    alice: User, settings: Settings
) -> None:
    settings.ROLE_GROUPS = {"Owner": ["Chiefs"], "Contributor": [], "Reader": ["lookers"]}
    alice.sign_in_method = User.Method.LDAP
    for groups, role in ((["LOOKERS"], R), (["lookers", "cHIEFS"], O), (["stats"], None)):
        alice.directory_groups = groups
        assert role_of(alice) is role


def test_local_groups_are_nothing_to_an_account_of_a_directory(
    alice: User, declared_groups: None
) -> None:
    assert role_of(alice) is C
    alice.sign_in_method = User.Method.ENTRA
    assert role_of(alice) is None


def test_an_account_of_a_directory_is_no_local_administrator(
    admin: User, declared_groups: None
) -> None:
    admin.sign_in_method = User.Method.LDAP
    assert role_of(admin) is None


@pytest.mark.parametrize("role", [R, C, O, None])
def test_a_service_account_has_the_role_it_was_made_with_whatever_its_groups(
    alice: User, declared_groups: None, role: Role | None
) -> None:
    alice.sign_in_method = User.Method.SERVICE
    alice.is_superuser = True
    alice.assigned_role = role
    assert role_of(alice) is role


def test_a_change_of_groups_counts_without_a_new_sign_in(
    alice: User, rita: User, client_for: Callable[[User], APIClient]
) -> None:
    client = client_for(rita)
    body = {"code": "1", "runtimeType": "Python"}
    assert client.post("/services/mine", body, format="json").status_code == 403
    rita.groups.add(alice.groups.get())
    assert client.post("/services/mine", body, format="json").status_code == 201
    rita.groups.clear()
    assert client.get("/services").status_code == 403


def test_the_local_administrator_is_owner_whatever_is_declared(
    admin: User, declared_groups: None
) -> None:
    assert role_of(admin) is O


def test_without_declared_groups_no_group_is_read(
    alice: User, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    with django_assert_num_queries(0):
        role_of(alice)


class TestPermissions:
    """IsReader, IsContributor, IsOwner on a view."""

    @pytest.mark.parametrize(
        ("permission", "allowed"),
        [
            (IsReader, {"admin", "alice", "rita"}),
            (IsContributor, {"admin", "alice"}),
            (IsOwner, {"admin"}),
        ],
    )
    @pytest.mark.parametrize("name", ["admin", "alice", "rita", "nobody"])
    def test_a_role_opens_what_is_at_or_below_it(
        self,
        admin: User,
        alice: User,
        rita: User,
        permission: type[BasePermission],
        allowed: set[str],
        name: str,
    ) -> None:
        User.objects.create_user("nobody")
        response = self.answer(permission, User.objects.get(username=name))
        assert response.status_code == (200 if name in allowed else 403)

    def test_the_refusal_names_the_role_it_takes(self, alice: User) -> None:
        assert "This needs the Owner role." in self.answer(IsOwner, alice).data["message"]

    def test_the_refusal_tells_somebody_without_a_role_what_to_do(
        self, declared_groups: None, db: None
    ) -> None:
        nobody = User.objects.create_user("nobody")
        assert "ask an administrator" in self.answer(IsReader, nobody).data["message"]

    def answer(self, permission: type[BasePermission], user: User) -> Response:
        class View(APIView):
            permission_classes = (permission,)

            def get(self, request: object) -> Response:
                return Response("in")

        request = APIRequestFactory().get("/")
        force_authenticate(request, user)
        return View.as_view()(request)
