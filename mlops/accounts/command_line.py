"""On whose behalf a command works."""

from argparse import ArgumentParser

from django.core.management.base import CommandError

from mlops.accounts.actions import LOCAL_ADMINISTRATOR
from mlops.accounts.models import User


def add_user_argument(parser: ArgumentParser, what: str) -> None:
    """The option `--user`; `what` says what that user does."""
    parser.add_argument(
        "--user", default=LOCAL_ADMINISTRATOR, help=f"{what}; %(default)s when left out"
    )


def user_named(username: str) -> User:
    """The user; CommandError when there is none of this name."""
    try:
        return User.objects.get(username=username)
    except User.DoesNotExist:
        raise CommandError(f"There is no user {username}; name one with --user.") from None
