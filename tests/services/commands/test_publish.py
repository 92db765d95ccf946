import io
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from mlops.accounts.models import User
from services.models import Version

# Blobs are saved outside of transactions.
pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "score.py").write_text("answer = 1")
    toml = 'name = "churn"\nversion = "v1"\nruntime = "Python"\ncode = "score.py"'
    (tmp_path / "service.toml").write_text(toml)
    return tmp_path


def publish(*arguments: object) -> str:
    """What the command prints."""
    printed = io.StringIO()
    call_command("publish", *map(str, arguments), stdout=printed)
    return printed.getvalue()


def test_it_publishes_for_the_administrator(admin: User, folder: Path) -> None:
    assert publish(folder) == "Published churn/v1: POST /api/churn/v1\n"
    assert Version.objects.get().published_by == "admin"


def test_it_publishes_for_somebody_else(alice: User, folder: Path) -> None:
    publish(folder, "--user", "alice")
    assert Version.objects.get().published_by == "alice"


def test_it_replaces(admin: User, folder: Path) -> None:
    publish(folder)
    (folder / "score.py").write_text("answer = 2")
    publish(folder, "--replace")
    assert Version.objects.get().code == "answer = 2"


def test_without_replace_a_version_that_exists_stays(admin: User, folder: Path) -> None:
    publish(folder)
    (folder / "score.py").write_text("answer = 2")
    with pytest.raises(CommandError, match="churn/v1 exists already") as caught:
        publish(folder)
    assert caught.value.returncode == 1
    assert Version.objects.get().code == "answer = 1"


def test_an_unknown_user_is_refused(folder: Path) -> None:
    with pytest.raises(CommandError, match="There is no user nobody"):
        publish(folder, "--user", "nobody")


def test_a_wrong_folder_is_refused_with_file_and_key(admin: User, folder: Path) -> None:
    (folder / "service.toml").write_text('name = "churn"')
    with pytest.raises(CommandError, match=r"service\.toml: runtime is missing"):
        publish(folder)
    assert not Version.objects.exists()
