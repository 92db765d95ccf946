"""Deleting a published version (wire-api section 2)."""

from typing import TYPE_CHECKING

from django.db import transaction

from mlops.accounts.audit import record
from mlops.accounts.refusals import noting_refusals
from mlops.accounts.roles import Role
from services.actions.auditing import portrait
from services.actions.lookup import version_to_change
from services.catalogue import begin_change
from services.grants import MANAGE, USER, Grant, checked
from services.models import Service
from services.permissions import require_role
from services.pools.nudging import nudge_after_commit

if TYPE_CHECKING:
    from mlops.accounts.models import User


@noting_refusals("delete version")
def delete_version(*, user: "User", name: str, version: str) -> None:
    """Delete the version, and with the last one its service, unless that has grants.

    Then the name stays with those whom they name as managers, or else with the publisher: a service
    that is deleted and published anew is not open to all meanwhile or afterwards.

    Raises NotFound, or Forbidden without read/write permission on it.
    """
    role = require_role(user, Role.READER)
    with transaction.atomic():
        begin_change()
        deleted = version_to_change(user=user, role=role, name=name, version=version)
        record("delete version", user=user, object=str(deleted), before=portrait(deleted))
        service = deleted.service
        if deleted.has_pool:
            nudge_after_commit()
        deleted.delete()
        if not service.versions.exists():
            _delete_or_keep(service, deleted.published_by, user=user)


def _delete_or_keep(service: Service, publisher: str, *, user: "User") -> None:
    """Delete a service without versions, or see to it that somebody beside Owners can manage it."""
    if service.access is None:
        service.delete()
    elif not service.access.has_managers:
        grants = [*(Grant(**each) for each in service.grants), Grant(MANAGE, USER, publisher)]
        before, service.grants = service.grants, checked(grants)
        service.save(update_fields=["grants"])
        record(
            "set grants",
            user=user,
            object=service.name,
            before={"grants": before},
            after={"grants": service.grants},
        )
