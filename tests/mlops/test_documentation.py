"""The documentation keeps up with the code."""

import re
from pathlib import Path

from django.conf import settings

ROOT = Path(settings.BASE_DIR)
READ_BY_HAND = {"MLOPS_ADMIN_PASSWORD"}  # not through an env_* reader, to keep its blanks


def test_every_variable_is_in_the_administrators_table_and_no_other() -> None:
    readers = re.compile(r'env_\w+\(\s*"(MLOPS_\w+)"')
    sources = [
        path for app in ("mlops", "nodes", "services") for path in (ROOT / app).rglob("*.py")
    ]
    read = {name for path in sources for name in readers.findall(path.read_text())}
    table = re.findall(r"^\| `(MLOPS_\w+)` \|", (ROOT / "docs/administrator.md").read_text(), re.M)
    assert sorted(table) == sorted(read | READ_BY_HAND)


def test_links_between_documents_lead_somewhere() -> None:
    for document in [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")]:
        for target, anchor in re.findall(r"\]\(([^)#:]*)#?([^):]*)\)", document.read_text()):
            there = (document.parent / target) if target else document
            assert there.exists(), f"{document.name} links to {target}"
            if anchor:
                assert anchor in headings(there), f"{document.name} links to {target}#{anchor}"


def headings(document: Path) -> set[str]:
    """The anchors of a page."""
    titles = re.findall(r"^#+ (.*)$", document.read_text(), re.M)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}
