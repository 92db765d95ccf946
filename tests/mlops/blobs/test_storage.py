"""Content-addressed storage: save, read, sweep."""

import hashlib
import random
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier

import pytest
from django.db import connection, transaction
from django.utils import timezone

from mlops.accounts.models import User
from mlops.blobs import storage
from mlops.blobs.models import Blob, BlobChunk
from mlops.blobs.tasks import sweep_blobs
from mlops.errors import MlopsError
from nodes.models import Snapshot
from services.models import Service, Version

MB = storage.CHUNK_BYTES


def some_bytes(size: int, seed: int = 1) -> bytes:
    return random.Random(seed).randbytes(size)


def content(blob: Blob) -> bytes:
    return b"".join(storage.read(blob))


def create_snapshot(blob: Blob, owner: User) -> Snapshot:
    return Snapshot.objects.create(owner=owner, runtime="R", blob=blob)


def create_version(blob: Blob) -> Version:
    service = Service.objects.create(name="svc")
    return Version.objects.create(
        service=service,
        version="1",
        published_by="alice",
        runtime_type="R",
        code="1",
        payload=blob,
        bundle_id="0" * 64,
    )


def grow_old(*blobs: Blob) -> None:
    long_ago = timezone.now() - storage.GRACE - timedelta(minutes=1)
    Blob.objects.filter(pk__in=[blob.pk for blob in blobs]).update(saved_at=long_ago)


@pytest.mark.django_db
class TestSaveAndRead:
    """storage.save and storage.read."""

    @pytest.mark.parametrize("size", [0, 1, MB - 1, MB, MB + 1, 3 * MB + 7])
    def test_what_was_saved_is_read(self, size: int) -> None:
        data = some_bytes(size)
        blob = storage.save([data])
        assert content(blob) == data
        assert blob.size == size
        assert blob.digest == hashlib.sha256(data).hexdigest()

    def test_the_pieces_may_have_any_size(self) -> None:
        pieces = [b"", b"a" * 10, some_bytes(2 * MB), b"", b"z"]
        blob = storage.save(iter(pieces))
        assert content(blob) == b"".join(pieces)
        assert BlobChunk.objects.filter(blob=blob).count() == 3

    def test_the_object_and_its_row_agree(self) -> None:
        blob = storage.save([some_bytes(MB + 1)])
        row = Blob.objects.get(pk=blob.pk)
        assert (row.size, row.digest) == (blob.size, blob.digest)

    def test_reading_hands_out_one_chunk_at_a_time(self) -> None:
        blob = storage.save([some_bytes(2 * MB + 1)])
        assert [len(piece) for piece in storage.read(blob)] == [MB, MB, 1]

    def test_saving_takes_no_more_than_it_needs(self) -> None:
        """A chunk is written before the next but one is asked for."""
        written: list[int] = []

        def upload() -> Iterator[bytes]:
            for _ in range(4):
                written.append(BlobChunk.objects.count())
                yield bytes(MB)

        storage.save(upload())
        assert written == [0, 1, 2, 3]

    def test_the_same_bytes_are_kept_once(self) -> None:
        data = some_bytes(2 * MB)
        first = storage.save([data])
        again = storage.save([data[:5], data[5:]])
        assert again == first
        assert Blob.objects.count() == 1
        assert BlobChunk.objects.count() == 2

    def test_empty_content_is_kept_once_too(self) -> None:
        assert storage.save([]) == storage.save([b""])

    def test_an_upload_that_breaks_off_leaves_nothing(self) -> None:
        def broken() -> Iterator[bytes]:
            yield some_bytes(2 * MB)
            raise ConnectionResetError

        with pytest.raises(ConnectionResetError):
            storage.save(broken())
        assert not Blob.objects.exists()
        assert not BlobChunk.objects.exists()

    def test_damage_is_noticed(self) -> None:
        blob = storage.save([some_bytes(2 * MB)])
        BlobChunk.objects.filter(blob=blob, index=0).update(data=b"x")
        with pytest.raises(MlopsError, match="damaged"):
            content(blob)

    def test_a_missing_chunk_is_noticed(self) -> None:
        blob = storage.save([some_bytes(2 * MB)])
        BlobChunk.objects.filter(blob=blob, index=1).delete()
        with pytest.raises(MlopsError, match="damaged"):
            content(blob)

    def test_an_unfinished_blob_cannot_be_read(self) -> None:
        blob = Blob.objects.create(saved_at=timezone.now())
        with pytest.raises(MlopsError):
            content(blob)

    def test_a_save_inside_a_transaction_is_refused(self) -> None:
        with transaction.atomic(), pytest.raises(RuntimeError, match="durable"):
            storage.save([b"x"])
        assert not Blob.objects.exists()


