"""Batches on the console of a real box, in a real browser."""

import csv
import io
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Page, expect

from tests.e2e.one_box import OneBox

pytestmark = pytest.mark.any_database

WHOLE = 60_000  # ms, in which a batch is done
# Every fourth item fails; the last one waits until the test lets it go.
CODE = """
import os, time
while x == {last} and not os.path.exists({gate!r}):
    time.sleep(0.02)
if x % 4 == 1:
    raise ValueError("x is odd")
y = -x / 2
open("note.txt", "w").write(f"item {{x}}")
"""
N_ITEMS = 12


@pytest.fixture
def gate(tmp_path: Path) -> Path:
    """The file that lets the last item go on."""
    tmp_path.chmod(0o777)
    return tmp_path / "go"


@pytest.fixture
def client(open_box: OneBox, gate: Path) -> Iterator[httpx.Client]:
    """A client; the version `halves/1` is published."""
    definition = {
        "code": CODE.format(last=N_ITEMS - 1, gate=str(gate)),
        "runtimeType": "Python",
        "inputParameterDefinitions": [{"name": "x", "type": "integer"}],
        "outputParameterDefinitions": [{"name": "y", "type": "numeric"}],
        "outputFileNames": ["note.txt"],
    }
    with open_box.client() as client:
        client.delete("/services/halves/1")
        client.post("/services/halves/1", json=definition).raise_for_status()
        yield client


def start(page: Page, box: OneBox) -> None:
    """Start a batch on the console, from a pasted table."""
    page.goto(f"{box.url}/console/services/batch/")
    page.get_by_role("link", name="Start a batch").click()
    page.get_by_label("Version").fill("halves/1")
    page.get_by_label("Rows").fill("x\n" + "\n".join(map(str, range(N_ITEMS))))
    expect(page.locator("#preview").get_by_text(f"{N_ITEMS} items")).to_be_visible()
    page.get_by_role("button", name="Start the batch").click()
    expect(page.get_by_text("About this batch")).to_be_visible()


def batch_id(page: Page) -> str:
    found = re.search(r"/console/batch/([0-9a-f-]{36})/", page.url)
    assert found
    return found[1]


def downloaded(page: Page, name: str) -> bytes:
    with page.expect_download() as download:
        page.get_by_role("link", name=name).first.click()
    return download.value.path().read_bytes()


def test_a_batch_is_followed_to_its_end_taken_away_and_its_failures_run_again(
    open_box: OneBox, page: Page, client: httpx.Client, gate: Path
) -> None:
    start(page, open_box)
    first = batch_id(page)
    expect(page.get_by_text(f"{N_ITEMS - 1} of {N_ITEMS} items done")).to_be_visible(timeout=WHOLE)
    expect(page.get_by_role("link", name="Retry failed only")).to_have_count(0)
    gate.touch()
    expect(page.get_by_role("link", name="Retry failed only")).to_be_visible(timeout=WHOLE)
    expect(page.get_by_text("3 items failed")).to_be_visible()
    expect(page.get_by_text("ValueError: x is odd").first).to_be_visible()
    answer: dict[str, Any] = client.get(f"/api/halves/1/batch/{first}").json()
    assert json.loads(downloaded(page, "Download JSON")) == answer
    rows = list(csv.DictReader(io.StringIO(downloaded(page, "Download CSV").decode())))
    for row, result in zip(rows, answer["batchExecutionResults"], strict=True):
        assert row["success"] == json.dumps(result["success"])
        if result["success"]:
            assert float(row["y"]) == result["outputParameters"]["y"]
            assert row["files"] == "note.txt"
    assert downloaded(page, "note.txt") == b"item 0"
    page.get_by_role("link", name="Retry failed only").click()
    page.get_by_role("button", name="Run them again").click()
    expect(page.get_by_text("3 of 3 items done")).to_be_visible(timeout=WHOLE)
    again = client.get(f"/api/halves/1/batch/{batch_id(page)}").json()
    assert batch_id(page) != first
    assert [each["success"] for each in again["batchExecutionResults"]] == [False] * 3


def test_a_running_batch_is_cancelled(open_box: OneBox, page: Page, client: httpx.Client) -> None:
    start(page, open_box)
    cancelled = batch_id(page)
    page.get_by_role("link", name="Cancel").click()
    page.get_by_role("button", name="Cancel the batch").click()
    expect(page.get_by_text("The batch is cancelled.")).to_be_visible()
    assert client.get(f"/api/halves/1/batch/{cancelled}").status_code == 404
