"""What the audit trail keeps of a version."""

from typing import Any

from mlops.accounts.audit import fingerprint
from services.models import DedicatedPool, Version


def portrait(version: Version) -> dict[str, Any]:
    """All that is set on the version; of code and of files only what tells them from others."""
    return {
        "publishedBy": version.published_by,
        "runtimeType": version.runtime_type,
        "code": fingerprint(version.code),
        "initCode": fingerprint(version.init_code),
        "description": version.description,
        "operationId": version.operation_id,
        "inputParameters": version.input_parameters,
        "outputParameters": version.output_parameters,
        "outputFiles": version.output_files,
        "rowIndependent": version.row_independent,
        "payload": _payload(version),
    }


def portrait_of_pool(version: Version) -> dict[str, Any]:
    """The sizes of the version's dedicated pool, as they are in the database."""
    pool = DedicatedPool.objects.filter(version=version).first()
    return {
        "initialPoolSize": pool.initial_size if pool else None,
        "maxPoolSize": pool.max_size if pool else None,
    }


def _payload(version: Version) -> dict[str, Any] | None:
    """Of the snapshot or the model."""
    blob = version.payload
    return None if blob is None else {"sha256": blob.digest, "bytes": blob.size}
