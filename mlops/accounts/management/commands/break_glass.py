"""`manage.py break_glass`: let the local administrator in while people come from a directory."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from mlops.accounts.break_glass import (
    DEFAULT_MINUTES,
    MAX_MINUTES,
    break_glass,
    broken_now,
    mend_glass,
)
from mlops.accounts.models import BrokenGlass, User
from mlops.accounts.sign_in.methods import LOCAL_ADMINISTRATOR
from mlops.errors import MlopsError


class Command(BaseCommand):
    """Breaks the glass, mends it, or says whether it is broken."""

    help = (
        "Let the local account admin sign in for a time although a directory is on; for "
        "emergencies. Exit codes: 0 done; 1 nothing changed (the message says why); "
        "2 wrong usage."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """For how long, or what else."""
        words = parser.add_mutually_exclusive_group()
        words.add_argument(
            "--minutes",
            type=int,
            default=DEFAULT_MINUTES,
            help=f"for how long, up to {MAX_MINUTES}; %(default)s when left out",
        )
        words.add_argument("--end", action="store_true", help="shut admin out again, at once")
        words.add_argument("--status", action="store_true", help="only say whether it is broken")

    def handle(self, *, minutes: int, end: bool, status: bool, **options: Any) -> None:  # noqa: ARG002
        """Do it; CommandError says why not."""
        if status:
            self._say(broken_now())
        elif end:
            was_broken = mend_glass()
            self.stdout.write("The glass is mended." if was_broken else "The glass was not broken.")
        else:
            try:
                self._say(break_glass(minutes=minutes))
            except MlopsError as error:
                raise CommandError(error.message) from None
            admin = User.objects.filter(username=LOCAL_ADMINISTRATOR).first()
            if admin is None or not admin.has_usable_password():
                self.stdout.write("It has no password yet: manage.py set_password")

    def _say(self, broken: BrokenGlass | None) -> None:
        if broken is None:
            self.stdout.write("The glass is not broken.")
        else:
            until = f"{broken.closes_at:%Y-%m-%d %H:%M} UTC"
            self.stdout.write(
                f"The glass is broken: the local account {LOCAL_ADMINISTRATOR} may sign in until "
                f"{until}."
            )
