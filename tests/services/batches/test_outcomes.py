"""What is kept of a node's answer."""

import base64
import json

from services.batches.outcomes import PIECE_BYTES, Outcome, answered, failed

HEAD = b'{"success":true,"errorMessage":"","consoleOutput":"","changedFiles":[],'


def test_an_answer_without_files_is_kept_byte_by_byte() -> None:
    answer = HEAD + b'"outputParameters":{"y":1.50e3},"outputFiles":{}}'
    assert answered(3, answer) == Outcome(3, answer)


def test_files_are_taken_out_and_nothing_else_is_touched() -> None:
    content = bytes(range(256))
    # Values and names that look like the member itself.
    head = HEAD + b'"outputParameters":{"y":"\\",\\"outputFiles\\":{","z":{"a":1,"outputFiles":{}}}'
    files = {"a.bin": base64.b64encode(content).decode(), ',"outputFiles":{': ""}
    answer = head + b',"outputFiles":' + json.dumps(files).encode() + b"}"
    outcome = answered(0, answer)
    assert outcome.result == head + b',"outputFiles":{}}'
    assert outcome.files == {"a.bin": content, ',"outputFiles":{': b""}


def test_members_may_stand_in_another_order() -> None:
    answer = b'{"outputFiles":{"a":"YQ=="},"success":true,"outputParameters":{"y":1}}'
    outcome = answered(0, answer)
    assert json.loads(outcome.result) == {
        "outputFiles": {},
        "success": True,
        "outputParameters": {"y": 1},
    }
    assert outcome.files == {"a": b"a"}


def test_files_come_in_pieces() -> None:
    outcome = Outcome(0, b"", {"empty": b"", "large": b"x" * (PIECE_BYTES + 1)})
    assert [(name, number, len(data)) for name, number, data in outcome.pieces()] == [
        ("empty", 0, 0),
        ("large", 0, PIECE_BYTES),
        ("large", 1, 1),
    ]


def test_an_item_without_an_answer_has_a_result_object_as_well() -> None:
    assert json.loads(failed(0, 'no "luck"').result) == {
        "success": False,
        "errorMessage": 'no "luck"',
        "consoleOutput": "",
        "changedFiles": [],
        "outputParameters": {},
        "outputFiles": {},
    }
