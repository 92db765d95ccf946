"""What a user may have, to be asked for by its owner and by others."""

import re
import secrets
import uuid
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.apps import apps
from django.db.models import Model
from django.utils import timezone

from mlops.accounts.models import ApiKey, User
from nodes.models import Session
from services.batches import leases
from services.batches.outcomes import Outcome
from services.models import Batch, Version
from tests.contract.asking import OF_SNAPSHOTS
from tests.contract.operations import Operation
from tests.services.create import create_batch, create_snapshot, create_version

RESULT = (
    b'{"success":true,"errorMessage":"","consoleOutput":"","changedFiles":[],'
    b'"outputParameters":{},"outputFiles":{}}'
)
EXECUTED = (
    b'{"success":true,"errorMessage":"","outputParameters":[],"consoleOutput":"","changedFiles":[]}'
)
ANSWERS = b'{"files":[],"objects":[],"history":[],"consoleOutput":""}'

# Notes of what was tried, which refusals leave as well.
_NOTES = {"AuditEntry"}


@dataclass
class Things:
    """A service, a session, a snapshot, a batch and an API key."""

    service: str
    session: str
    snapshot: str
    batch: str
    key: str

    def unknown(self) -> "Things":
        """The like, of nobody."""
        return Things(self.service, *(str(uuid.uuid4()) for _ in range(4)))

    def address(self, row: Operation, *, version: str = "v1") -> str:
        """Where the row has them; their ids stand in nothing else of a call."""
        named = {
            "id": self.snapshot if row in OF_SNAPSHOTS else self.session,
            "snapshotId": self.snapshot,
            "executionId": self.batch,
            "keyId": self.key,
            "index": "0",
            "name": self.service,
            "version": version,
            "fileName": "a.txt",
            "objectName": "x",
        }
        return re.sub(r"\{(\w+)\}", lambda found: named.get(found[1], "none"), row.path)


def things_of(user: User, publisher: User, node: str) -> Things:
    """Things of the user; a Contributor published and started them, as the user perhaps may not."""
    service = f"of-{user.username}"
    create_version(publisher, name=service, output_files=["a.txt"])
    Version.objects.filter(service__name=service).update(published_by=user.username)
    batch = create_batch(publisher, name=service)
    finish_one_item(batch)
    Batch.objects.filter(pk=batch.pk).update(owner=user)
    # So that a mere look at it would show: use is noted to the minute.
    an_hour_ago = timezone.now() - timedelta(hours=1)
    session = Session.objects.create(owner=user, runtime="R", node=node)
    Session.objects.filter(pk=session.pk).update(last_used_at=an_hour_ago)
    snapshot = create_snapshot(user, runtime="R", files={"a.txt": b"a"})
    key = ApiKey.objects.create(
        id=secrets.token_hex(8),
        user=user,
        name="own",
        digest="0" * 64,
        created_at=an_hour_ago,
        expires_at=an_hour_ago + timedelta(days=1),
    )
    return Things(service, str(session.pk), str(snapshot.pk), str(batch.pk), key.pk)


def finish_one_item(batch: Batch) -> None:
    """Give the first item of a batch a result with a file."""
    now = timezone.now()
    grant = leases.claim(batch.pk, holder="w", n_slots=1, n_items=1, now=now)
    assert grant
    outcomes = [Outcome(0, RESULT, {"a.txt": b"a"})]
    leases.exchange(batch.pk, grant.lease_id, outcomes=outcomes, n_slots=1, n_items=0, now=now)


def everything() -> dict[str, list[dict[str, Any]]]:
    """All rows that a call could change."""
    models: list[type[Model]] = [
        model
        for app in ("accounts", "auth", "blobs", "nodes", "services")
        for model in apps.get_app_config(app).get_models()
        if model.__name__ not in _NOTES
    ]
    return {
        model.__name__: list(model._default_manager.order_by("pk").values()) for model in models
    }
