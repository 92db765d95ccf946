"""`manage.py trace`: one run of code, or one call of a service, step by step."""

import json
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from mlops.accounts.command_line import add_user_argument, user_named
from mlops.errors import MlopsError
from nodes.diagnostics.steps import Step, waterfall
from nodes.diagnostics.trace_code import trace_code
from nodes.models import Runtime
from services.command_line import add_endpoint_arguments, split_service, token_given
from services.diagnostics.trace_service import trace_service

FAILED = 3


class Command(BaseCommand):
    """One of the words `code` and `service`; see `--help` of each."""

    help = (
        "Show each step of a run of code, or of a call of a service, with its time and with the "
        "ids under which the logs of web nodes and compute nodes have it. Exit codes: 0 it ran; "
        "1 it could not be run (the message says why); 2 wrong usage; 3 the code itself failed."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """The word, and what it takes."""
        words = parser.add_subparsers(dest="word", required=True)
        code = words.add_parser("code", help="run a piece of code in a session of its own")
        code.add_argument("--runtime", choices=Runtime.values, default=str(Runtime.PYTHON))
        source = code.add_mutually_exclusive_group(required=True)
        source.add_argument("--code", help="the code")
        source.add_argument("--file", type=Path, help="a file with the code")
        service = words.add_parser("service", help="call a version of a service")
        service.add_argument("service", metavar="NAME/VERSION", help="which one")
        service.add_argument("--inputs", default="{}", help="its inputs as a JSON object")
        add_endpoint_arguments(service)
        for some in (code, service):
            add_user_argument(some, "the Owner who traces")
            some.add_argument("--json", action="store_true", help="print one JSON document")

    def handle(self, *, word: str, user: str, **options: Any) -> None:
        """Trace it; CommandError says why not, or that it failed."""
        try:
            if word == "code":
                report = trace_code(
                    user=user_named(user), runtime=options["runtime"], code=_code(options)
                )
            else:
                name, version = split_service(options["service"])
                report = trace_service(
                    user=user_named(user),
                    name=name,
                    version=version,
                    inputs=options["inputs"],
                    endpoint=options["endpoint"],
                    token=token_given(options),
                )
        except MlopsError as error:
            raise CommandError(error.message) from None
        if options["json"]:
            self.stdout.write(json.dumps(report, indent=2))
        else:
            self._show(report)
        if not report["success"]:
            message = report["errorMessage"] or "It failed."
            raise CommandError(message, returncode=FAILED if "outputParameters" in report else 1)

    def _show(self, report: dict[str, Any]) -> None:
        for line in waterfall([Step(**step) for step in report["steps"]]):
            self.stdout.write(line)
        if console := report.get("consoleOutput"):
            self.stdout.write(f"console output:\n{console.rstrip()}")
        if "outputParameters" in report:
            self.stdout.write(f"result: {json.dumps(report['outputParameters'])}")


def _code(options: dict[str, Any]) -> str:
    if options["file"] is None:
        return str(options["code"])
    try:
        return str(options["file"].read_text())
    except (OSError, UnicodeDecodeError) as error:
        raise CommandError(f"{options['file']} cannot be read: {error}.") from None
