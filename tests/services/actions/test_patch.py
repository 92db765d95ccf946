import uuid

import pytest

from mlops.accounts.models import User
from mlops.errors import Forbidden, InvalidRequest, MlopsError, NotFound
from nodes.models import Snapshot
from services.actions.patch import patch_version
from services.models import CatalogueStamp, Version
from services.schema import Definition, Parameter
from tests.conftest import READERS
from tests.services.create import create_snapshot, create_version, published


@pytest.fixture
def snapshot(alice: User) -> Snapshot:
    return create_snapshot(alice, files={"model.txt": b"1"})


@pytest.fixture
def version(alice: User, snapshot: Snapshot) -> Version:
    return create_version(
        alice,
        init_code="import math",
        description="first",
        operation_id="predict",
        inputs=[Parameter("x", "numeric")],
        outputs=[Parameter("answer", "numeric")],
        output_files=["plot.png"],
        snapshot_id=str(snapshot.pk),
    )


def patch(user: User, *, name: str = "churn", of: str = "v1", **said: object) -> Version:
    definition = Definition(**said)  # type: ignore[arg-type]
    patch_version(user=user, name=name, version=of, definition=definition)
    return Version.objects.select_related("payload").get(service__name=name, version=of)


def refused(error: type[MlopsError], user: User, **said: object) -> MlopsError:
    """The refusal; fails if the patch goes through or changes anything."""
    before = published()
    with pytest.raises(error) as caught:
        patch(user, **said)
    assert published() == before
    return caught.value


def content(version: Version) -> dict[str, object]:
    """All that a patch could change."""
    fields = Version.objects.filter(pk=version.pk).values().get()
    return {name: value for name, value in fields.items() if name != "updated_at"}


def test_what_is_not_said_stays(alice: User, version: Version) -> None:
    before = content(version)
    assert content(patch(alice)) == before


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("code", "answer = x + 2"),
        ("init_code", "import os"),
        ("description", "second"),
        ("operation_id", "score"),
        ("output_files", ["a.csv", "b.csv"]),
    ],
)
def test_one_field_changes_alone(alice: User, version: Version, field: str, value: object) -> None:
    expected = {**content(version), field: value}
    changed = content(patch(alice, **{field: value}))
    assert changed.pop("bundle_id")
    expected.pop("bundle_id")
    assert changed == expected


def test_definitions_are_replaced_whole(alice: User, version: Version) -> None:
    patched = patch(alice, inputs=[Parameter("z", "string"), Parameter("x", "vector")])
    assert patched.input_parameters == [
        {"name": "z", "type": "character"},
        {"name": "x", "type": "vector"},
    ]
    assert patched.output_parameters == version.output_parameters


def test_empty_lists_clear(alice: User, version: Version) -> None:
    patched = patch(alice, inputs=[], outputs=[], output_files=[])
    assert patched.input_parameters == patched.output_parameters == patched.output_files == []


def test_empty_texts_clear(alice: User, version: Version) -> None:
    patched = patch(alice, init_code="", description="", operation_id="")
    assert (patched.init_code, patched.description, patched.operation_id) == (None, "", None)


def test_a_snapshot_replaces_the_baked_one(alice: User, version: Version) -> None:
    other = create_snapshot(alice, files={"model.txt": b"2"})
    patched = patch(alice, snapshot_id=str(other.pk))
    assert (patched.snapshot_id, patched.payload) == (other.pk, other.blob)


def test_an_empty_snapshot_without_code_keeps_the_baked_one(
    alice: User, version: Version, snapshot: Snapshot
) -> None:
    empty = create_snapshot(alice)
    patched = patch(alice, snapshot_id=str(empty.pk), description="second", runtime_type="Python")
    assert (patched.snapshot_id, patched.payload) == (snapshot.pk, snapshot.blob)
    assert patched.description == "second"


@pytest.mark.parametrize("field", ["code", "init_code"])
def test_an_empty_snapshot_with_code_replaces_the_baked_one(
    alice: User, version: Version, field: str
) -> None:
    empty = create_snapshot(alice)
    patched = patch(alice, snapshot_id=str(empty.pk), **{field: "import os"})
    assert (patched.snapshot_id, patched.payload) == (empty.pk, empty.blob)


def test_the_bundle_follows_what_runs(alice: User, version: Version) -> None:
    assert patch(alice, code="answer = 0").bundle_id != version.bundle_id


def test_the_bundle_does_not_follow_what_only_describes(alice: User, version: Version) -> None:
    patched = patch(alice, description="second", operation_id="score")
    assert patched.bundle_id == version.bundle_id


def test_the_same_runtime_may_be_repeated(alice: User, version: Version) -> None:
    patch(alice, runtime_type="Python")


def test_another_runtime_is_refused(alice: User, version: Version) -> None:
    assert refused(InvalidRequest, alice, runtime_type="R").fields == "runtimeType"


def test_blank_code_is_refused(alice: User, version: Version) -> None:
    assert refused(InvalidRequest, alice, code="").fields == "code"


def test_the_definition_is_checked(alice: User, version: Version) -> None:
    refused(InvalidRequest, alice, description="new", inputs=[Parameter("x", "float")])


def test_a_realtime_version_is_refused(alice: User, version: Version) -> None:
    Version.objects.update(runtime_type="Realtime", code=None)
    refused(InvalidRequest, alice, description="new")


def test_an_unknown_snapshot_is_refused(alice: User, version: Version) -> None:
    refused(InvalidRequest, alice, description="new", snapshot_id=str(uuid.uuid4()))


def test_a_foreign_snapshot_is_refused(alice: User, bob: User, version: Version) -> None:
    foreign = create_snapshot(bob, files={"x": b"1"})
    refused(InvalidRequest, alice, snapshot_id=str(foreign.pk))


def test_a_snapshot_of_another_runtime_is_refused(alice: User, version: Version) -> None:
    refused(InvalidRequest, alice, snapshot_id=str(create_snapshot(alice, runtime="R").pk))


def test_an_owner_may_patch_and_the_publisher_stays(admin: User, version: Version) -> None:
    assert patch(admin, description="second").published_by == "alice"


def test_another_contributor_may_not(bob: User, version: Version) -> None:
    refused(Forbidden, bob, description="second")


def test_a_publisher_who_became_a_reader_may_not(alice: User, version: Version, rita: User) -> None:
    alice.groups.set(rita.groups.filter(name=READERS))
    refused(Forbidden, User.objects.get(pk=alice.pk), description="second")


def test_a_renamed_publisher_may_not(alice: User, version: Version) -> None:
    alice.username = "alicia"
    alice.save()
    refused(Forbidden, alice, description="second")


def test_a_namesake_in_other_case_may_not(alice: User, version: Version) -> None:
    refused(Forbidden, User.objects.create_user("Alice"), description="second")


@pytest.mark.parametrize(("name", "of"), [("churn", "v2"), ("other", "v1"), ("chu\0rn", "v1")])
def test_an_unknown_version_is_not_found(alice: User, version: Version, name: str, of: str) -> None:
    refused(NotFound, alice, name=name, of=of, description="second")


def test_patching_renews_the_catalogue_stamp(alice: User, version: Version) -> None:
    before = CatalogueStamp.objects.get().value
    patch(alice, description="second")
    assert CatalogueStamp.objects.get().value != before


def test_patching_keeps_the_order(alice: User, version: Version) -> None:
    create_version(alice, version="v2")
    patch(alice, code="answer = 0")
    assert [each.version for each in Version.objects.all()] == ["v1", "v2"]
