"""Whether people can sign in now (wire-api section 6)."""

from collections.abc import Callable, Mapping
from typing import Any

from django.utils.module_loading import import_string

from mlops.accounts import key_rotation
from mlops.accounts.break_glass import broken_now
from mlops.accounts.sign_in import methods
from mlops.accounts.sign_in.entra.provider import provider
from mlops.accounts.sign_in.ldap_config import current_ldap
from mlops.errors import DirectoryUnavailable
from mlops.status import Status, worst


def authentication() -> Status:
    """The state of the method by which people sign in, asked now and in bounded time.

    A warning while the glass is broken, and when web nodes refuse each other's tokens.
    """
    components = _COMPONENTS[methods.of_people()]()
    code = worst(each.code for each in components.values())
    reasons = [text for text in (key_rotation.disagreement(), _broken_glass()) if text]
    if not reasons:
        return Status(code, components=components)
    return Status(worst([code, "warn"]), {"reason": " ".join(reasons)}, components)


def _broken_glass() -> str:
    broken = broken_now()
    if broken is None:
        return ""
    return f"The local administrator may sign in until {broken.closes_at:%Y-%m-%d %H:%M} UTC."


def _local() -> dict[str, Status]:
    return {"localAdmin": Status("pass")}


def _ldap() -> dict[str, Status]:
    config = current_ldap()
    details = {
        "host": ",".join(config.hosts),
        "port": config.port,
        "useLdaps": config.use_ldaps,
        "searchBase": config.search_base,
    }
    return {"ldap": _state(import_string("mlops.accounts.sign_in.ldap.check"), details)}


def _entra() -> dict[str, Status]:
    entra = provider().entra
    details = {"authority": entra.authority, "audience": entra.audience}
    return {"azureActiveDirectory": _state(provider().check, details)}


def _state(check: Callable[[], None], details: Mapping[str, Any]) -> Status:
    try:
        check()
    except DirectoryUnavailable as error:
        return Status("fail", {**details, "reason": error.message})
    return Status("pass", details)


_COMPONENTS = {methods.LOCAL: _local, methods.LDAP: _ldap, methods.ENTRA: _entra}
