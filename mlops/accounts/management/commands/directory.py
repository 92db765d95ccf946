"""`manage.py directory`: is it set up well, and whose are its accounts?"""

from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from mlops.accounts.sign_in.directory import release
from mlops.errors import NotFound


class Command(BaseCommand):
    """The word `check`, which exits with 1 when something is not well, or `release`."""

    help = "Check the settings of sign-in with LDAP, or give an account to the next of its name."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """The word, and whom to look up."""
        words = parser.add_subparsers(dest="word", required=True)
        checking = words.add_parser("check", help="servers, query user and declared groups")
        checking.add_argument(
            "--user", default="", help="also what somebody who types this name would get"
        )

        releasing = words.add_parser(
            "release", help="whoever signs in next by this name has its account, and what it owns"
        )
        releasing.add_argument("name")

    def handle(self, *, word: str, **options: Any) -> None:
        """Do it."""
        if word == "check":
            self._check(options["user"])
            return
        try:
            user = release(options["name"])
        except NotFound as error:
            raise CommandError(error.message) from None
        self.stdout.write(f"Whoever signs in next as {user.username} has the account.")

    def _check(self, user: str) -> None:
        """Show what is found."""
        if settings.LDAP is None:
            raise CommandError("MLOPS_LDAP_ENABLED is not set: there is no directory to check.")
        # The package that it needs is installed only where LDAP is enabled.
        from mlops.accounts.sign_in.ldap_report import report

        n_bad = 0
        for finding in report(settings.LDAP, user):
            mark = "ok  " if finding.is_good else "FAIL"
            self.stdout.write(f"{mark}  {finding.text}")
            n_bad += not finding.is_good
        if n_bad:
            raise CommandError(f"{n_bad} of these are not well.")
