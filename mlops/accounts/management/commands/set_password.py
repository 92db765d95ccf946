"""`manage.py set_password`: set the password of a local account."""

import getpass
import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from mlops.accounts.actions import LOCAL_ADMINISTRATOR, set_password
from mlops.errors import MlopsError


class Command(BaseCommand):
    """Sets a password, typed twice or read from standard input; never given as an argument."""

    help = (
        "Set the password of a local account and end all its sign-ins. The account admin is "
        "created when absent. Exit codes: 0 the password is set; 1 nothing changed (the password "
        "breaks the rule, the two entries differ, no such user); 2 wrong usage."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """The account, and where its password comes from."""
        parser.add_argument(
            "username",
            nargs="?",
            default=LOCAL_ADMINISTRATOR,
            help="the account; admin when left out",
        )
        parser.add_argument(
            "--stdin",
            action="store_true",
            help="read the password from the first line of standard input, for scripts",
        )

    def handle(self, *, username: str, stdin: bool, **options: Any) -> None:  # noqa: ARG002
        """Set it; CommandError says why not."""
        password = sys.stdin.readline().rstrip("\r\n") if stdin else self._ask_twice()
        try:
            set_password(username=username, password=password)
        except MlopsError as error:
            raise CommandError(error.message) from None
        self.stdout.write(f"The password of {username} is set. Tokens issued before are dead.")

    def _ask_twice(self) -> str:
        """The password as typed at the terminal, unseen."""
        try:
            password = getpass.getpass("New password: ")
            again = getpass.getpass("New password again: ")
        except (EOFError, KeyboardInterrupt):
            raise CommandError("Nothing was entered; give it with --stdin in scripts.") from None
        if password != again:
            raise CommandError("The two entries differ; nothing was changed.")
        return password
