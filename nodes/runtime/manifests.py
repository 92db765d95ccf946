"""The manifest of a bundle: what a node must know of a version to run it."""

import hashlib
import json
from dataclasses import dataclass
from typing import Any

from .errors import BundleInvalid
from .inputs import TYPES

REALTIME = "Realtime"
RUNTIMES = ("Python", "R", REALTIME)


@dataclass(frozen=True, slots=True)
class Manifest:
    """The checked part of a manifest that the node itself uses."""

    runtime: str
    inputs: tuple[tuple[str, str], ...]
    payload_sha256: str | None
    payload_size: int
    row_independent: bool = False  # calls may be merged by their rows
    outputs: tuple[tuple[str, str], ...] = ()
    has_output_files: bool = False
    pool: int | None = None  # of a version that runs in a dedicated pool only: whose it is


def read_manifest(bundle_id: str, text: bytes) -> Manifest:
    """The manifest in `text`; `BundleInvalid` when it is not the one named or not well formed."""
    if hashlib.sha256(text).hexdigest() != bundle_id:
        raise BundleInvalid("The manifest does not have the digest in the address.")
    try:
        return parse_manifest(json.loads(text))
    except (ValueError, KeyError, TypeError) as error:
        raise BundleInvalid(f"The manifest is not well formed: {error!r}.") from None


def parse_manifest(data: Any) -> Manifest:
    """The manifest object checked; ValueError, KeyError or TypeError when it is not well formed."""
    if data["runtime"] not in RUNTIMES:
        raise ValueError(f"runtime {data['runtime']!r}")
    is_realtime = data["runtime"] == REALTIME
    if is_realtime and not (data["code"] is None and data["initCode"] is None and data["payload"]):
        raise ValueError("a realtime version has a model and no code")
    if not is_realtime and not (
        isinstance(data["code"], str) and isinstance(data["initCode"], str | None)
    ):
        raise TypeError("code and initCode must be text")
    if not all(isinstance(name, str) for name in data["outputFiles"]):
        raise TypeError("outputFiles must be names")
    inputs = _parameters(data["inputs"])
    outputs = _parameters(data["outputs"])
    pool = data.get("pool")
    if not isinstance(pool, int | None):
        raise TypeError("pool must be a number")
    row_independent = data.get("rowIndependent", False)
    if not isinstance(row_independent, bool):
        raise TypeError("rowIndependent must be true or false")
    digest, size = None, 0
    if payload := data["payload"]:
        kind = "model" if is_realtime else "snapshot"
        if payload["kind"] != kind or not isinstance(payload["size"], int):
            raise ValueError(f"payload {payload!r}")
        digest, size = str(payload["sha256"]), payload["size"]
    return Manifest(
        data["runtime"],
        inputs,
        digest,
        size,
        row_independent,
        outputs=outputs,
        has_output_files=bool(data["outputFiles"]),
        pool=pool,
    )


def _parameters(items: Any) -> tuple[tuple[str, str], ...]:
    for item in items:
        if item["type"] not in TYPES:
            raise ValueError(f"type {item['type']!r}")
        if not isinstance(item["name"], str):
            raise TypeError("a name must be text")
    return tuple((item["name"], item["type"]) for item in items)
