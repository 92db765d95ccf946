"""Saying who may consume and who may manage a service."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from django.db import transaction

from mlops.accounts import audit
from mlops.accounts.refusals import noting_refusals
from mlops.accounts.roles import Role
from mlops.accounts.token_cache import Caller
from mlops.errors import Conflict, InvalidRequest, NotFound
from services.catalogue import begin_change
from services.grants import Grant, checked, revision
from services.models import Service
from services.permissions import may_govern, require_govern, require_role
from services.schema import is_name

if TYPE_CHECKING:
    from mlops.accounts.models import User


def service_to_govern(*, user: "User", name: str) -> Service:
    """The service, whose grants the user may see and set; raises NotFound or Forbidden."""
    require_role(user, Role.CONTRIBUTOR)
    service = Service.objects.filter(name=name).first() if is_name(name) else None
    if service is None:
        raise NotFound("There is no such service.")
    require_govern(service, Caller.of(user))
    return service


@noting_refusals("set grants")
def set_grants(
    *, user: "User", name: str, grants: Sequence[Grant], former: str | None = None
) -> Service:
    """The service with these grants and no others; every web node knows them within a second.

    A service without versions is gone with its last grant. Raises what `service_to_govern` raises,
    InvalidRequest for grants that cannot be right or would leave the user without a say, Conflict
    when the service's grants are no longer those of the revision `former`.
    """
    wanted = checked(grants)
    with transaction.atomic():
        begin_change()
        service = service_to_govern(user=user, name=name)
        before = service.grants
        if former is not None and former != revision(before):
            raise Conflict("The grants were changed meanwhile: look at them again.")
        service.grants = wanted
        if wanted or service.versions.exists():
            _require_say(service, user)
            service.save(update_fields=["grants"])
        else:
            service.delete()
        audit.record(
            "set grants",
            user=user,
            object=name,
            before={"grants": before},
            after={"grants": wanted},
        )
    return service


def _require_say(service: Service, user: "User") -> None:
    """Nothing; raises InvalidRequest when the user could not take this change back."""
    if not may_govern(service, Caller.of(user)):
        raise InvalidRequest(
            "With these grants you could not set them again, so nothing was changed: grant manage "
            "to yourself or a group of yours, or ask an Owner.",
            fields="grants",
        )
