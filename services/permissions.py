"""Who may do what with a service and its versions (wire-api section 10, and grants)."""

from typing import TYPE_CHECKING

from django.db.models import Q

from mlops.accounts.roles import Role
from mlops.accounts.roles import require as require
from mlops.accounts.roles import require_role as require_role
from mlops.accounts.scope import require_scope as require_scope
from mlops.accounts.sign_in import methods
from mlops.accounts.token_cache import Caller
from mlops.errors import Forbidden
from services.models import Service, Version, VersionQuerySet
from services.schema import is_name

if TYPE_CHECKING:
    from services.catalogue import PublishedVersion


def may_consume(version: "Version | PublishedVersion", caller: Caller) -> bool:
    """Whether somebody with a role may call and see `version`.

    Everybody may, unless the service is closed to those whom its grants name; who published the
    version and Owners may still.
    """
    access = version.access
    return (
        access is None
        or access.lets_consume(caller.username, caller.groups)
        or methods.is_same_name(version.published_by, caller.username)
        or caller.role == Role.OWNER
    )


def require_consume(version: "Version | PublishedVersion", caller: Caller) -> None:
    """Nothing; raises Forbidden unless the caller may consume `version`.

    The one check of every way to call a version and to look at it.
    """
    if version.access is not None and not may_consume(version, caller):
        raise Forbidden(
            f"The service {version.name} is open to some users and groups only: "
            "ask its publisher or an Owner for a grant."
        )


def consumable(versions: VersionQuerySet, caller: Caller) -> VersionQuerySet:
    """Those of the versions that the caller may consume."""
    if caller.role == Role.OWNER:
        return versions
    closed = [
        service.pk
        for service in Service.objects.exclude(grants=[])
        if service.access and not service.access.lets_consume(caller.username, caller.groups)
    ]
    own = Q(published_by=caller.username)
    if methods.of_people() != methods.LOCAL:
        own = Q(published_by__iexact=caller.username)
    return versions.exclude(Q(service__in=closed) & ~own)


def may_write(version: Version, caller: Caller) -> bool:
    """Whether somebody may change `version` and see its code.

    An Owner always may; a Contributor who published it, or whom the grants of the service name as
    a manager.
    """
    if caller.role == Role.CONTRIBUTOR:
        is_publisher = methods.is_same_name(version.published_by, caller.username)
        return is_publisher or _is_manager(version.service, caller)
    return caller.role == Role.OWNER


def require_write(version: Version, caller: Caller) -> None:
    """Nothing; raises Forbidden unless the caller may change `version`."""
    if not may_write(version, caller):
        raise Forbidden(
            f"Only {version.published_by}, as a Contributor, a manager of the service or an Owner "
            f"may change {version}."
        )


def may_govern(service: Service, caller: Caller) -> bool:
    """Whether somebody may see and set the grants of the service.

    An Owner always may; Contributors whom its grants name as managers. While they name nobody, a
    Contributor may who published all its versions: with less, publishing a version would be enough
    to take over what others published under the name.
    """
    if caller.role == Role.CONTRIBUTOR:
        if service.access and service.access.has_managers:
            return _is_manager(service, caller)
        return _published_all(service, caller)
    return caller.role == Role.OWNER


def require_govern(service: Service, caller: Caller) -> None:
    """Nothing; raises Forbidden unless the caller may see and set the grants of the service."""
    if not may_govern(service, caller):
        raise Forbidden(
            f"Only a manager of {service.name}, who published all its versions or whom its grants "
            "name, or an Owner may see and set its grants."
        )


def require_publish(name: str, caller: Caller) -> None:
    """Nothing; raises Forbidden unless the Contributor may publish under the name.

    Any may, unless the service has grants: to manage, and they do not name the caller; or to
    consume alone, and the caller may neither consume it nor govern it.
    """
    service = Service.objects.filter(name=name).first() if is_name(name) else None
    if service is None or service.access is None or may_govern(service, caller):
        return
    access = service.access
    if access.has_managers or not access.lets_consume(caller.username, caller.groups):
        raise Forbidden(
            f"Only a manager of {name} or an Owner may publish versions of it: ask them for a "
            "grant, or publish under another name."
        )


def _is_manager(service: Service, caller: Caller) -> bool:
    access = service.access
    return access is not None and access.lets_manage(caller.username, caller.groups)


def _published_all(service: Service, caller: Caller) -> bool:
    publishers = service.versions.values_list("published_by", flat=True)
    return {methods.compared(name) for name in publishers} == {methods.compared(caller.username)}
