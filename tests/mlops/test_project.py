"""Guard rails for the whole project: checks, migrations, tested commands."""

from pathlib import Path

import pytest
from django.apps import apps
from django.conf import settings
from django.core import checks
from django.core.management import call_command, find_commands

OWN_PACKAGES = {"mlops", "nodes", "services"}
OWN_APPS = [app for app in apps.get_app_configs() if app.name.split(".")[0] in OWN_PACKAGES]
COMMANDS = sorted(
    command for app in OWN_APPS for command in find_commands(str(Path(app.path) / "management"))
)
# Peers that were measured here have their packages below tests/benchmarks.
TESTS = [
    path
    for path in (settings.BASE_DIR / "tests").rglob("*.py")
    if "site-packages" not in path.parts
]


def test_the_system_checks_find_nothing() -> None:
    assert checks.run_checks() == []


def test_no_migration_is_missing(db: None) -> None:
    call_command("makemigrations", check=True, dry_run=True, verbosity=0)


def test_the_commands_of_the_project_are_found() -> None:
    assert "set_password" in COMMANDS


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_a_test_that_names_it(command: str) -> None:
    naming = [path for path in TESTS if f'"{command}"' in path.read_text()]
    assert naming, f"write a test that runs the command {command}"
