"""`manage.py set_password`: set the password of a local account."""

import getpass
import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from mlops.accounts.actions import LOCAL_ADMINISTRATOR, set_password
from mlops.accounts.models import User
from mlops.errors import MlopsError


class Command(BaseCommand):
    """Sets a password, typed twice or read from standard input; never given as an argument."""

    help = (
        "Set the password of a local account and end all its sign-ins. The account admin is "
        "created when absent. At a terminal the old password is asked first, if there is one. "
        "Exit codes: 0 the password is set; 1 nothing changed (the message says why: the password "
        "breaks the rule, the two entries differ, the old one is wrong, no such user, a directory "
        "is on); 2 wrong usage."
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
            help="read the password from the first line of standard input, for scripts and for who "
            "forgot the old one",
        )

    def handle(self, *, username: str, stdin: bool, **options: Any) -> None:  # noqa: ARG002
        """Set it; CommandError says why not."""
        password = sys.stdin.readline().rstrip("\r\n") if stdin else self._ask(username)
        try:
            set_password(username=username, password=password)
        except MlopsError as error:
            raise CommandError(error.message) from None
        self.stdout.write(f"The password of {username} is set. Tokens issued before are dead.")

    def _ask(self, username: str) -> str:
        """The password as typed at the terminal, unseen, by somebody who knows the old one."""
        user = User.objects.filter(username=username).first()
        try:
            if user and user.has_usable_password():
                self._ask_old(user)
            password = getpass.getpass("New password: ")
            again = getpass.getpass("New password again: ")
        except (EOFError, KeyboardInterrupt):
            raise CommandError("Nothing was entered; give it with --stdin in scripts.") from None
        if password != again:
            raise CommandError("The two entries differ; nothing was changed.")
        return password

    def _ask_old(self, user: User) -> None:
        if not user.check_password(getpass.getpass("Old password: ")):
            raise CommandError("The old password is wrong; nothing was changed.")
