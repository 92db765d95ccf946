"""The report of a capacity evaluation in a browser without a network."""

from pathlib import Path
from typing import Any

import pytest

from nodes.stopwatch import STAGES
from services.capacity import report
from services.capacity.options import Options
from services.capacity.samples import Samples
from tests.e2e.browsing import chromium

pytestmark = pytest.mark.any_database


def measured() -> dict[str, Any]:
    steps = []
    for threads in (25, 50):
        samples = Samples()
        for index in range(200):
            samples.add(index * 5.0, 10 + index % 7, dict.fromkeys(STAGES, 2.0))
        steps.append(samples.report(threads, 1, 0.5))
    return {
        "service": "churn/v1",
        "endpoint": "http://web",
        "startedAt": "2026-11-22T09:30:00+00:00",
        "options": Options("thread").as_json(),
        "overhead": 0.5,
        "steps": steps,
        "stopped": "Enough.",
    }


def test_it_opens_without_a_network_and_tells_the_values_of_a_call(tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    path.write_text(report.html(measured()))
    with chromium() as browser:
        page = browser.new_context(offline=True).new_page()
        errors: list[str] = []
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("requestfailed", lambda request: errors.append(request.url))
        page.goto(path.as_uri())
        headings = page.locator(".capacity h2").all_inner_texts()
        assert headings == ["25 threads", "50 threads"]
        section = page.locator(".capacity").first
        legend = section.locator(".legend button")
        assert legend.all_inner_texts() == ["Total", *STAGES.values()]
        legend.first.click()
        assert legend.first.get_attribute("aria-pressed") == "false"
        section.locator(".drawing").focus()
        page.keyboard.press("ArrowRight")
        readout = section.locator(".readout").inner_text()
        assert readout.startswith("After 0 ms: Total 10 ms")
        section.locator(".drawing").hover()
        assert section.locator(".readout").inner_text() != readout
        drawn = section.locator(".drawing").evaluate(
            "c => c.getContext('2d').getImageData(0, 0, c.width, c.height).data.some(Boolean)"
        )
        assert drawn
        assert errors == []
