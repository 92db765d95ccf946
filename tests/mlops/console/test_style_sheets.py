"""The console's own style sheets."""

from pathlib import Path

import pytest

from tests.nodes.runtime.running import ROOT

pytestmark = pytest.mark.any_database

SHEETS = sorted(
    path for app in ("mlops", "nodes", "services") for path in (ROOT / app).rglob("static/**/*.css")
)


@pytest.mark.parametrize("sheet", SHEETS, ids=lambda path: path.name)
def test_every_block_of_a_style_sheet_is_closed(sheet: Path) -> None:
    """Browsers leave out what follows one that is not, and say nothing."""
    depth = 0
    for character in sheet.read_text():
        depth += {"{": 1, "}": -1}.get(character, 0)
        assert 0 <= depth <= 2  # rules within @media at most
    assert depth == 0
