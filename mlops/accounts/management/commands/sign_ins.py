"""`manage.py sign_ins`: who is held back for failed attempts to sign in."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from mlops.accounts.command_line import add_user_argument, user_named
from mlops.accounts.sign_in import held_back


class Command(BaseCommand):
    """One of the words `blocked` and `clear`; see `--help` of each."""

    help = "Show and end the holding back of users and addresses after failed attempts to sign in."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """The word, and what it takes."""
        words = parser.add_subparsers(dest="word", required=True)
        words.add_parser("blocked", help="who has to wait, and for how long")
        clearing = words.add_parser("clear", help="let them try again at once; all, or those named")
        clearing.add_argument("--name", default="", help="only what has failed for this user name")
        clearing.add_argument("--address", default="", help="only what has failed from there")
        add_user_argument(clearing, "who clears it, for the audit trail")

    def handle(self, *, word: str, **options: Any) -> None:
        """Do it."""
        if word == "clear":
            user = user_named(options["user"])
            n_cleared = held_back.clear(
                user=user, username=options["name"], address=options["address"]
            )
            self.stdout.write(f"{n_cleared} who had to wait may try again at once.")
            return
        waiting = held_back.held_back()
        if not waiting:
            self.stdout.write("Nobody has to wait.")
        for each in waiting:
            who = f"{each.username or 'every user'} at {each.address or 'unfamiliar addresses'}"
            self.stdout.write(f"{who}: {each.wait.total_seconds():.0f} seconds more")
