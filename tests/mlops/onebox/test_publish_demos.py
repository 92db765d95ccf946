"""`manage.py publish_demos` where something is missing; the e2e tests see it succeed."""

from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from pytest_django import Settings

from mlops.accounts.models import TokenFamily, User
from mlops.onebox import demos
from mlops.onebox.demos import Demo
from mlops.onebox.management.commands import publish_demos
from services.models import Version

UNTRAINABLE = Demo(name="iris", version="1.0.0", training=("sh", "-c", "echo no data; exit 1"))


@pytest.fixture(autouse=True)
def data_dir(settings: Settings, tmp_path: Path) -> Path:
    settings.DATA_DIR = tmp_path
    return tmp_path


@pytest.mark.django_db
def test_without_an_administrator_it_says_so() -> None:
    with pytest.raises(CommandError, match="no active administrator"):
        call_command("publish_demos")


@pytest.mark.usefixtures("admin")
def test_a_training_that_fails_is_reported_and_tried_again_next_time(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(demos, "DEMOS", (UNTRAINABLE,))
    with pytest.raises(CommandError, match="next start"):
        call_command("publish_demos")
    assert "The demo iris/1.0.0 failed: no data" in capsys.readouterr().out
    assert not Version.objects.exists()
    assert list(demos.pending()) == [UNTRAINABLE]


@pytest.mark.usefixtures("admin")
def test_without_a_compute_node_nothing_is_published(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(demos, "DEMOS", demos.DEMOS[:1])
    monkeypatch.setattr(publish_demos, "PATIENCE_SECONDS", 0)
    with pytest.raises(CommandError, match="next start"):
        call_command("publish_demos")
    assert "The demo iris/1.0.0 failed:" in capsys.readouterr().out
    assert not Version.objects.exists()


def test_a_demo_that_was_published_once_is_left_alone(
    admin: User, capsys: pytest.CaptureFixture[str]
) -> None:
    for demo in demos.DEMOS:
        demo.mark_done()
    call_command("publish_demos")
    assert capsys.readouterr().out == ""
    assert not Version.objects.exists()


@pytest.mark.usefixtures("admin")
def test_its_tokens_are_dead_afterwards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demos, "DEMOS", (UNTRAINABLE,))
    with pytest.raises(CommandError):
        call_command("publish_demos")
    assert not TokenFamily.objects.filter(revoked_at=None).exists()


def test_what_a_demo_needs_is_looked_for() -> None:
    assert not Demo(name="iris", version="1", training=("/nonexistent",)).can_be_trained()
    assert UNTRAINABLE.can_be_trained()
