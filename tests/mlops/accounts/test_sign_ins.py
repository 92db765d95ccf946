"""`manage.py sign_ins`."""

import io

import pytest
from django.core.management import CommandError, call_command

from mlops.accounts.models import AuditEntry, User
from tests.mlops.accounts.sign_in.test_throttle import HOME, N_OWN, OFFICE, fail, is_held_back


def sign_ins(*arguments: str) -> str:
    """What the command prints."""
    printed = io.StringIO()
    call_command("sign_ins", *arguments, stdout=printed)
    return printed.getvalue()


def test_nobody_is_held_back_at_first(alice: User) -> None:
    fail(1)
    assert sign_ins("blocked") == "Nobody has to wait.\n"


def test_it_names_accounts_and_addresses_but_no_unknown_names(alice: User) -> None:
    fail(N_OWN, "alice", at=HOME)
    fail(N_OWN, "nobody", at=OFFICE)
    said = sign_ins("blocked")
    assert f"alice at {HOME}: 1" in said
    assert f"unknown name at {OFFICE}: 1" in said
    assert "nobody" not in said


@pytest.mark.parametrize(
    "which", [[], ["--name", "alice"], ["--address", HOME], ["--name=alice", f"--address={HOME}"]]
)
def test_those_who_are_cleared_may_try_again(alice: User, admin: User, which: list[str]) -> None:
    fail(N_OWN)
    assert sign_ins("clear", *which) == "1 who had to wait may try again at once.\n"
    assert not is_held_back()
    assert AuditEntry.objects.get(action="clear failed sign-ins").username == "admin"


@pytest.mark.parametrize("which", [["--name", "bob"], ["--address", OFFICE]])
def test_others_stay_held_back(alice: User, admin: User, which: list[str]) -> None:
    fail(N_OWN)
    assert sign_ins("clear", *which).startswith("0 ")
    assert is_held_back()


def test_it_needs_somebody_who_clears(alice: User) -> None:
    fail(N_OWN)
    with pytest.raises(CommandError, match="There is no user admin"):
        sign_ins("clear")
    assert is_held_back()
