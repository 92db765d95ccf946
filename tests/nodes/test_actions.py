"""Changing the list of declared nodes."""

import pytest

from mlops.errors import InvalidRequest
from nodes.actions import declare_node
from nodes.models import NodeEntry
from nodes.registry import addresses

pytestmark = pytest.mark.django_db


def entries() -> list[tuple[str, bool]]:
    return list(NodeEntry.objects.order_by("pk").values_list("uri", "is_local"))


def test_a_declared_node_is_called_from_now_on() -> None:
    assert addresses() == ()
    declare_node(uri="http://10.0.0.1:12805")
    assert addresses() == ("http://10.0.0.1:12805/",)


def test_declaring_twice_changes_nothing() -> None:
    first = declare_node(uri="http://node:12805", is_local=True)
    again = declare_node(uri="HTTP://Node:12805/", is_local=True)
    assert first.pk == again.pk
    assert entries() == [("http://node:12805/", True)]


def test_the_local_node_takes_the_place_of_the_former_one() -> None:
    declare_node(uri="http://10.0.0.1:12805")
    declare_node(uri="http://127.0.0.1:12805", is_local=True)
    declare_node(uri="http://127.0.0.1:12905", is_local=True)
    assert entries() == [("http://10.0.0.1:12805/", False), ("http://127.0.0.1:12905/", True)]


def test_a_node_declared_by_hand_may_become_the_local_one_and_stays_it() -> None:
    declare_node(uri="http://127.0.0.1:12805")
    declare_node(uri="http://127.0.0.1:12805", is_local=True)
    declare_node(uri="http://127.0.0.1:12805")
    assert entries() == [("http://127.0.0.1:12805/", True)]


@pytest.mark.parametrize("uri", ["", "node:12805", "http://1.1.1.999", "http://0-255.0-255.0.0-2"])
def test_a_wrong_uri_is_refused_and_nothing_changes(uri: str) -> None:
    declare_node(uri="http://127.0.0.1:12805", is_local=True)
    with pytest.raises(InvalidRequest):
        declare_node(uri=uri, is_local=True)
    assert entries() == [("http://127.0.0.1:12805/", True)]


def test_more_addresses_than_a_list_may_name_are_refused() -> None:
    declare_node(uri="http://10.0.0-255.0-255:12805")
    with pytest.raises(InvalidRequest, match="65537 addresses"):
        declare_node(uri="http://node:12805")
    assert len(entries()) == 1
