"""`manage.py nodes`."""

import io
import json
import re

import pytest
from django.core.management import CommandError, call_command

from mlops import __version__
from mlops.accounts.models import User
from nodes.declared import declared_entries, drained_entries
from nodes.models import NodeEntry
from nodes.tasks import probe_nodes
from tests.nodes.runtime.running import RunningNode
from tests.ports import free_port

pytestmark = pytest.mark.django_db

RANGE = "http://1.0.1-3.1-2:12805/"


def nodes(*arguments: str) -> str:
    """What the command prints."""
    printed = io.StringIO()
    call_command("nodes", *arguments, stdout=printed)
    return printed.getvalue()


def test_entries_are_added_and_what_they_name_is_shown(admin: User) -> None:
    said = nodes("add", "http://1.0.1-3.1-2:12805", "http://node-1:12805,http://node-2:12805")
    assert declared_entries() == [RANGE, "http://node-1:12805/", "http://node-2:12805/"]
    assert said.splitlines() == [
        f"{RANGE}: 6 addresses, http://1.0.1.1:12805/ to http://1.0.3.2:12805/",
        "http://node-1:12805/: 1 address",
        "http://node-2:12805/: 1 address",
    ]


def test_a_wrong_entry_adds_nothing(admin: User) -> None:
    with pytest.raises(CommandError, match=r"Entry 2: .* at character 14"):
        nodes("add", "http://node-1:12805", "http://1.1.1.256")
    assert declared_entries() == []


def test_entries_are_removed(admin: User) -> None:
    nodes("add", RANGE, "http://node-1:12805")
    nodes("remove", "http://1.0.1-3.1-2:12805")
    assert declared_entries() == ["http://node-1:12805/"]


def test_what_is_not_declared_cannot_be_removed(admin: User) -> None:
    nodes("add", RANGE)
    with pytest.raises(CommandError, match="Not in the list"):
        nodes("remove", RANGE, "http://node-1:12805")
    assert declared_entries() == [RANGE]


@pytest.mark.parametrize("word", ["add", "remove"])
def test_who_may_not_change_the_list_does_not(word: str, admin: User, rita: User) -> None:
    nodes("add", RANGE)
    with pytest.raises(CommandError):
        nodes(word, RANGE if word == "remove" else "http://node-1:12805", "--user", "rita")
    assert declared_entries() == [RANGE]


def test_nobody_changes_nothing(admin: User) -> None:
    with pytest.raises(CommandError, match="There is no user nobody"):
        nodes("add", RANGE, "--user", "nobody")
    assert declared_entries() == []


def test_the_list_shows_entries_in_their_order() -> None:
    for uri in ("http://node-2:12805/", RANGE):
        NodeEntry.objects.create(uri=uri)
    lines = [line for line in nodes("list").splitlines() if not line.startswith(" ")]
    assert [line.partition(": ")[0] for line in lines] == ["http://node-2:12805/", RANGE]


def test_the_list_can_be_had_as_json() -> None:
    NodeEntry.objects.create(uri=RANGE)
    assert json.loads(nodes("list", "--json")) == [
        {
            "uri": RANGE,
            "count": 6,
            "first": "http://1.0.1.1:12805/",
            "last": "http://1.0.3.2:12805/",
            "overlaps": [],
            "nodes": [],
        }
    ]


def test_a_preview_tells_of_overlaps_and_changes_nothing() -> None:
    NodeEntry.objects.create(uri=RANGE)
    said = nodes("preview", "http://1.0.3.2-9:12805")
    assert f"1 of them also in {RANGE}" in said
    assert declared_entries() == [RANGE]


def test_a_node_that_answers_passes(declared_node: RunningNode) -> None:
    said = nodes("test")
    assert said.startswith(f"{declared_node.address}/ answers: ")
    assert "Python" in said


def test_a_test_can_be_had_as_json(declared_node: RunningNode) -> None:
    report = json.loads(nodes("test", declared_node.address, "--json"))
    assert report[f"{declared_node.address}/"]["statusCode"] == "pass"


def test_a_node_that_does_not_answer_fails(declared_node: RunningNode) -> None:
    printed = io.StringIO()
    silent = f"http://127.0.0.1:{free_port()}"
    with pytest.raises(CommandError, match="1 of 2 nodes cannot be used"):
        call_command("nodes", "test", f"{declared_node.address},{silent}", stdout=printed)
    assert f"{silent}/ does not answer as a compute node" in printed.getvalue()


def test_members_of_a_range_that_do_not_answer_are_left_out(declared_node: RunningNode) -> None:
    port = declared_node.port
    said = nodes("test", f"http://127.0.0.1:{port}-{port + 3}")
    assert f"{declared_node.address}/ answers" in said


def test_without_any_node_the_test_fails() -> None:
    with pytest.raises(CommandError, match="No compute node answers"):
        nodes("test")


def test_nodes_are_drained_and_resumed(admin: User) -> None:
    nodes("add", RANGE, "http://node-1:12805")
    said = nodes("drain", "http://node-1:12805", "http://1.0.1.1:12805")
    assert said.startswith("  http://node-1:12805/ draining, since ")
    assert drained_entries() == ["http://node-1:12805/", "http://1.0.1.1:12805/"]
    assert "unknown" in nodes("resume", "http://node-1:12805,http://1.0.1.1:12805")
    assert drained_entries() == []


@pytest.mark.parametrize("word", ["drain", "resume"])
def test_who_may_not_change_the_list_drains_nothing(word: str, admin: User, rita: User) -> None:
    nodes("add", RANGE)
    nodes("drain", RANGE)
    with pytest.raises(CommandError):
        nodes(word, RANGE, "--user", "rita")
    assert drained_entries() == [RANGE]


def test_the_list_shows_the_nodes_with_their_states(
    declared_node: RunningNode, admin: User
) -> None:
    probe_nodes()
    _, line = nodes("list").splitlines()
    assert re.match(
        rf"  {declared_node.address}/ \w+, since [-\d]+ [:\d]+, version \S+, .* ms", line
    )
    [entry] = json.loads(nodes("list", "--json"))
    [node] = entry["nodes"]
    assert node["version"] == __version__
    assert node["latency"] is not None
