"""The bundles a node holds: content-addressed, extracted, surviving restarts, bounded in size."""

import asyncio
import hashlib
import os
import re
import shutil
import stat
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Callable, Collection
from dataclasses import dataclass
from pathlib import Path

from .archive import ArchiveError, extract
from .errors import BundleInvalid, BundleUnknown
from .manifests import REALTIME, Manifest, read_manifest
from .realtime.container import HEADER_BYTES, MODEL_FILE, require_onnx
from .realtime.errors import ModelRefused

_ID = re.compile(r"[0-9a-f]{64}")
_MANIFEST_MAX_BYTES = 64 * 1024**2
_COPY_BYTES = 1024**2


@dataclass(frozen=True, slots=True)
class Bundle:
    """One bundle ready to be loaded: `directory` has `manifest.json` and `files/`."""

    id: str
    directory: Path
    manifest: Manifest


class BundleStore:
    """All bundles below `root`; those that `in_use` names are never trimmed."""

    def __init__(
        self,
        root: Path,
        *,
        max_bytes: int,
        extracted_max_bytes: int,
        in_use: Callable[[], Collection[str]],
    ) -> None:
        self._root = root
        self._max_bytes = max_bytes
        self._extracted_max_bytes = extracted_max_bytes
        self._in_use = in_use
        self._known: dict[str, Bundle] = {}  # least recently used first
        self._sizes: dict[str, int] = {}
        self._receiving: Counter[str] = Counter()

    def open(self) -> None:
        """Finds what earlier runs of the node left; drops what they left unfinished."""
        self._root.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = []
        for path in self._root.iterdir():
            if not _ID.fullmatch(path.name):
                shutil.rmtree(path, ignore_errors=True)
                continue
            try:
                manifest = read_manifest(path.name, (path / "manifest.json").read_bytes())
            except (OSError, BundleInvalid):
                shutil.rmtree(path, ignore_errors=True)
                continue
            _make_readable(path)
            found.append((path.stat().st_mtime, Bundle(path.name, path, manifest)))
        for _, bundle in sorted(found, key=lambda item: item[0]):
            self._known[bundle.id] = bundle
            self._sizes[bundle.id] = _size_below(bundle.directory)

    def get(self, bundle_id: str) -> Bundle:
        """The bundle, now the most recently used; `BundleUnknown` when the node lacks it."""
        bundle = self._known.pop(bundle_id, None)
        if bundle is None:
            raise BundleUnknown("This node does not hold the bundle; send it, then repeat.")
        self._known[bundle_id] = bundle
        return bundle

    def ids(self) -> Collection[str]:
        """The bundles that the node holds."""
        return self._known.keys()

    def receiving(self) -> list[str]:
        """The bundles that are being sent to this node just now."""
        return list(self._receiving)

    async def put(self, bundle_id: str, body: AsyncIterator[bytes]) -> None:
        """Stores a bundle from its transfer form; `BundleInvalid` when any part of it is wrong."""
        if not _ID.fullmatch(bundle_id):
            raise BundleInvalid("A bundle is named by the SHA-256 of its manifest in hexadecimal.")
        draft = self._root / f"draft-{uuid.uuid4().hex}"
        draft.mkdir(mode=0o700)
        self._receiving[bundle_id] += 1
        try:
            bundle = await self._receive(bundle_id, body, draft)
            size = await asyncio.to_thread(self._settle, bundle, draft)
        finally:
            self._receiving -= Counter([bundle_id])
            await asyncio.to_thread(shutil.rmtree, draft, ignore_errors=True)
        # Here and not in the thread: the event loop may be walking through these just now.
        self._known[bundle.id] = bundle
        self._sizes[bundle.id] = size
        self._trim()

    async def _receive(self, bundle_id: str, body: AsyncIterator[bytes], draft: Path) -> Bundle:
        parts = _Parts(body)
        length = int.from_bytes(await parts.exactly(4))
        if length > _MANIFEST_MAX_BYTES:
            raise BundleInvalid("The manifest is too long.")
        text = await parts.exactly(length)
        manifest = read_manifest(bundle_id, text)
        (draft / "manifest.json").write_bytes(text)
        digest, size = hashlib.sha256(), 0
        with (draft / "payload").open("wb") as file:
            async for chunk in parts.rest():
                digest.update(chunk)
                size += len(chunk)
                file.write(chunk)
        if manifest.payload_sha256 is None and size:
            raise BundleInvalid("The manifest announces no payload, but one was sent.")
        if manifest.payload_sha256 is not None and (
            digest.hexdigest() != manifest.payload_sha256 or size != manifest.payload_size
        ):
            raise BundleInvalid("The payload does not have the digest and size in the manifest.")
        return Bundle(bundle_id, self._root / bundle_id, manifest)

    def _settle(self, bundle: Bundle, draft: Path) -> int:
        """Extracts the draft's payload and puts it in its place; its size in bytes."""
        payload, files = draft / "payload", draft / "files"
        files.mkdir()
        if bundle.manifest.runtime == REALTIME:
            _take_out_model(payload, files / MODEL_FILE)
        elif bundle.manifest.payload_sha256 is not None:
            try:
                extract(payload, files, max_bytes=self._extracted_max_bytes)
            except ArchiveError as error:
                raise BundleInvalid(f"The snapshot is refused: {error}.") from None
        payload.unlink()
        size = _size_below(draft)
        _make_readable(draft)
        if not bundle.directory.exists():
            try:
                draft.rename(bundle.directory)
            except OSError:  # the same bundle was sent twice at once: both are the same
                if not bundle.directory.exists():
                    raise
        return size

    def _trim(self) -> None:
        excess = sum(self._sizes.values()) - self._max_bytes
        newest = next(reversed(self._known), None)
        kept = {*self._in_use(), newest}
        for bundle_id in [name for name in self._known if name not in kept]:
            if excess <= 0:
                return
            excess -= self._sizes.pop(bundle_id)
            shutil.rmtree(self._known.pop(bundle_id).directory, ignore_errors=True)


