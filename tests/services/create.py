"""Rows that the tests of services start from."""

import io
import zipfile
from typing import Any

from mlops.accounts.models import User
from mlops.blobs import storage
from nodes.models import Snapshot
from services.actions.publish import publish_version
from services.models import CatalogueStamp, DedicatedPool, Service, Version
from services.schema import Definition


def create_snapshot(
    owner: User, *, runtime: str = "Python", files: dict[str, bytes] | None = None
) -> Snapshot:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name, data in (files or {}).items():
            archive.writestr(name, data)
    blob = storage.save([content.getvalue()])
    return Snapshot.objects.create(owner=owner, runtime=runtime, blob=blob, is_empty=not files)


def create_version(
    user: User, *, name: str = "churn", version: str = "v1", **definition: Any
) -> Version:
    """A version published through the action, with everything set unless told otherwise."""
    said: dict[str, Any] = {"code": "answer = x + 1", "runtime_type": "Python", **definition}
    return publish_version(user=user, name=name, version=version, definition=Definition(**said))


def published() -> list[dict[str, Any]]:
    """Everything that publishing leaves in the database, to prove that nothing changed."""
    return [
        *Service.objects.order_by("pk").values(),
        *Version.objects.order_by("pk").values(),
        *DedicatedPool.objects.order_by("pk").values(),
        *CatalogueStamp.objects.values(),
    ]
