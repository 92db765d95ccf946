"""The cast: `admin` is Owner, `alice` and `bob` are Contributors, `rita` is a Reader."""

from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future
from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings as project_settings
from django.contrib.auth.models import Group
from django.db import connection
from django.test import Client, TransactionTestCase
from django.utils import timezone
from pytest_django import DjangoDbBlocker, Settings
from rest_framework.test import APIClient

from mlops.accounts import tokens
from mlops.accounts.api_keys import uses
from mlops.accounts.models import AuditEntry, AuditHorizon, User
from nodes.actions import declare_node
from nodes.models import Session
from nodes.registry import registry
from services import metrics
from tests.contract import exchanges
from tests.nodes.runtime.running import RunningNode, start_node
from tests.nodes.web import WebNode, start_web_node

pytest_plugins = ["tests.brokers", "tests.e2e.one_box", "tests.openid.fixtures"]

PASSWORD = "Quite-Secret-1"
CONTRIBUTORS = "data-scientists"
READERS = "dashboards"


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    """The test database, which cannot be removed while a thread keeps a connection to it."""
    yield
    if connection.vendor == "postgresql":
        with django_db_blocker.unblock(), connection.cursor() as cursor:
            cursor.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )


@pytest.fixture(scope="session", autouse=True)
def emptied_audit_trail() -> Iterator[None]:
    """Tests that commit have their tables emptied, which the audit trail refuses from everybody.

    Before that, its entries go the way of those that have expired.
    """
    empty = TransactionTestCase._fixture_teardown

    def first_the_audit_trail(case: TransactionTestCase) -> None:
        AuditHorizon.objects.update_or_create(
            pk=1, defaults={"at": timezone.now() + timedelta(days=1)}
        )
        AuditEntry.objects.remove_expired(most=1_000_000)
        empty(case)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TransactionTestCase, "_fixture_teardown", first_the_audit_trail)
        yield


@pytest.fixture(autouse=True)
def fast_password_hashes(settings: Settings) -> None:
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@pytest.fixture(autouse=True)
def documented_exchanges(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever a test client asks of the REST API is checked against our OpenAPI document."""
    monkeypatch.setattr(Client, "generic", exchanges.checked(Client.generic))


class _AtOnce(Executor):
    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        fn(*args, **kwargs)
        return Future()


@pytest.fixture(scope="session", autouse=True)
def nothing_is_recorded_in_the_background() -> Iterator[None]:
    """The thread that records what tests score would do so within, or after, those that follow."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(metrics._tallies, "_follower", None)
        yield


@pytest.fixture(autouse=True)
def uses_of_keys_are_written_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """By the thread of the test, which is in a transaction."""
    monkeypatch.setattr(uses, "_writer", _AtOnce())


@pytest.fixture
def admin(db: None) -> User:
    return User.objects.create_superuser("admin", password=PASSWORD)


@pytest.fixture
def alice(db: None) -> User:
    return create_user("alice", group=CONTRIBUTORS)


@pytest.fixture
def bob(db: None) -> User:
    return create_user("bob", group=CONTRIBUTORS)


@pytest.fixture
def rita(db: None, declared_groups: None) -> User:
    return create_user("rita", group=READERS)


@pytest.fixture
def declared_groups(settings: Settings) -> None:
    """Groups for each role: from here on, whoever is in none of them has no role."""
    settings.ROLE_GROUPS = {"Owner": [], "Contributor": [CONTRIBUTORS], "Reader": [READERS]}


def create_user(username: str, *, group: str = "") -> User:
    user = User.objects.create_user(username, password=PASSWORD)
    if group:
        user.groups.add(Group.objects.get_or_create(name=group)[0])
    return user


@pytest.fixture
def client_for() -> Callable[[User], APIClient]:
    """An API client with a real access token of the given user."""

    def sign_in(user: User) -> APIClient:
        client = APIClient()
        client.credentials(HTTP_AUTHORIZATION=f"Bearer {tokens.issue(user).access_token}")
        return client

    return sign_in


@pytest.fixture(scope="session")
def compute_node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningNode]:
    """A compute node process with the cluster key of the settings; see `RunningNode`."""
    data_dir = tmp_path_factory.mktemp("compute-node")
    node = start_node(data_dir, cluster_key=project_settings.CLUSTER_KEY)
    yield node
    node.stop()


@pytest.fixture(scope="session")
def web_node(
    tmp_path_factory: pytest.TempPathFactory, compute_node: RunningNode
) -> Iterator[WebNode]:
    """A web node process with a database of its own, in which `compute_node` is declared."""
    data_dir = tmp_path_factory.mktemp("web-node")
    node = start_web_node(data_dir, MLOPS_CLUSTER_KEY=compute_node.cluster_key)
    node.declare(f"{compute_node.address}/")
    yield node
    node.stop()


@pytest.fixture(autouse=True)
def forgotten_nodes() -> None:
    """What other tests declared is not remembered."""
    registry.forget()


@pytest.fixture
def declared_node(db: None, compute_node: RunningNode) -> Iterator[RunningNode]:
    """The compute node process, declared as the only one; sessions left open on it are closed."""
    declare_node(uri=compute_node.address)
    yield compute_node
    for session_id in Session.objects.values_list("pk", flat=True):
        compute_node.http.delete(f"/v1/sessions/{session_id}?force=1")
