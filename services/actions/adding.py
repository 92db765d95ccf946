"""Adding a version to a service, whatever its type: one name space for all."""

import uuid
from typing import TYPE_CHECKING

from mlops.accounts.audit import record
from mlops.errors import Conflict
from services.actions.auditing import portrait
from services.actions.baking import renew_bundle
from services.models import Service, Version
from services.schema import require_name

if TYPE_CHECKING:
    from mlops.accounts.models import User


def checked_version_name(name: str, version: str | None) -> str:
    """The version's name, a new GUID when it is None; raises InvalidRequest for unusable names."""
    require_name("service name", name)
    if version is None:
        version = str(uuid.uuid4())
    require_name("version", version)
    return version


def require_unpublished(name: str, version: str) -> None:
    """Nothing; raises Conflict when the service has the version already."""
    if Version.objects.named(name, version).exists():
        raise Conflict(f"{name}/{version} exists already; publish another version or patch it.")


def add_version(name: str, version: Version, *, user: "User") -> None:
    """Save a new version of the service `name`, which it creates if need be, published by `user`.

    To be called in the transaction of `begin_change`, after `require_unpublished`.
    """
    renew_bundle(version)
    version.service, _ = Service.objects.get_or_create(name=name)
    version.save(force_insert=True)
    record("publish version", user=user, object=str(version), after=portrait(version))