class _Parts:
    """A chunked body read first by exact lengths, then as it comes."""

    def __init__(self, chunks: AsyncIterator[bytes]) -> None:
        self._chunks = chunks
        self._buffer = b""

    async def exactly(self, count: int) -> bytes:
        parts, missing = [self._buffer], count - len(self._buffer)
        while missing > 0:
            chunk = await anext(self._chunks, None)
            if chunk is None:
                raise BundleInvalid("The bundle ends before its manifest does.")
            parts.append(chunk)
            missing -= len(chunk)
        whole = b"".join(parts)
        self._buffer = whole[count:]
        return whole[:count]

    async def rest(self) -> AsyncIterator[bytes]:
        if self._buffer:
            yield self._buffer
        async for chunk in self._chunks:
            yield chunk


def _take_out_model(container: Path, target: Path) -> None:
    """Writes the model without its header, as the runtime reads it."""
    with container.open("rb") as source, target.open("wb") as copy:
        try:
            require_onnx(source.read(HEADER_BYTES), container.stat().st_size - HEADER_BYTES)
        except ModelRefused as error:
            raise BundleInvalid(str(error)) from None
        shutil.copyfileobj(source, copy, _COPY_BYTES)


def _make_readable(directory: Path) -> None:
    """Lets the users of shells read it, who find it by its name alone: see isolation.py."""
    for parent, _, files in os.walk(directory):
        Path(parent).chmod(0o755)
        for name in files:
            path = Path(parent, name)
            path.chmod(0o755 if path.stat().st_mode & stat.S_IXUSR else 0o644)


def _size_below(directory: Path) -> int:
    return sum(
        os.lstat(os.path.join(parent, name)).st_size  # noqa: PTH118
        for parent, _, names in os.walk(directory)
        for name in names
    )
