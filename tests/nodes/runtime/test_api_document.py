"""docs/compute-node-api.md keeps up with the compute node."""

import re
from typing import Any, cast

import pytest

from nodes.runtime import api, multiplex
from nodes.runtime.errors import NodeError
from nodes.runtime.node import ComputeNode
from tests.nodes.runtime.running import ROOT, RunningNode

DOCUMENT = (ROOT / "docs/compute-node-api.md").read_text()
ROUTES = set(re.findall(r"^\| `([A-Z]+ /[^`\s]*)`", DOCUMENT, re.M))
SCORING = "POST /v1/bundles/{id}/score"  # the scoring lane's (score_lane.py)


def test_every_route_is_in_the_document_and_no_other() -> None:
    routes = api.routes(cast(ComputeNode, None))
    methods = {"GET", "PUT", "POST", "DELETE"}  # without the HEAD that comes with each GET
    there = {
        f"{method} {route.path_format}"
        for route in routes
        for method in (route.methods or set()) & methods
    }
    assert sorted(ROUTES) == sorted({*there, SCORING})


@pytest.mark.parametrize("route", sorted(ROUTES))
def test_a_node_knows_every_route_of_the_document(node: RunningNode, route: str) -> None:
    method, _, path = route.partition(" ")
    answer = node.http.request(method, re.sub(r"\{\w+\}", "unknown", path))
    assert answer.status_code != 405
    assert "no-such-route" not in answer.text


def test_every_error_code_is_in_the_document_and_no_other() -> None:
    rows = re.findall(r"^\| (\d{3}) \| (`.+?`) \|", DOCUMENT, re.M)
    documented = {(int(status), code) for status, codes in rows for code in _names(codes)}
    assert documented == {(error.status, error.code) for error in _kinds(NodeError)}


def test_every_member_of_the_health_report_is_in_the_document(node: RunningNode) -> None:
    report: dict[str, Any] = node.http.get("/v1/health").json()
    members = {*report, *report["runtimes"], *report["runtimes"]["Python"]}
    assert members <= set(_names(DOCUMENT))


def test_every_kind_of_frame_is_in_the_document() -> None:
    rows = re.findall(r"^\| (\d) \| `([A-Z]+)` \|", DOCUMENT, re.M)
    assert [int(kind) for kind, _ in rows] == [getattr(multiplex, name) for _, name in rows]
    assert len(rows) == multiplex.BYE
    assert f"head of {multiplex.HEAD.size} bytes" in DOCUMENT
    assert f"{multiplex.PREFACE.decode()} {{cluster key}}" in DOCUMENT


def test_settings_are_those_of_the_administrators_table() -> None:
    table = (ROOT / "docs/administrator.md").read_text()
    for name in re.findall(r"`(MLOPS_\w+)`", DOCUMENT):
        assert f"| `{name}` |" in table


def _names(text: str) -> list[str]:
    return re.findall(r"`([\w-]+)`", text)


def _kinds(error: type[NodeError]) -> set[type[NodeError]]:
    """The error and all kinds of it that the node has."""
    below = (_kinds(kind) for kind in error.__subclasses__())
    return {error}.union(*below) if error.__module__.startswith("nodes.runtime.") else set()
