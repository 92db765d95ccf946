"""Every page of the console on a small installation of the kind that is measured."""

import pytest

from tests.benchmarks.console import measuring, seeding, usage_rows

# It commits, as the benchmark does; the database makes no difference to what is found here.
pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.any_database]

_MOST_QUERIES = 40


def test_every_page_answers_with_few_queries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measuring, "TIMES", 1)
    monkeypatch.setattr(usage_rows, "MINUTE_DAYS", 0)
    seeding.seeded(0.003)
    pages = measuring.measured()
    assert len(pages) > 50
    assert [page.address for page in pages if page.status >= 500] == []
    assert [page.address for page in pages if page.n_queries > _MOST_QUERIES] == []
