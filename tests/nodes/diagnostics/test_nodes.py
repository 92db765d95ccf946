"""The configuration test of compute nodes, and traces of code, on a real node and without one."""

from datetime import timedelta

import pytest
from django.utils import timezone

from mlops.accounts.models import AuditEntry, User
from mlops.diagnostics.findings import FAIL, PASS, WARN, Finding, findings_of
from mlops.errors import Forbidden, InvalidRequest
from nodes.actions import declare_node
from nodes.diagnostics import checks
from nodes.diagnostics.checks import NodeChecks
from nodes.diagnostics.steps import Step, waterfall
from nodes.diagnostics.trace_code import trace_code
from nodes.draining import drain_nodes
from nodes.health import probe_nodes
from nodes.models import NodeHealth, Session
from tests.nodes.runtime.running import RunningNode
from tests.ports import free_port

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.any_database]


def found() -> dict[str, Finding]:
    return {each.component: each for each in findings_of(NodeChecks().checks())}


def sessions_on(node: RunningNode) -> set[str]:
    return set(node.http.get("/v1/sessions").json()["sessions"])


def test_a_node_that_works_passes_and_runs_code(declared_node: RunningNode) -> None:
    probe_nodes(now=timezone.now())
    before = sessions_on(declared_node)
    findings = found()
    node = findings[f"compute node {declared_node.address}/"]
    assert node.outcome == PASS
    assert "Python" in node.message
    assert "log in" in node.message
    assert findings[f"Python on {declared_node.address}/"].outcome == PASS
    assert findings["periodic worker"].outcome == PASS
    assert findings["clocks of compute nodes"].outcome == PASS
    assert sessions_on(declared_node) <= before


def test_of_too_many_nodes_a_sample_runs_code_which_is_said(
    declared_node: RunningNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checks, "RUNS", 0)
    findings = found()
    assert "drawn at random" in findings["code execution"].message
    assert f"Python on {declared_node.address}/" not in findings


def test_a_stopped_node_fails_with_what_to_do(db: None) -> None:
    address = f"http://127.0.0.1:{free_port()}/"
    declare_node(uri=address)
    node = found()[f"compute node {address}"]
    assert node.outcome == FAIL
    assert "refused" in node.message
    assert "manage.py computenode" in node.advice


def test_no_node_at_all_fails(db: None) -> None:
    assert found()["compute nodes"].outcome == FAIL


def test_a_drained_node_is_a_warning_and_runs_nothing(
    declared_node: RunningNode, admin: User
) -> None:
    drain_nodes(user=admin, entries=[declared_node.address])
    findings = found()
    assert findings[f"compute node {declared_node.address}/"].outcome == WARN
    assert f"Python on {declared_node.address}/" not in findings


def test_a_prober_that_has_stopped_fails(declared_node: RunningNode) -> None:
    assert found()["periodic worker"].outcome == FAIL
    probe_nodes(now=timezone.now())
    NodeHealth.objects.update(last_probe_at=timezone.now() - timedelta(hours=1))
    assert found()["periodic worker"].outcome == FAIL


def test_code_is_traced_step_by_step(declared_node: RunningNode, admin: User) -> None:
    steps: list[Step] = []
    report = trace_code(user=admin, runtime="Python", code="print('hi')", on_step=steps.append)
    assert report["success"]
    assert report["consoleOutput"].strip() == "hi"
    assert [step["name"] for step in report["steps"]] == [step.name for step in steps]
    assert len({step.id for step in steps}) == len(steps) == 4
    assert not Session.objects.exists()
    assert AuditEntry.objects.filter(action="trace code").exists()


def test_code_that_fails_is_part_of_the_report(declared_node: RunningNode, admin: User) -> None:
    report = trace_code(user=admin, runtime="Python", code="1/0")
    assert not report["success"]
    assert "ZeroDivisionError" in report["errorMessage"]
    assert not Session.objects.exists()


def test_without_a_node_the_report_says_so(admin: User) -> None:
    report = trace_code(user=admin, runtime="Python", code="1")
    assert "No compute node is ready" in report["errorMessage"]


def test_only_owners_trace_code(alice: User, admin: User) -> None:
    with pytest.raises(Forbidden):
        trace_code(user=alice, runtime="Python", code="1")
    with pytest.raises(InvalidRequest):
        trace_code(user=admin, runtime="COBOL", code="1")


def test_a_waterfall_draws_where_each_step_lies() -> None:
    lines = list(waterfall([Step("first", 0, 50, id="x"), Step("second", 50, 50)]))
    assert lines[0].split("|")[1] == "=" * 15 + " " * 15
    assert lines[1].strip() == "id x"
    assert lines[2].split("|")[1] == " " * 15 + "=" * 15