@pytest.mark.django_db(transaction=True)
class TestConcurrency:
    """Several writers on the real database."""

    def save_at_once(self, *contents: bytes) -> list[Blob]:
        start = Barrier(len(contents))

        def save(data: bytes) -> Blob:
            def upload() -> Iterator[bytes]:
                yield data[: len(data) // 2]
                start.wait()
                yield data[len(data) // 2 :]

            try:
                return storage.save(upload())
            finally:
                connection.close()

        with ThreadPoolExecutor(len(contents)) as pool:
            return list(pool.map(save, contents))

    def test_two_saves_of_the_same_bytes_give_one_blob(self) -> None:
        data = some_bytes(3 * MB)
        first, second = self.save_at_once(data, data)
        assert first == second
        assert Blob.objects.count() == 1
        assert BlobChunk.objects.count() == 3
        assert content(first) == data

    def test_the_finish_that_comes_second_takes_the_first_one_s_blob(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Both look before either has finished, so the unique digest decides."""
        both_looked = Barrier(2)
        real_known = storage._known
        looks: list[str] = []

        def look_together(digest: str) -> Blob | None:
            found = real_known(digest)
            looks.append(digest)
            if len(looks) <= 2:
                both_looked.wait()
            return found

        monkeypatch.setattr(storage, "_known", look_together)
        data = some_bytes(MB)
        first, second = self.save_at_once(data, data)
        assert first == second
        assert len(looks) == 3
        assert Blob.objects.count() == 1
        assert content(first) == data

    def test_saves_of_different_bytes_do_not_mix(self) -> None:
        contents = [some_bytes(2 * MB + n, seed=n) for n in range(4)]
        blobs = self.save_at_once(*contents)
        assert [content(blob) for blob in blobs] == contents

    def test_the_database_is_free_between_chunks(self) -> None:
        def upload() -> Iterator[bytes]:
            yield some_bytes(MB)
            with ThreadPoolExecutor(1) as other:
                other.submit(self.write_something).result()
            yield some_bytes(MB)

        storage.save(upload())
        assert Service.objects.count() == 1

    def write_something(self) -> None:
        Service.objects.create(name="other")
        connection.close()


@pytest.mark.django_db
class TestSweep:
    """storage.sweep."""

    def test_it_deletes_what_nothing_refers_to_for_an_hour(self) -> None:
        blob = storage.save([some_bytes(40 * 1024 * 1024)])
        grow_old(blob)
        assert storage.sweep(timezone.now()) == 1
        assert not Blob.objects.exists()
        assert not BlobChunk.objects.exists()

    def test_it_deletes_what_a_crash_left_unfinished(self) -> None:
        blob = Blob.objects.create(saved_at=timezone.now(), size=1)
        BlobChunk.objects.create(blob=blob, index=0, data=b"x")
        assert storage.sweep(timezone.now()) == 0
        grow_old(blob)
        assert storage.sweep(timezone.now()) == 1
        assert not BlobChunk.objects.exists()

    def test_it_spares_what_was_saved_within_the_hour(self) -> None:
        storage.save([b"x"])
        assert storage.sweep(timezone.now()) == 0
        assert Blob.objects.count() == 1

    def test_it_spares_what_was_saved_again_within_the_hour(self) -> None:
        blob = storage.save([b"x"])
        grow_old(blob)
        storage.save([b"x"])
        assert storage.sweep(timezone.now()) == 0
        assert content(blob) == b"x"

    def test_it_spares_what_a_snapshot_or_a_version_refers_to(self, alice: User) -> None:
        kept = [storage.save([b"snapshot"]), storage.save([b"version"])]
        create_snapshot(kept[0], alice)
        create_version(kept[1])
        grow_old(*kept)
        assert storage.sweep(timezone.now()) == 0
        assert [content(blob) for blob in kept] == [b"snapshot", b"version"]

    def test_it_spares_what_one_of_two_still_refers_to(self, alice: User) -> None:
        blob = storage.save([b"shared"])
        snapshot = create_snapshot(blob, alice)
        create_version(blob)
        snapshot.delete()
        grow_old(blob)
        assert storage.sweep(timezone.now()) == 0
        assert content(blob) == b"shared"

    def test_it_goes_on_where_a_crash_stopped_it(self) -> None:
        blob = storage.save([some_bytes(2 * MB)])
        Blob.objects.filter(pk=blob.pk).update(digest=None, size=-1)
        BlobChunk.objects.filter(blob=blob, index=0).delete()
        assert storage.sweep(timezone.now()) == 1
        assert not BlobChunk.objects.exists()

    def test_an_upload_that_it_gave_up_ends_with_an_error_and_leaves_nothing(self) -> None:
        def stalls() -> Iterator[bytes]:
            yield some_bytes(2 * MB)
            grow_old(*Blob.objects.all())
            assert storage.sweep(timezone.now()) == 1
            yield some_bytes(MB)

        with pytest.raises(MlopsError, match="repeat it"):
            storage.save(stalls())
        assert not Blob.objects.exists()
        assert not BlobChunk.objects.exists()

    def test_a_long_upload_that_makes_progress_is_not_given_up(self) -> None:
        def slow() -> Iterator[bytes]:
            for number in range(3):
                yield bytes([number]) * MB
                assert storage.sweep(timezone.now()) == 0
                grow_old(*Blob.objects.all())

        assert storage.save(slow()).size == 3 * MB

    def test_the_same_bytes_can_be_saved_after_it(self) -> None:
        blob = storage.save([b"x"])
        grow_old(blob)
        storage.sweep(timezone.now())
        assert content(storage.save([b"x"])) == b"x"

    def test_the_task_sweeps(self) -> None:
        grow_old(storage.save([uuid.uuid4().bytes]))
        assert sweep_blobs() == 1
