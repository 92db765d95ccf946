"""Taking a version's dedicated pool away (wire-api section 16)."""

from typing import TYPE_CHECKING

from django.db import transaction

from mlops.accounts.audit import record_change
from mlops.accounts.refusals import noting_refusals
from mlops.accounts.roles import Role
from mlops.errors import InvalidRequest
from services.actions.auditing import portrait_of_pool
from services.actions.baking import renew_bundle
from services.actions.lookup import version_to_change
from services.catalogue import begin_change
from services.models import DedicatedPool, RuntimeType, Version
from services.permissions import require_role
from services.pools.nudging import nudge_after_commit

if TYPE_CHECKING:
    from mlops.accounts.models import User


@noting_refusals("delete pool")
def delete_pool(*, user: "User", name: str, version: str) -> Version:
    """The version, which from now on runs in shells that all versions share.

    So it does already when it has no pool. Raises NotFound, Forbidden without read/write permission
    on the version, InvalidRequest for a realtime version.
    """
    role = require_role(user, Role.READER)
    with transaction.atomic():
        begin_change()
        found = version_to_change(user=user, role=role, name=name, version=version)
        require_shells(found)
        before = portrait_of_pool(found)
        remove_pool(found)
        record_change(
            "delete pool",
            user=user,
            object=str(found),
            before=before,
            after=portrait_of_pool(found),
        )
        nudge_after_commit()
    return found


def require_shells(version: Version) -> None:
    """Nothing; raises InvalidRequest unless the version runs in shells."""
    if version.runtime_type == RuntimeType.REALTIME:
        raise InvalidRequest(f"{version} is a Realtime version: it runs without shells or pools.")


def remove_pool(version: Version) -> None:
    """Delete the pool, in a transaction that has begun a change, and renew the version's bundle."""
    DedicatedPool.objects.filter(version=version).delete()
    renew_bundle(version)
    version.save(update_fields=["bundle_id"])
