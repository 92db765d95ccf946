"""Bundles are taken only when every digest fits and the zip stays where it belongs."""

import hashlib
import io
import json
import stat
import zipfile
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from nodes.runtime.bundles import BundleStore
from nodes.runtime.errors import BundleInvalid, BundleUnknown
from tests.nodes.runtime.running import RunningNode, manifest, zip_of


class Puts:
    """A store of its own, filled from the transfer form."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.used: set[str] = set()
        self.store = self.opened()

    def opened(self, *, max_bytes: int = 10_000_000) -> BundleStore:
        store = BundleStore(
            self.root, max_bytes=max_bytes, extracted_max_bytes=100_000, in_use=lambda: self.used
        )
        store.open()
        return store

    async def put(self, text: bytes, payload: bytes = b"", *, bundle_id: str = "") -> str:
        bundle_id = bundle_id or hashlib.sha256(text).hexdigest()
        await self.store.put(bundle_id, chunks(len(text).to_bytes(4) + text + payload))
        return bundle_id


@pytest.fixture
def puts(tmp_path: Path) -> Puts:
    return Puts(tmp_path / "bundles")


async def chunks(body: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(body), 1000):
        yield body[start : start + 1000]


async def refused(puts: Puts, text: bytes, payload: bytes = b"", **options: str) -> str:
    """The reason of the refusal; nothing may have stayed."""
    with pytest.raises(BundleInvalid) as refusal:
        await puts.put(text, payload, **options)
    assert list(puts.root.iterdir()) == []
    return refusal.value.message


Run = Callable[..., object]


@pytest.mark.parametrize("bundle_id", ["0" * 64, "../../etc", "A" * 64, "0" * 63])
def test_a_wrong_name_is_refused(puts: Puts, bundle_id: str, run: Run) -> None:
    run(refused(puts, manifest("x = 1"), bundle_id=bundle_id))


def test_a_payload_with_another_digest_is_refused(puts: Puts, run: Run) -> None:
    text = manifest("x = 1", payload=zip_of({"a": b"1"}))
    assert "digest" in str(run(refused(puts, text, zip_of({"a": b"2"}))))


def test_a_payload_cut_short_is_refused(puts: Puts, run: Run) -> None:
    payload = zip_of({"a": b"1"})
    run(refused(puts, manifest("x = 1", payload=payload), payload[:-1]))


def test_a_payload_that_was_not_announced_is_refused(puts: Puts, run: Run) -> None:
    run(refused(puts, manifest("x = 1"), b"more"))


def test_a_manifest_cut_short_is_refused(puts: Puts, run: Run) -> None:
    async def put() -> None:
        await puts.store.put("0" * 64, chunks((100).to_bytes(4) + b"{}"))

    with pytest.raises(BundleInvalid):
        run(put())


@pytest.mark.parametrize(
    "change",
    [
        {"runtime": "Perl"},
        {"code": 1},
        {"inputs": [{"name": "x", "type": "tensor"}]},
        {"outputs": [{"name": 1, "type": "vector"}]},
        {"payload": {"kind": "other"}},
        {"outputFiles": [1]},
        {"rowIndependent": 1},
    ],
)
def test_a_manifest_that_is_not_well_formed_is_refused(
    puts: Puts, change: dict[str, object], run: Run
) -> None:
    text = json.dumps({**json.loads(manifest("x = 1")), **change}).encode()
    assert "well formed" in str(run(refused(puts, text)))


@pytest.mark.parametrize(
    "name", ["../escaped", "/absolute", "a/../../escaped", "..", "back\\slash", "new\nline"]
)
def test_a_zip_with_a_name_that_leads_elsewhere_is_refused(puts: Puts, name: str, run: Run) -> None:
    payload = zip_of({name: b"x"})
    assert "snapshot" in str(run(refused(puts, manifest("x = 1", payload=payload), payload)))
    assert not list(puts.root.parent.rglob("escaped"))


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFIFO, stat.S_IFCHR])
def test_a_zip_with_a_link_or_a_device_is_refused(puts: Puts, kind: int, run: Run) -> None:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        entry = zipfile.ZipInfo("odd")
        entry.external_attr = (kind | 0o644) << 16
        archive.writestr(entry, "/etc/passwd")
    payload = stream.getvalue()
    run(refused(puts, manifest("x = 1", payload=payload), payload))


def test_a_zip_that_unpacks_to_too_much_is_refused(puts: Puts, run: Run) -> None:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("bomb", bytes(1_000_000))
    payload = stream.getvalue()
    assert "larger" in str(run(refused(puts, manifest("x = 1", payload=payload), payload)))


@pytest.mark.parametrize("payload", [b"no zip", b"PK\x03\x04 broken", b""])
def test_a_payload_that_is_no_zip_is_refused(puts: Puts, payload: bytes, run: Run) -> None:
    run(refused(puts, manifest("x = 1", payload=payload), payload))


def test_a_bundle_survives_a_new_start_and_unfinished_ones_do_not(puts: Puts, run: Run) -> None:
    payload = zip_of({"a/b.txt": b"1"})
    bundle_id = str(run(puts.put(manifest("x = 1", payload=payload), payload)))
    (puts.root / "draft-left").mkdir()
    (puts.root / ("0" * 64)).mkdir()
    bundle = puts.opened().get(bundle_id)
    assert (bundle.directory / "files/a/b.txt").read_bytes() == b"1"
    assert [path.name for path in puts.root.iterdir()] == [bundle_id]


def test_the_same_bundle_twice_is_one(puts: Puts, run: Run) -> None:
    assert run(puts.put(manifest("x = 1"))) == run(puts.put(manifest("x = 1")))
    assert len(list(puts.root.iterdir())) == 1


def test_beyond_its_bound_the_store_forgets_what_was_used_least_recently(
    puts: Puts, run: Run
) -> None:
    puts.store = puts.opened(max_bytes=25_000)
    ids = [str(run(puts.put(manifest("#" * 10_000 + str(number))))) for number in range(2)]
    puts.store.get(ids[0])
    ids.append(str(run(puts.put(manifest("#" * 10_000 + "2")))))
    with pytest.raises(BundleUnknown):
        puts.store.get(ids[1])
    assert puts.store.get(ids[0])
    assert puts.store.get(ids[2])


def test_a_bundle_that_a_shell_uses_is_never_forgotten(puts: Puts, run: Run) -> None:
    puts.store = puts.opened(max_bytes=15_000)
    first = str(run(puts.put(manifest("#" * 10_000 + "1"))))
    puts.used = {first}
    run(puts.put(manifest("#" * 10_000 + "2")))
    assert puts.store.get(first)


def test_over_http_a_refused_bundle_is_a_400_and_stays_unknown(node: RunningNode) -> None:
    payload = zip_of({"../x": b"1"})
    text = manifest("x = 1", payload=payload)
    bundle_id = hashlib.sha256(text).hexdigest()
    body = len(text).to_bytes(4) + text + payload
    answer = node.http.put(f"/v1/bundles/{bundle_id}", content=body)
    assert (answer.status_code, answer.json()["code"]) == (400, "bundle-invalid")
    answer = node.http.post(f"/v1/bundles/{bundle_id}/score", content=b"{}")
    assert (answer.status_code, answer.json()["code"]) == (404, "bundle-unknown")
