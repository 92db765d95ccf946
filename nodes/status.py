"""The state of the whole as this web node sees it (wire-api section 6).

Everything is asked at once and anew. Nothing in the report depends on the web node but its log
path, its certificate and its token keys, so that the reports of several can be compared.
"""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from django.conf import settings
from django.db import DatabaseError, connection

from mlops.accounts.sign_in.status import authentication
from mlops.errors import MlopsError, NodeUntrusted
from mlops.status import Status, worst
from nodes import trust, uris
from nodes.background import run_sync
from nodes.compute_node import ComputeNode
from nodes.health import names
from nodes.models import NodeHealth
from nodes.picture import declared_uris
from nodes.runtime.api_version import API_VERSION, is_compatible

_SECONDS = 3
_AT_ONCE = 128
# Members of ranges of which nobody has heard are asked as well when they are no more than this;
# in larger ranges the prober finds them.
_UNKNOWN_AT_MOST = 256

_FIGURES = ("maxPoolSize", "activeShellCount", "currentPoolSize")


def report() -> Status:
    """The state of web node, compute nodes, sign-in and database; raises DatabaseError."""
    components = {
        "backends": _backends(),
        "authentication": authentication(),
        "database": _database(),
    }
    details = {"logPath": str(settings.LOG_DIR)}
    if (context := trust.of_web_node()) and context.certificate:
        details |= _of_certificate(context.certificate.body())
    return Status(worst(each.code for each in components.values()), details, components)


def _of_certificate(report: Mapping[str, Any]) -> dict[str, str]:
    return {
        "certificateSubject": str(report.get("subject", "")),
        "certificateExpires": str(report.get("expires", "")),
    }


def _database() -> Status:
    is_sqlite = connection.vendor == "sqlite"
    details = {
        "type": connection.vendor,
        "name": "main" if is_sqlite else connection.settings_dict["NAME"],
    }
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except DatabaseError:
        return Status("fail", {**details, "state": "Closed"})
    return Status("pass", {**details, "state": "Open"})


def states_of(entries: Sequence[uris.NodeUri]) -> dict[str, Status]:
    """The state of the nodes that the entries name, each asked now.

    Members of ranges that do not answer are normal, and left out.
    """
    single = dict.fromkeys(str(uri) for uri in entries if not uri.is_range)
    members = _members([uri for uri in entries if uri.is_range])
    answers = run_sync(_ask(list({**single, **members})))
    return {
        address: answer or Status("fail")
        for address, answer in answers.items()
        if answer is not None or address in single
    }


def _backends() -> Status:
    """All compute nodes down is a failure, some of them a warning.

    Members of ranges that do not answer are normal, and left out unless nobody answers at all.
    """
    entries = declared_uris()
    found = states_of(entries)
    n_passing = sum(each.code == "pass" for each in found.values())
    if n_passing == 0:
        # What should be there is shown, ranges as they were declared.
        expected = {str(uri): found.get(str(uri), Status("fail")) for uri in entries}
        return Status("fail", components=expected)
    return Status("pass" if n_passing == len(found) else "warn", components=found)


def _members(ranges: Sequence[uris.NodeUri]) -> dict[str, None]:
    """The members of ranges worth asking, in order."""
    if sum(uri.count() for uri in ranges) <= _UNKNOWN_AT_MOST:
        return dict.fromkeys(address for uri in ranges for address in uri.expand())
    answered = NodeHealth.objects.exclude(last_seen_at=None).order_by("address")
    heard_of = answered.values_list("address", flat=True)
    return {address: None for address in heard_of if names(ranges, address)}


async def _ask(addresses: Sequence[str]) -> dict[str, Status | None]:
    """The state of each node; None where nobody answers as a node of ours does."""
    free = asyncio.Semaphore(_AT_ONCE)

    async def ask(address: str) -> Status | None:
        async with free:
            try:
                return _node(await ComputeNode(address).health(seconds=_SECONDS))
            except NodeUntrusted as error:
                return Status("fail", {"reason": error.message})
            except MlopsError:
                return None

    states = await asyncio.gather(*map(ask, addresses))
    return dict(zip(addresses, states, strict=True))


def _node(answer: Mapping[str, Any]) -> Status:
    details: dict[str, Any] = {}
    for name, prefix in (("R", "r"), ("Python", "python")):
        runtime = answer["runtimes"].get(name, {})
        if not isinstance(runtime, dict) or not runtime.get("available"):
            continue  # not installed
        for figure in _FIGURES:
            details[f"{prefix}{figure[0].upper()}{figure[1:]}"] = runtime.get(figure, 0)
        details[f"{prefix}CanOpenShell"] = str(bool(runtime.get("canOpenShell")))
    details["apiVersion"] = str(answer.get("apiVersion", ""))
    details["logPath"] = str(answer.get("logPath", ""))
    if isinstance(isolation := answer.get("isolation"), dict):
        details["isolation"] = str(isolation.get("level", ""))
    if isinstance(certificate := answer.get("certificate"), dict):
        details |= _of_certificate(certificate)
    if details["apiVersion"] and not is_compatible(details["apiVersion"]):
        details["reason"] = f"It is not called: this web node speaks version {API_VERSION}."
        return Status("fail", details)
    return Status("pass", details)
