"""`manage.py score`: call a published version once."""

import json
import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from mlops.correlation import new_id
from mlops.errors import MlopsError
from nodes.compute_node import run_sync
from services.catalogue import latest_version, published_version
from services.scoring import score

SERVICE_FAILED = 3


class Command(BaseCommand):
    """Scores inputs and prints the result object as the compute node wrote it."""

    help = (
        "Call a version of a service and print the result as JSON. Exit codes: 0 it succeeded; "
        "1 it could not be called (the message says why); 2 wrong usage; 3 its own code failed, "
        "which the printed result describes."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """What to call, and with what."""
        parser.add_argument("name", help="the service")
        parser.add_argument("version", nargs="?", help="its version; the latest when left out")
        parser.add_argument(
            "given",
            nargs="?",
            metavar="JSON",
            help="the inputs as a JSON object, or - for standard input; none when left out",
        )
        parser.add_argument("--inputs", type=Path, help="a file with the inputs as a JSON object")

    def handle(
        self,
        *,
        name: str,
        version: str | None,
        given: str | None,
        inputs: Path | None,
        **options: Any,  # noqa: ARG002
    ) -> None:
        """Call it once; CommandError says why not."""
        if given is None and version is not None and _is_inputs(version):
            version, given = None, version
        body = _body(given, inputs)
        try:
            published = published_version(name, version) if version else latest_version(name)
            answer = run_sync(score(published, body, correlation_id=new_id()))
        except MlopsError as error:
            raise CommandError(error.message) from None
        self.stdout.write(answer.decode())
        if error_message := _failure(answer):
            raise CommandError(error_message, returncode=SERVICE_FAILED)


def _is_inputs(argument: str) -> bool:
    """Whether an argument in the version's place is meant as the inputs."""
    return argument == "-" or argument.lstrip().startswith("{")


def _body(argument: str | None, file: Path | None) -> bytes:
    if argument is not None and file is not None:
        raise CommandError("Give the inputs either as an argument or with --inputs.", returncode=2)
    if file is not None:
        try:
            return file.read_bytes()
        except OSError as error:
            raise CommandError(f"{file} cannot be read: {error.strerror}.") from None
    if argument == "-":
        return sys.stdin.buffer.read()
    return (argument or "{}").encode()


def _failure(answer: bytes) -> str:
    """The message of a result that is a failure, else empty."""
    result = json.loads(answer)
    return "" if result["success"] else f"The service failed: {result['errorMessage']}"
