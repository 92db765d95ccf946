"""`manage.py services`: what is published."""

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from mlops.accounts.roles import Role
from mlops.accounts.token_cache import Caller
from services.api.representation import WebService
from services.models import Version

_COLUMNS = ("name", "version", "runtimeType", "versionPublishedBy", "creationTime")
_HEADINGS = ("NAME", "VERSION", "RUNTIME", "PUBLISHED BY", "CREATED (UTC)")


class Command(BaseCommand):
    """Lists all versions of all services, oldest first."""

    help = "List the published versions, oldest first. Exit codes: 0 listed; 2 wrong usage."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """How to print them."""
        parser.add_argument(
            "--json", action="store_true", help="print what GET /services answers to an Owner"
        )

    def handle(self, **options: Any) -> None:
        """Print the list."""
        versions: Any = Version.objects.select_related("service")  # many=True takes several
        context = {"caller": Caller(0, "", Role.OWNER)}
        services = WebService(versions, many=True, context=context).data
        if options["json"]:
            self.stdout.write(json.dumps(services, ensure_ascii=False, indent=2))
            return
        rows = [_HEADINGS, *(tuple(str(each[key]) for key in _COLUMNS) for each in services)]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        for row in rows:
            cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
            self.stdout.write("  ".join(cells).rstrip())
