"""`pytest --database=postgresql`: the tests that use a database, on a real PostgreSQL.

A plugin named in pyproject.toml, because Django's settings are read before any conftest.py.
Without the option everything runs on SQLite, but for what is marked `postgresql`.
"""

import os
from collections.abc import Iterator

import pytest

from tests.postgresql import Cluster

URL = "MLOPS_DATABASE_URL"
# Fixtures and names that stand for a database, besides pytest-django's.
_FIXTURES = {"db", "transactional_db", "web_node", "one_box", "new_box"}
_PROCESSES = {"WebNode", "start_web_node", "OneBox"}

_cluster: Cluster | None = None


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--database", choices=["sqlite", "postgresql"], default="sqlite")


@pytest.hookimpl(wrapper=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> Iterator[None]:
    global _cluster
    os.environ.pop(URL, None)
    if early_config.known_args_namespace.database == "postgresql":
        _cluster = Cluster().start()
        os.environ[URL] = _cluster.create_database()
    yield
    # Django has read it. What tests start has a database of its own, see `own_database`.
    os.environ.pop(URL, None)


def pytest_unconfigure() -> None:
    if _cluster is not None:
        _cluster.remove()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    is_chosen = _uses_database if _cluster else _runs_on_sqlite
    left_out = [item for item in items if not is_chosen(item)]
    items[:] = [item for item in items if is_chosen(item)]
    config.hook.pytest_deselected(items=left_out)


def _runs_on_sqlite(item: pytest.Item) -> bool:
    return item.get_closest_marker("postgresql") is None


def _uses_database(item: pytest.Item) -> bool:
    if any(item.get_closest_marker(name) for name in ("django_db", "postgresql")):
        return True
    return bool(
        _FIXTURES.intersection(getattr(item, "fixturenames", ()))
        or _PROCESSES.intersection(vars(getattr(item, "module", None) or object))
    )


def own_database() -> dict[str, str]:
    """The environment of processes that get a database of their own, new and empty."""
    return {URL: _cluster.create_database()} if _cluster else {}


def shared_database() -> dict[str, str]:
    """The environment of a process that uses PostgreSQL, as the test that starts it."""
    return {URL: _cluster.url("postgres")} if _cluster else {}


@pytest.fixture(scope="session")
def postgresql() -> Cluster:
    """The server of this test run; for tests marked `postgresql`."""
    assert _cluster
    return _cluster
