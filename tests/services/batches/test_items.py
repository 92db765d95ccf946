"""Taking the body that starts a batch apart."""

import json

import pytest

from mlops.errors import InvalidRequest
from services.batches.items import CHUNK_BYTES, Items, read_items

DECLARED = [("x", "numeric"), ("label", "character")]


def read(body: bytes, *, max_items: int = 1000) -> Items:
    return read_items(body, DECLARED, max_items=max_items)


def texts(items: Items) -> list[bytes]:
    return [body for _, bodies in items.chunks(n_slots=1) for body in bodies]


def test_each_item_keeps_its_text() -> None:
    written = [
        b'{"x" :  1.50,"label":"\\u00e9"}',
        b'{"label": "],[{\\"", "x": NaN, "more": [1, {}]}',
        '{"X":1e400,"label":"\N{SNOWMAN}"}'.encode(),
    ]
    body = b"\xef\xbb\xbf [ " + b" ,\n".join(written) + b"\t]\r\n"
    assert texts(read(body)) == written


@pytest.mark.parametrize(
    ("body", "named"),
    [
        (b"", "array"),
        (b"{}", "array"),
        (b'"[]"', "array"),
        (b"[]", "no items"),
        (b"[", "item 0"),
        (b'[{"x":1,"label":""}', "after item 0"),
        (b'[{"x":1,"label":""} {"x":1,"label":""}]', "after item 0"),
        (b'[{"x":1,"label":""},]', "after item 0"),
        (b'[{"x":1,"label":""}] more', "follows"),
        (b'[{"x":1,"label":""},{"x":]', "item 1"),
        (b'[{"x":1,"label":""},[]]', "Item 1"),
        (b'[{"x":1,"label":""},null]', "Item 1"),
        (b'[{"x":1,"label":""},{"x":"1","label":""}]', "Item 1: Input x"),
        (b'[{"x":1,"label":""},{"x":1}]', "Item 1: Missing input: label"),
        (b'[{"x":1,"label":"\xff"}]', "not valid JSON"),
        (b"[" + b"[" * 100_000, "item 0"),
    ],
    ids=lambda value: ascii(value)[:40],
)
def test_what_cannot_be_right_is_refused_naming_the_item(body: bytes, named: str) -> None:
    with pytest.raises(InvalidRequest, match=named):
        read(body)


def test_the_fields_at_fault_are_named_with_their_item() -> None:
    with pytest.raises(InvalidRequest) as refused:
        read(b'[{"x":1,"label":""},{}]')
    assert refused.value.fields == "1.x,1.label"


def test_more_items_than_allowed_are_refused() -> None:
    item = {"x": 1, "label": ""}
    read(json.dumps([item] * 3).encode(), max_items=3)
    with pytest.raises(InvalidRequest, match="more than 3 items"):
        read(json.dumps([item] * 4).encode(), max_items=3)


@pytest.mark.parametrize("n_slots", [1, 10, 100])
@pytest.mark.parametrize("n_items", [1, 39, 1000])
def test_chunks_follow_each_other_and_are_enough_for_all_slots(n_items: int, n_slots: int) -> None:
    items = read(json.dumps([{"x": 1, "label": ""}] * n_items).encode())
    chunks = list(items.chunks(n_slots=n_slots))
    firsts = [0]
    for _, bodies in chunks:
        firsts.append(firsts[-1] + len(bodies))
    assert [first for first, _ in chunks] == firsts[:-1]
    assert firsts[-1] == n_items
    assert len(chunks) >= min(n_items, 4 * n_slots)


def test_large_items_are_chunks_of_their_own() -> None:
    item = {"x": 1, "label": "a" * CHUNK_BYTES}
    assert len(list(read(json.dumps([item] * 8).encode()).chunks(n_slots=1))) == 8
