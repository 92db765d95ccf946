import hashlib
import resource
from datetime import timedelta

import pytest
from django.utils import timezone
from pytest_django import Settings

from mlops.accounts.models import User
from mlops.blobs import storage
from mlops.blobs.models import Blob, BlobChunk
from mlops.errors import Forbidden, InvalidRequest, LimitReached, NotFound, TooLarge
from services import uploads
from services.drafts.keeping import begin_draft
from services.models import Upload
from services.uploads import PIECE_BYTES, WrongOffset
from tests.services.staging import stage

pytestmark = pytest.mark.django_db


def begun(user: User, size: int = 2 * PIECE_BYTES + 5, name: str = "model.pkl") -> Upload:
    return uploads.begin_upload(user=user, name=name, size=size)


def add(user: User, upload: Upload, offset: int, piece: bytes) -> Upload:
    return uploads.add_piece(user=user, upload_id=str(upload.pk), offset=offset, piece=piece)


def test_pieces_make_a_blob_by_its_content(alice: User) -> None:
    content = bytes(range(256)) * 4096 * 2 + b"end"
    upload = stage(alice, "model.pkl", content)
    assert upload.is_complete
    blob = uploads.finished_blob(upload)
    assert blob.digest == hashlib.sha256(content).hexdigest()
    assert b"".join(uploads.chunks_of(upload)) == content


def test_the_same_content_is_kept_once(alice: User, bob: User) -> None:
    content = b"x" * (PIECE_BYTES + 1)
    blobs = [uploads.finished_blob(stage(user, "m", content)) for user in (alice, bob)]
    assert blobs[0] == blobs[1]
    assert Blob.objects.count() == 1
    assert BlobChunk.objects.count() == 2


def test_only_the_next_piece_is_taken(alice: User) -> None:
    upload = begun(alice)
    for offset in (1, PIECE_BYTES, 2 * PIECE_BYTES):
        with pytest.raises(WrongOffset) as caught:
            add(alice, upload, offset, b"x" * PIECE_BYTES)
        assert caught.value.received == 0
    add(alice, upload, 0, b"x" * PIECE_BYTES)
    with pytest.raises(WrongOffset) as caught:  # its answer was lost: it is not stored twice
        add(alice, upload, 0, b"x" * PIECE_BYTES)
    assert caught.value.received == PIECE_BYTES


