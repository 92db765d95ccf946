"""Tables are made of results alone: no server is started."""

from tests.benchmarks import goals, report
from tests.benchmarks.__main__ import END, LONG_RUN, MEASURED, PROVIDERS, inserted
from tests.benchmarks.goals import Run
from tests.benchmarks.rounds import Figures, Role, Size
from tests.benchmarks.target import Target

TARGETS = [target for provider in PROVIDERS for target in provider.targets]
MANY = Size(1, 32)


def named(name: str) -> Target:
    return next(target for target in TARGETS if target.name == name)


def figures(rate: float, *, errors: int = 0) -> Figures:
    roles = (Role("web node", 1, 0.5, 100 * report.MIB), Role("shell", 2, 1.0, 50 * report.MIB))
    return Figures(rate=rate, p50=1.0, p95=2.0, p99=3.0, errors=errors, roles=roles)


RESULTS = {
    ("two-hop-echo", MANY): figures(20_000),
    ("realtime-linear", MANY): figures(13_000, errors=7),
    ("python-forest", MANY): figures(400),
    ("mlserver-linear", MANY): figures(2_000),
    ("fastapi-linear", MANY): figures(1_300),
    ("fastapi-forest", MANY): figures(500),
    ("plumber", MANY): figures(9_000),
}
SHOWN = [named(name) for name, _ in RESULTS]


def row(table: str, beginning: str) -> list[str]:
    line = next(line for line in table.splitlines() if line.startswith(f"| {beginning}"))
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_a_target_is_compared_with_the_limit_and_with_the_best_peer_of_its_model() -> None:
    table = report.tables(SHOWN, RESULTS)
    assert row(table, "**realtime-linear**")[1:5] == ["32", "13,000", "65%", "6.5"]
    assert row(table, "**python-forest**")[1:5] == ["32", "400", "2%", "0.8"]
    assert row(table, "fastapi-linear")[1:5] == ["32", "1,300", "6%", ""]


def test_errors_and_what_all_processes_used_are_in_the_table() -> None:
    table = report.tables(SHOWN, RESULTS)
    assert row(table, "**realtime-linear**")[-4:] == ["7", "1.50", "0.12", "150"]
    assert row(table, "realtime-linear: shell")[1:] == ["2", "1.00", "0.077", "50"]


def test_figures_of_a_busy_machine_are_called_unreliable() -> None:
    assert "too much to rely on" in report.disturbance(1.38)
    assert report.disturbance(0.02).endswith("used 0.02 cores meanwhile.")


def test_goals_are_judged_and_those_not_measured_left_out() -> None:
    table = goals.table(Run(SHOWN, RESULTS))
    lines = [line for line in table.splitlines() if "clients" in line]
    assert [line.rpartition("| ")[2] for line in lines] == ["yes |", "yes |", "**no** |"]
    assert "6.5 times" in lines[1]
    assert "r-linear" not in table


def test_a_run_replaces_the_figures_of_the_last_one_and_nothing_else() -> None:
    page = f"before\n{MEASURED}\n\nold\n\n{END}\nbetween\n{LONG_RUN}\n\nold\n\n{END}\nafter\n"
    once = inserted(page, "new", MEASURED)
    assert once == page.replace("old", "new", 1)
    assert inserted(once, "new", MEASURED) == once
    assert inserted(once, "new", LONG_RUN) == page.replace("old", "new")


def test_every_target_has_a_name_of_its_own_and_a_server_that_is_started() -> None:
    assert len({target.name for target in TARGETS}) == len(TARGETS)
    for provider in PROVIDERS:
        assert {target.server for target in provider.targets} == {provider.name}
