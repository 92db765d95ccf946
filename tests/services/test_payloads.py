import io
import tarfile
import zipfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from pytest_django import Settings

from mlops.accounts.models import User
from mlops.errors import InvalidRequest
from services.archives import Archive
from services.payloads import zipped
from services.staged import StagedFile
from tests.services.staging import stage, staged

Files = dict[str, bytes]


def zip_of(files: Files) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return content.getvalue()


def tar_of(files: Files, mode: str = "w:gz") -> bytes:
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode=mode) as archive:  # type: ignore[call-overload]
        for name, data in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    return content.getvalue()


def read_all(name: str, content: bytes, member: str) -> None:
    with closing(Archive(name, iter([content]))) as archive:
        for _ in archive.chunks(member):
            pass


MAKERS = [zip_of, tar_of, lambda files: tar_of(files, "w")]


@pytest.mark.any_database
@pytest.mark.parametrize("make", MAKERS)
def test_files_of_an_archive_are_read_one_by_one(make: Callable[[Files], bytes]) -> None:
    content = make({"model/MLmodel": b"flavors", "./model/model.pkl": b"x" * 3_000_000})
    with closing(Archive("model", iter([content]))) as archive:
        assert archive.names() == ["model/MLmodel", "model/model.pkl"]
        assert archive.size("model/model.pkl") == 3_000_000
        assert b"".join(archive.chunks("model/MLmodel")) == b"flavors"
        with pytest.raises(InvalidRequest, match="no file"):
            list(archive.chunks("other"))


@pytest.mark.any_database
@pytest.mark.parametrize("make", MAKERS)
@pytest.mark.parametrize("name", ["../evil", "/etc/passwd", "a/../../evil", "a\\b", "a\nb"])
def test_a_name_that_leads_elsewhere_is_refused(make: Callable[[Files], bytes], name: str) -> None:
    with pytest.raises(InvalidRequest, match="not a plain file inside"):
        Archive("model.zip", iter([make({"MLmodel": b"", name: b"x"})]))


@pytest.mark.any_database
def test_links_are_refused() -> None:
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as archive:
        link = tarfile.TarInfo("model.pkl")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
    entry = zipfile.ZipInfo("model.pkl")
    entry.external_attr = 0o120777 << 16
    zipped_link = io.BytesIO()
    with zipfile.ZipFile(zipped_link, "w") as other:
        other.writestr(entry, "/etc/passwd")
    for each in (content, zipped_link):
        with pytest.raises(InvalidRequest, match="not a plain file inside"):
            Archive("model", iter([each.getvalue()]))


@pytest.mark.any_database
@pytest.mark.parametrize("make", [zip_of, tar_of])
def test_a_bomb_does_not_go_off(make: Callable[[Files], bytes], settings: Settings) -> None:
    settings.MAX_UPLOAD_BYTES = 1_000_000
    content = make({"zeros": bytes(20_000_000)})
    assert len(content) < settings.MAX_UPLOAD_BYTES
    with pytest.raises(InvalidRequest, match="larger than what may be uploaded"):
        read_all("bomb", content, "zeros")


@pytest.mark.any_database
@pytest.mark.parametrize("content", [b"", b"text", b"PK\x03\x04 broken", b"\x1f\x8bbroken"])
def test_what_is_no_archive_is_told(content: bytes) -> None:
    with pytest.raises(InvalidRequest, match=r"model\.zip is refused"):
        Archive("folder/model.zip", iter([content]))


@pytest.mark.any_database
@pytest.mark.parametrize("make", [zip_of, tar_of])
def test_a_damaged_archive_is_told(make: Callable[[Files], bytes]) -> None:
    content = bytearray(make({"a": bytes(range(256)) * 40}))
    content[60] ^= 0xFF
    with pytest.raises(InvalidRequest, match="is refused"):
        read_all("model", bytes(content), "a")


@pytest.mark.django_db
def test_the_same_files_make_the_same_payload(alice: User) -> None:
    def digest() -> str:
        one, two = staged(alice, "b.txt", b"two"), staged(alice, "a.txt", b"one")
        with zipped([one, two], user=alice) as payload:
            return payload.digest

    assert digest() == digest()


@pytest.mark.django_db
def test_a_payload_has_files_and_members_of_archives(alice: User, tmp_path: Path) -> None:
    upload = stage(alice, "model.tar.gz", tar_of({"m/model.pkl": b"model", "m/other": b"x"}))
    files = [
        StagedFile("model.pkl", str(upload.pk), "m/model.pkl"),
        staged(alice, "data/zones.csv", b"zone"),
    ]
    with zipped(files, user=alice) as payload:
        (tmp_path / "payload.zip").write_bytes(b"".join(payload.chunks()))
    with zipfile.ZipFile(tmp_path / "payload.zip") as archive:
        assert {name: archive.read(name) for name in archive.namelist()} == {
            "data/zones.csv": b"zone",
            "model.pkl": b"model",
        }


@pytest.mark.django_db
def test_two_files_of_one_name_are_refused(alice: User) -> None:
    file = staged(alice, "a.txt", b"x")
    with pytest.raises(InvalidRequest, match="Two files"), zipped([file, file], user=alice):
        pass
