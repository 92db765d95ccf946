"""`manage.py capacity`: how many callers a service bears."""

import json
import signal
import tempfile
import threading
from argparse import ArgumentParser
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from mlops.accounts.command_line import add_user_argument, user_named
from mlops.errors import InvalidRequest, MlopsError
from services.capacity import report
from services.capacity.evaluation import conclusion, evaluate
from services.capacity.options import STRATEGIES, Options
from services.command_line import add_endpoint_arguments, split_service, token_given

_BY_DEFAULT = Options("")


class Command(BaseCommand):
    """Calls a service with ever more threads, and writes a report."""

    help = (
        "Have a service called by ever more threads, until the average latency exceeds a limit or "
        "so many threads are reached. The latency is that of whole calls less the network's. "
        "Exit codes: 0 measured; 1 it could not be (the message says why); 2 wrong usage."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """What is called, with how many threads, and until when."""
        default = _BY_DEFAULT
        parser.add_argument("--strategy", choices=STRATEGIES, required=True, help="what ends it")
        for option, value, meaning in (
            ("--latency", default.latency, "milliseconds; ends the strategy latency"),
            ("--max-thread", default.max_threads, "threads; ends the strategy thread"),
            ("--min-thread", default.min_threads, "threads of the first step"),
            ("--increment", default.increment, "threads by which a step has more"),
            ("--seconds", default.seconds, "length of each step"),
        ):
            said = f"{meaning}; %(default)s when left out"
            parser.add_argument(option, type=type(value), default=value, help=said)
        parser.add_argument(
            "--service", metavar="NAME/VERSION", help="else one is made, and deleted afterwards"
        )
        parser.add_argument(
            "--args",
            dest="inputs",
            metavar="JSON",
            default="{}",
            help="the inputs as a JSON object; a data.frame by its columns",
        )
        parser.add_argument("--json", action="store_true", help="print the whole report as JSON")
        parser.add_argument(
            "--report", type=Path, help="where the HTML report goes; a temporary file otherwise"
        )
        add_endpoint_arguments(parser)
        add_user_argument(parser, "the Owner who measures")

    def handle(self, *, user: str, **options: Any) -> None:
        """Measure; CommandError says why not."""
        told = _Told(self, is_silent=options["json"])
        try:
            with _interrupted() as interrupt:
                measured = evaluate(
                    user=user_named(user),
                    options=_options(options),
                    endpoint=options["endpoint"],
                    token=token_given(options),
                    on_progress=told.show,
                    is_cancelled=interrupt.is_set,
                )
        except InvalidRequest as error:
            raise CommandError(error.message, returncode=2) from None
        except MlopsError as error:
            raise CommandError(error.message) from None
        path = _write(options["report"], measured)
        if options["json"]:
            self.stdout.write(json.dumps(measured))
            return
        self.stdout.write(measured["stopped"])
        self.stdout.write(conclusion(measured))
        self.stdout.write(f"Report: {path}")


class _Told:
    """What the command says while it measures."""

    def __init__(self, command: BaseCommand, *, is_silent: bool) -> None:
        self._command = command
        self._is_silent = is_silent
        self._threads = 0

    def show(self, progress: dict[str, Any]) -> None:
        """A line about each step, and one for each second of it."""
        if self._is_silent:
            return
        step = progress["steps"][-1]
        out = self._command.stdout
        if not self._threads:
            out.write(f"Calling {progress['service']} at {progress['endpoint']}.")
            out.write(f"The network overhead is {progress['overhead']:.2f} ms.")
        if step["threads"] != self._threads:
            self._threads = step["threads"]
            out.write(f"{self._threads} threads:")
        failed = f", {step['failed']} calls failed" if step["failed"] else ""
        out.write(f"  Average latency is {progress['latest']:.1f}ms{failed}")
        out.flush()


def _options(given: dict[str, Any]) -> Options:
    service, version = split_service(given["service"]) if given["service"] else ("", "")
    return Options(
        strategy=given["strategy"],
        latency=given["latency"],
        min_threads=given["min_thread"],
        max_threads=given["max_thread"],
        increment=given["increment"],
        seconds=given["seconds"],
        service=service,
        version=version,
        inputs=given["inputs"],
    ).checked()


def _write(path: Path | None, measured: dict[str, Any]) -> Path:
    path = path or Path(tempfile.gettempdir(), report.file_name(measured))
    try:
        path.write_text(report.html(measured), encoding="utf-8")
    except OSError as error:
        raise CommandError(f"{path} cannot be written: {error.strerror}.") from None
    return path


@contextmanager
def _interrupted() -> Iterator[threading.Event]:
    """Set by Ctrl+C, which ends the measurement in an orderly way; a second one at once."""
    event = threading.Event()

    def interrupt(number: int, frame: Any) -> None:  # noqa: ARG001 - a handler's signature
        event.set()
        signal.signal(signal.SIGINT, former)

    former = signal.signal(signal.SIGINT, interrupt)
    try:
        yield event
    finally:
        signal.signal(signal.SIGINT, former)
