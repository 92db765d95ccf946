"""`pytest --database=postgresql`: the tests that use a database, on a real PostgreSQL.

Those marked `any_database` use one too, but are about something else.

A plugin named in pyproject.toml, because Django's settings are read before any conftest.py.
Without the option everything runs on SQLite, but for what is marked `postgresql`.
"""

import os
from collections.abc import Iterator

import pytest

from tests.postgresql import Cluster, Server

URL = "MLOPS_DATABASE_URL"
# The port of the server that a test run has started; its worker processes inherit it.
PORT = "MLOPS_TESTS_POSTGRESQL_PORT"
# Fixtures and names that stand for a database, besides pytest-django's.
_FIXTURES = {"db", "transactional_db", "web_node", "one_box", "open_box", "new_box"}
_PROCESSES = {"WebNode", "start_web_node", "OneBox"}


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--database", choices=["sqlite", "postgresql"], default="sqlite")


@pytest.hookimpl(wrapper=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> Iterator[None]:
    """Start the server before Django's settings are read; not called in worker processes."""
    os.environ.pop(PORT, None)
    if early_config.known_args_namespace.database == "postgresql":
        cluster = Cluster().start()
        early_config.add_cleanup(cluster.remove)
        os.environ[PORT] = str(cluster.port)
    yield


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    is_chosen = _uses_database if PORT in os.environ else _runs_on_sqlite
    left_out = [item for item in items if not is_chosen(item)]
    items[:] = [item for item in items if is_chosen(item)]
    config.hook.pytest_deselected(items=left_out)


def _runs_on_sqlite(item: pytest.Item) -> bool:
    return item.get_closest_marker("postgresql") is None


def _uses_database(item: pytest.Item) -> bool:
    if item.get_closest_marker("any_database"):
        return False
    if any(item.get_closest_marker(name) for name in ("django_db", "postgresql")):
        return True
    return bool(
        _FIXTURES.intersection(getattr(item, "fixturenames", ()))
        or _PROCESSES.intersection(vars(getattr(item, "module", None) or object))
    )


def own_database() -> dict[str, str]:
    """The environment of processes that get a database of their own, new and empty."""
    return {URL: _server().create_database()} if PORT in os.environ else {}


def shared_database() -> dict[str, str]:
    """The environment of a process that uses PostgreSQL, as the test that starts it."""
    return {URL: _server().url("postgres")} if PORT in os.environ else {}


def _server() -> Server:
    return Server(int(os.environ[PORT]))