def test_a_piece_sent_twice_at_once_is_stored_once(
    alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    upload = begun(alice)
    append = storage.append

    def append_late(blob: Blob, piece: bytes) -> None:
        append(Blob.objects.get(pk=blob.pk), piece)
        append(blob, piece)

    monkeypatch.setattr(storage, "append", append_late)
    with pytest.raises(WrongOffset) as caught:
        add(alice, upload, 0, b"x" * PIECE_BYTES)
    assert caught.value.received == PIECE_BYTES
    assert BlobChunk.objects.count() == 1


@pytest.mark.parametrize("n_bytes", [0, 1, PIECE_BYTES - 1, PIECE_BYTES + 1])
def test_a_piece_of_another_length_is_refused(alice: User, n_bytes: int) -> None:
    upload = begun(alice)
    with pytest.raises(InvalidRequest, match=f"must have {PIECE_BYTES}"):
        add(alice, upload, 0, b"x" * n_bytes)
    assert not BlobChunk.objects.exists()


def test_the_last_piece_is_what_is_left(alice: User) -> None:
    upload = begun(alice, size=PIECE_BYTES + 2)
    add(alice, upload, 0, b"x" * PIECE_BYTES)
    with pytest.raises(InvalidRequest):
        add(alice, upload, PIECE_BYTES, b"xyz")
    assert add(alice, upload, PIECE_BYTES, b"xy").is_complete
    with pytest.raises(WrongOffset):
        add(alice, upload, PIECE_BYTES + 2, b"x")


def test_an_unfinished_upload_cannot_be_used(alice: User) -> None:
    with pytest.raises(InvalidRequest, match="only 0 of"):
        uploads.finished_blob(begun(alice))


def test_somebody_elses_upload_does_not_exist(alice: User, admin: User) -> None:
    upload = begun(alice)
    for call in (
        lambda: add(admin, upload, 0, b"x" * PIECE_BYTES),
        lambda: uploads.own_upload(user=admin, upload_id=str(upload.pk)),
        lambda: uploads.delete_upload(user=admin, upload_id=str(upload.pk)),
    ):
        with pytest.raises(NotFound):
            call()
    assert Upload.objects.get().received == 0


def test_readers_upload_nothing(rita: User) -> None:
    with pytest.raises(Forbidden):
        begun(rita)
    assert not Upload.objects.exists()


@pytest.mark.parametrize("name", ["", "..", "../x", "/etc/passwd", "a\\b", "a\0b", "x" * 300])
def test_a_name_that_leads_elsewhere_is_refused(alice: User, name: str) -> None:
    with pytest.raises(InvalidRequest):
        begun(alice, name=name)
    assert not Blob.objects.exists()


def test_a_file_of_a_folder_keeps_its_path(alice: User) -> None:
    assert begun(alice, name="model/data/MLmodel").name == "model/data/MLmodel"


def test_size_and_number_are_bounded(alice: User, bob: User, settings: Settings) -> None:
    settings.MAX_UPLOAD_BYTES, settings.UPLOADS_PER_USER = 100, 2
    settings.UPLOAD_BYTES_PER_USER = 150
    with pytest.raises(TooLarge, match="MLOPS_MAX_UPLOAD_BYTES"):
        begun(alice, size=101)
    with pytest.raises(InvalidRequest, match="is empty"):
        begun(alice, size=0)
    begun(alice, size=100)
    with pytest.raises(LimitReached, match="150 bytes"):
        begun(alice, size=51)
    begun(alice, size=50)
    begun(bob, size=100)
    with pytest.raises(LimitReached, match="You have 2 uploaded files"):
        begun(alice, size=1)
    assert Upload.objects.count() == Blob.objects.count() == 3


def test_a_deleted_upload_leaves_nothing(alice: User) -> None:
    upload = begun(alice)
    add(alice, upload, 0, b"x" * PIECE_BYTES)
    uploads.delete_upload(user=alice, upload_id=str(upload.pk))
    assert not Upload.objects.exists()
    assert not Blob.objects.exists()


def test_uploads_are_swept_a_day_after_their_last_use(alice: User) -> None:
    stage(alice, "old", b"old")
    used = stage(alice, "used", b"used")
    Upload.objects.update(used_at=timezone.now() - timedelta(hours=25))
    uploads.finished_blob(used)
    assert uploads.sweep(timezone.now()) == 1
    assert [each.name for each in Upload.objects.all()] == ["used"]


def test_uploads_of_a_draft_are_kept(alice: User) -> None:
    upload = stage(alice, "model.pkl", b"model")
    draft = begin_draft(user=alice, kind="Python")
    draft.uploads.add(upload)
    late = timezone.now() + timedelta(days=3)
    assert uploads.sweep(late) == 0
    draft.delete()
    assert uploads.sweep(late) == 1


def test_the_sweep_of_blobs_leaves_uploads_alone(alice: User) -> None:
    upload = begun(alice)
    add(alice, upload, 0, b"x" * PIECE_BYTES)
    assert storage.sweep(timezone.now() + timedelta(days=2)) == 0
    assert Upload.objects.get().received == PIECE_BYTES


def test_a_large_upload_is_never_in_memory_whole(alice: User) -> None:
    n_pieces = 60
    upload = begun(alice, size=n_pieces * PIECE_BYTES)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for number in range(n_pieces):
        add(alice, upload, number * PIECE_BYTES, bytes([number]) * PIECE_BYTES)
    size = sum(len(chunk) for chunk in uploads.chunks_of(Upload.objects.get()))
    grown_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert size == n_pieces * PIECE_BYTES
    assert grown_kib < 30 * 1024
