"""Bundles: what a compute node needs to run one version, content-addressed."""

import hashlib
import json
from typing import Any

from services.models import RuntimeType, Version


def manifest(version: Version) -> bytes:
    """The canonical JSON that describes `version` to a node: sorted keys, compact, UTF-8.

    Equal manifests mean equal behaviour: it holds everything that a run depends on (the payload by
    its SHA-256) and nothing else, so neither name nor description is in it. A version with a
    dedicated pool shares its bundle with no other: nodes find in it whose the pool is.
    """
    payload = version.payload
    kind = "model" if version.runtime_type == RuntimeType.REALTIME else "snapshot"
    content: dict[str, Any] = {
        "code": version.code,
        "initCode": version.init_code,
        "inputs": version.input_parameters,
        "outputs": version.output_parameters,
        "outputFiles": version.output_files,
        "runtime": version.runtime_type,
        "payload": payload and {"kind": kind, "sha256": payload.digest, "size": payload.size},
    }
    if version.row_independent:
        content["rowIndependent"] = True
    if version.has_pool:
        content["pool"] = version.pk
    return json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def bundle_id(manifest: bytes) -> str:
    """The id under which nodes keep the bundle: the SHA-256 of its manifest, in hex."""
    return hashlib.sha256(manifest).hexdigest()
