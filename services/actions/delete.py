"""Deleting a published version (wire-api section 2)."""

from typing import TYPE_CHECKING

from django.db import transaction

from mlops.accounts.roles import Role
from services.actions.lookup import version_to_change
from services.catalogue import begin_change
from services.permissions import require_role
from services.pools.nudging import nudge_after_commit

if TYPE_CHECKING:
    from mlops.accounts.models import User


def delete_version(*, user: "User", name: str, version: str) -> None:
    """Delete the version, and its service with the last one.

    Raises NotFound, or Forbidden without read/write permission on it.
    """
    role = require_role(user, Role.READER)
    with transaction.atomic():
        begin_change()
        deleted = version_to_change(user=user, role=role, name=name, version=version)
        service = deleted.service
        if deleted.has_pool:
            nudge_after_commit()
        deleted.delete()
        if not service.versions.exists():
            service.delete()
