"""Giving a version a dedicated pool and taking it away."""

from collections.abc import Callable
from pathlib import Path

import pytest
from django.conf import settings as project_settings
from django.db import IntegrityError, transaction
from pytest_django import DjangoCaptureOnCommitCallbacks, Settings

from mlops.accounts.models import User
from mlops.errors import Forbidden, InvalidRequest, MlopsError, NotFound
from services import bundles
from services.actions.configure_pool import configure_pool
from services.actions.delete import delete_version
from services.actions.delete_pool import delete_pool
from services.actions.patch import patch_version
from services.actions.publish import publish_version
from services.models import CatalogueStamp, DedicatedPool, RuntimeType, Version
from services.schema import Definition
from tests.services.create import create_version, published

Change = Callable[[], object]


@pytest.fixture
def version(alice: User) -> Version:
    return create_version(alice)


def configure(
    user: User, initial: int = 1, most: int = 3, *, name: str = "churn", of: str = "v1"
) -> Version:
    configure_pool(user=user, name=name, version=of, initial_size=initial, max_size=most)
    return stored(name, of)


def stored(name: str = "churn", of: str = "v1") -> Version:
    return Version.objects.select_related("service", "payload").get(service__name=name, version=of)


def sizes() -> list[tuple[int, int]]:
    return list(DedicatedPool.objects.values_list("initial_size", "max_size"))


def refused(error: type[MlopsError], change: Change) -> MlopsError:
    """The refusal; fails if the change goes through or leaves a trace."""
    before = published()
    with pytest.raises(error) as caught:
        change()
    assert published() == before
    return caught.value


def test_the_pool_is_part_of_the_bundle_and_web_nodes_are_told(
    alice: User, version: Version
) -> None:
    stamp = CatalogueStamp.objects.get().value
    configured = configure(alice)
    assert sizes() == [(1, 3)]
    assert configured.bundle_id != version.bundle_id
    assert configured.bundle_id == bundles.bundle_id(bundles.manifest(configured))
    assert CatalogueStamp.objects.get().value != stamp


def test_configuring_again_changes_the_size_alone(alice: User, version: Version) -> None:
    first = configure(alice)
    assert configure(alice, 0, 2).bundle_id == first.bundle_id
    assert sizes() == [(0, 2)]


def test_the_order_of_versions_and_their_last_change_stay(alice: User, version: Version) -> None:
    create_version(alice, version="v2")
    assert configure(alice).updated_at == version.updated_at
    assert list(Version.objects.values_list("version", flat=True)) == ["v1", "v2"]


@pytest.mark.parametrize("by_sizes", [True, False])
def test_without_the_pool_the_bundle_is_what_it_was(
    alice: User, version: Version, by_sizes: bool
) -> None:
    configure(alice)
    if by_sizes:
        configure(alice, 0, 0)
    else:
        delete_pool(user=alice, name="churn", version="v1")
    assert sizes() == []
    assert stored().bundle_id == version.bundle_id


def test_deleting_no_pool_changes_no_version(alice: User, version: Version) -> None:
    delete_pool(user=alice, name="churn", version="v1")
    assert stored().bundle_id == version.bundle_id


def test_equal_versions_never_share_a_pool(alice: User, version: Version) -> None:
    twins = [create_version(alice, version=name) for name in ("v2", "v3")]
    assert {twin.bundle_id for twin in twins} == {version.bundle_id}
    configured = [configure(alice, of="v1"), configure(alice, 0, 9, of="v2")]
    bundle_ids = {each.bundle_id for each in (*configured, stored(of="v3"))}
    assert len(bundle_ids) == 3
    assert version.bundle_id in bundle_ids


def test_a_patch_keeps_the_pool_under_a_new_bundle(alice: User, version: Version) -> None:
    before = configure(alice).bundle_id
    patch_version(user=alice, name="churn", version="v1", definition=Definition(code="answer = 0"))
    assert sizes() == [(1, 3)]
    patched = stored()
    assert patched.bundle_id not in (before, version.bundle_id)
    assert patched.bundle_id == bundles.bundle_id(bundles.manifest(patched))


