"""`manage.py diagnose`: whether everything works that the product is made of."""

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import Error

from mlops.accounts.command_line import add_user_argument, user_named
from mlops.accounts.models import User
from mlops.database import explanation
from mlops.diagnostics.findings import FAIL, Finding, as_json, summary, worst
from mlops.errors import MlopsError
from nodes.api.status import Status
from nodes.status import report
from services.diagnostics.checks import configuration_test


class Command(BaseCommand):
    """Prints a line per component as it is looked at, and what it all comes to."""

    help = (
        "Test the configuration: settings, database, blob storage, sign-in, workers, compute "
        "nodes, real runs of code, and a service that is published, called and deleted. Exit "
        "codes: 0 nothing fails; 1 something does; 2 wrong usage."
    )
    requires_system_checks = []  # they are part of the test

    def add_arguments(self, parser: ArgumentParser) -> None:
        """How to print it, and on whose behalf."""
        add_user_argument(parser, "the Owner who tests")
        parser.add_argument("--json", action="store_true", help="print one JSON document")
        parser.add_argument("--raw", action="store_true", help="print what GET /status answers")

    def handle(self, *, user: str, **options: Any) -> None:
        """Test it; CommandError when something fails."""
        if options["raw"]:
            self._print_raw()
            return
        findings: list[Finding] = []
        try:
            for finding in configuration_test(_user(user)):
                findings.append(finding)
                if not options["json"]:
                    self.stdout.write(str(finding))
                    self.stdout.flush()
        except MlopsError as error:
            raise CommandError(error.message) from None
        if options["json"]:
            self.stdout.write(json.dumps(as_json(findings), indent=2))
        else:
            self.stdout.write(summary(findings))
        if worst(findings) == FAIL:
            raise CommandError("Something fails.")

    def _print_raw(self) -> None:
        try:
            state = report()
        except Error as error:
            raise CommandError(explanation(error)) from None
        self.stdout.write(json.dumps(Status(state).data, indent=2))


def _user(username: str) -> User | None:
    """Who tests; None while the database is away, which the test is to tell of."""
    try:
        return user_named(username)
    except Error:
        return None
