from typing import Any

import pytest

from mlops.accounts.models import AuditEntry, User
from mlops.blobs.models import Blob
from mlops.errors import Conflict, Forbidden, InvalidRequest, NotFound
from services import uploads
from services.actions.publish_upload import publish_upload
from services.models import Version
from services.schema import Definition
from services.staged import StagedFile
from tests.nodes.runtime.realtime.models import adding
from tests.nodes.runtime.running import RunningNode
from tests.services.create import create_version, published
from tests.services.results import outputs_of
from tests.services.staging import stage, staged

# Scoring reads the database on several threads.
pytestmark = pytest.mark.django_db(transaction=True)

CODE = Definition(
    code="answer = open('rate.txt').read()",
    runtime_type="Python",
    outputs=[],
)


def publish(user: User, *files: StagedFile, **more: Any) -> Version:
    said: dict[str, Any] = {"name": "churn", "version": "v1", "definition": CODE, **more}
    return publish_upload(user=user, files=files, **said)


def test_files_are_in_the_working_directory(alice: User, declared_node: RunningNode) -> None:
    version = publish(alice, staged(alice, "rate.txt", b"2.5"))
    assert outputs_of(version) == {}
    assert version.published_by == "alice"
    entry = AuditEntry.objects.get(action="publish version")
    assert (entry.username, entry.object) == ("alice", "churn/v1")


def test_uploads_stay_until_they_are_swept(alice: User) -> None:
    file = staged(alice, "rate.txt", b"2.5")
    publish(alice, file)
    uploads.delete_upload(user=alice, upload_id=file.upload)
    assert Version.objects.get().payload is not None


def test_the_same_files_are_kept_once(alice: User) -> None:
    one = publish(alice, staged(alice, "rate.txt", b"2.5"))
    two = publish(alice, staged(alice, "rate.txt", b"2.5"), version="v2")
    assert one.payload == two.payload
    assert one.bundle_id == two.bundle_id


def test_without_files_it_is_code_alone(alice: User) -> None:
    assert publish(alice).payload is None


def test_a_model_is_a_realtime_version(alice: User, declared_node: RunningNode) -> None:
    version = publish(
        alice,
        staged(alice, "adding.onnx", adding(2.0)),
        version=None,
        definition=Definition(
            runtime_type="Realtime",
            description="adds",
            inputs=[],
            example={"inputData": {"x": [1]}},
        ),
    )
    assert (version.runtime_type, version.description) == ("Realtime", "adds")
    assert version.example == {"inputData": {"x": [1]}}
    answer = outputs_of(version, {"inputData": {"x": [1.0]}})
    assert answer == {"outputData": {"y": [3.0]}}


@pytest.mark.parametrize("n_files", [0, 2])
def test_a_realtime_version_is_one_file(alice: User, n_files: int) -> None:
    files = [staged(alice, f"{number}.onnx", adding()) for number in range(n_files)]
    with pytest.raises(InvalidRequest, match="exactly one file"):
        publish(alice, *files, definition=Definition(runtime_type="Realtime"))
    assert published() == []


def test_a_version_that_exists_is_left_alone(alice: User) -> None:
    create_version(alice)
    before, blobs = published(), Blob.objects.count()
    with pytest.raises(Conflict):
        publish(alice, StagedFile("rate.txt", "00000000-0000-4000-8000-000000000000"))
    assert published() == before
    assert Blob.objects.count() == blobs


def test_readers_publish_nothing(alice: User, rita: User) -> None:
    file = staged(alice, "rate.txt", b"2.5")
    with pytest.raises(Forbidden):
        publish(rita, file)
    assert published() == []
    assert AuditEntry.objects.get(action="publish version").outcome == "refused"


def test_nobody_publishes_somebody_elses_upload(alice: User, admin: User) -> None:
    with pytest.raises(NotFound):
        publish(admin, staged(alice, "rate.txt", b"2.5"))
    assert published() == []


def test_an_unfinished_upload_is_not_published(alice: User) -> None:
    upload = uploads.begin_upload(user=alice, name="rate.txt", size=10)
    with pytest.raises(InvalidRequest, match="only 0 of 10"):
        publish(alice, StagedFile("rate.txt", str(upload.pk)))
    assert published() == []


def test_the_upload_may_have_another_name(alice: User, declared_node: RunningNode) -> None:
    upload = stage(alice, "My rates (final).txt", b"2.5")
    version = publish(
        alice,
        StagedFile("rate.txt", str(upload.pk)),
        definition=Definition(
            code="assert open('rate.txt').read() == '2.5'", runtime_type="Python"
        ),
    )
    assert outputs_of(version) == {}