def test_deleting_the_version_deletes_the_pool(alice: User, version: Version) -> None:
    configure(alice)
    delete_version(user=alice, name="churn", version="v1")
    assert sizes() == []
    definition = Definition(code="answer = x + 1", runtime_type="Python")
    again = publish_version(user=alice, name="churn", version="v1", definition=definition)
    assert again.bundle_id == version.bundle_id


@pytest.mark.parametrize(("initial", "most"), [(-1, 1), (0, -1), (-2, -1), (2, 1), (1, 0)])
def test_sizes_that_cannot_be_right_are_refused(
    alice: User, version: Version, initial: int, most: int
) -> None:
    error = refused(InvalidRequest, lambda: configure(alice, initial, most))
    assert error.fields == "InitialPoolSize,MaxPoolSize"


def test_the_size_has_a_bound(alice: User, version: Version, settings: Settings) -> None:
    settings.DEDICATED_POOL_MAX_SIZE = 3
    assert refused(InvalidRequest, lambda: configure(alice, 0, 4)).fields == "MaxPoolSize"
    configure(alice, 3, 3)
    assert sizes() == [(3, 3)]


def test_the_database_keeps_sizes_right(alice: User, version: Version) -> None:
    for initial, most in ((2, 1), (0, 0)):
        with pytest.raises(IntegrityError), transaction.atomic():
            DedicatedPool.objects.create(version=version, initial_size=initial, max_size=most)


def test_a_realtime_version_has_no_shells(alice: User, version: Version) -> None:
    Version.objects.update(runtime_type=RuntimeType.REALTIME)
    for change in (
        lambda: configure(alice),
        lambda: configure(alice, 0, 0),
        lambda: delete_pool(user=alice, name="churn", version="v1"),
    ):
        assert "without shells" in refused(InvalidRequest, change).message


def test_an_unknown_version_is_not_found(alice: User, version: Version) -> None:
    refused(NotFound, lambda: configure(alice, of="v2"))
    refused(NotFound, lambda: configure(alice, name="other"))
    refused(NotFound, lambda: delete_pool(user=alice, name="churn", version="v2"))


def test_only_the_publisher_and_an_owner_may(
    alice: User, bob: User, rita: User, admin: User, version: Version
) -> None:
    configure(alice)
    for user in (bob, rita):
        refused(Forbidden, lambda user=user: configure(user, 0, 9))  # type: ignore[misc]
        refused(Forbidden, lambda user=user: configure(user, 0, 0))  # type: ignore[misc]
        refused(
            Forbidden,
            lambda user=user: delete_pool(user=user, name="churn", version="v1"),  # type: ignore[misc]
        )
    configure(admin, 0, 9)
    assert sizes() == [(0, 9)]
    delete_pool(user=admin, name="churn", version="v1")
    assert sizes() == []


def test_a_reader_may_not_even_for_what_they_once_published(
    rita: User, alice: User, version: Version
) -> None:
    Version.objects.update(published_by=rita.username)
    refused(Forbidden, lambda: configure(rita))


def test_every_change_of_a_pool_nudges_a_worker_once_it_is_stored(
    alice: User,
    version: Version,
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    changes: list[Change] = [
        lambda: configure(alice),
        lambda: patch_version(
            user=alice, name="churn", version="v1", definition=Definition(code="answer = 0")
        ),
        lambda: delete_pool(user=alice, name="churn", version="v1"),
        lambda: configure(alice),
        lambda: delete_version(user=alice, name="churn", version="v1"),
    ]
    for change in changes:
        before = nudges()
        with django_capture_on_commit_callbacks(execute=True):
            change()
            assert nudges() == before
        assert len(nudges() - before) == 1


def nudges() -> set[Path]:
    """The messages to workers that are about pools."""
    messages = Path(project_settings.BROKER_DIR) / "messages"
    return {path for path in messages.iterdir() if "reconcile_pools" in path.read_text()}
