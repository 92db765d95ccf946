"""`manage.py directory`: is the LDAP directory set up well?"""

from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError


class Command(BaseCommand):
    """The word `check`. Exits with 1 when something is found that is not well."""

    help = "Check the settings of sign-in with LDAP against the directory."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """The word, and whom to look up."""
        words = parser.add_subparsers(dest="word", required=True)
        checking = words.add_parser("check", help="servers, query user and declared groups")
        checking.add_argument(
            "--user", default="", help="also what somebody who types this name would get"
        )

    def handle(self, *, user: str, **options: Any) -> None:  # noqa: ARG002
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
