"""Giving a version a dedicated pool, or its pool another size (wire-api section 16)."""

from typing import TYPE_CHECKING

from django.conf import settings
from django.db import transaction

from mlops.accounts.audit import record_change
from mlops.accounts.refusals import noting_refusals
from mlops.accounts.roles import Role
from mlops.errors import InvalidRequest
from services.actions.auditing import portrait_of_pool
from services.actions.baking import renew_bundle
from services.actions.delete_pool import remove_pool, require_shells
from services.actions.lookup import version_to_change
from services.catalogue import begin_change
from services.models import DedicatedPool, Version
from services.permissions import require_role
from services.pools.nudging import nudge_after_commit

if TYPE_CHECKING:
    from mlops.accounts.models import User


@noting_refusals("configure pool")
def configure_pool(
    *, user: "User", name: str, version: str, initial_size: int, max_size: int
) -> Version:
    """The version, which from now on runs in shells of its own only, that nodes begin to start.

    A `max_size` of 0 takes its pool away. Raises NotFound, Forbidden without read/write permission
    on the version, InvalidRequest for sizes that cannot be right or a realtime version.
    """
    role = require_role(user, Role.READER)
    _require_sizes(initial_size, max_size)
    with transaction.atomic():
        begin_change()
        configured = version_to_change(user=user, role=role, name=name, version=version)
        require_shells(configured)
        before = portrait_of_pool(configured)
        if max_size == 0:
            remove_pool(configured)
        else:
            sizes = {"initial_size": initial_size, "max_size": max_size}
            DedicatedPool.objects.update_or_create(version=configured, defaults=sizes)
            renew_bundle(configured)
            configured.save(update_fields=["bundle_id"])
        record_change(
            "configure pool",
            user=user,
            object=str(configured),
            before=before,
            after=portrait_of_pool(configured),
        )
        nudge_after_commit()
    return configured


def _require_sizes(initial_size: int, max_size: int) -> None:
    most = settings.DEDICATED_POOL_MAX_SIZE
    if not 0 <= initial_size <= max_size:
        raise InvalidRequest(
            "InitialPoolSize is 0 or more, and not above MaxPoolSize.",
            fields="InitialPoolSize,MaxPoolSize",
        )
    if max_size > most:
        raise InvalidRequest(
            f"MaxPoolSize is above {most}, the most that MLOPS_DEDICATED_POOL_MAX_SIZE allows.",
            fields="MaxPoolSize",
        )
