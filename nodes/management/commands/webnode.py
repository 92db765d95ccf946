"""`manage.py webnode`: serve the REST API and the console."""

import asyncio
import contextlib
import importlib
import logging
import signal
import socket
import threading
from collections.abc import Iterator
from typing import Any, NoReturn

import uvicorn
from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import InterfaceError, OperationalError, connection
from django.db.migrations.executor import MigrationExecutor
from django.utils.module_loading import import_string

from mlops import checks
from mlops.accounts import key_rotation
from mlops.database import exclusive, explanation, private_files
from mlops.parting import PartingHttpProtocol
from nodes import background, trust
from nodes.runtime.certificates import TlsError
from nodes.runtime.garbage import collect_seldom
from nodes.runtime.tls import tls_options

logger = logging.getLogger(__name__)

_PARTING_SECONDS = 2.0  # for those who keep a connection to hear that it ends
_LOOK_SECONDS = 0.02
_KEEP_ALIVE_SECONDS = 75  # longer than load balancers keep theirs


class Command(BaseCommand):
    """Serves until SIGTERM or Ctrl-C, then exits with 0; exits with 1 when it cannot start."""

    help = "Serve the REST API and the console."

    def add_arguments(self, parser: CommandParser) -> None:
        """Where to listen."""
        parser.add_argument("--host", default=settings.HOST, help="Default: %(default)s")
        parser.add_argument(
            "--port", type=int, default=settings.WEB_PORT, help="Default: %(default)s"
        )

    def handle(self, *args: Any, host: str, port: int, **options: Any) -> None:  # noqa: ARG002
        """Run the web node."""
        _look_at_settings(host)
        try:
            contexts = trust.of_web_node(), trust.of_client()
        except TlsError as error:
            raise CommandError(str(error)) from None
        with private_files():
            _prepare_database()
        if text := key_rotation.disagreement():
            logger.error(text)
        connection.close()
        importlib.import_module("mlops.asgi")
        collect_seldom()
        if settings.LDAP:
            log_faults = import_string("mlops.accounts.sign_in.ldap_report.log_faults")
            threading.Thread(target=log_faults, name="directory-check", daemon=True).start()
        with _listening(host, port) as listener:
            server = _Server(
                uvicorn.Config(
                    "mlops.asgi:application",
                    loop="uvloop",
                    http=PartingHttpProtocol,
                    ws="none",
                    lifespan="off",
                    interface="asgi3",
                    log_config=None,
                    access_log=False,  # URLs may carry refresh tokens
                    server_header=False,
                    proxy_headers=bool(settings.TRUSTED_PROXIES),
                    forwarded_allow_ips=settings.TRUSTED_PROXIES,
                    timeout_keep_alive=_KEEP_ALIVE_SECONDS,
                    timeout_graceful_shutdown=settings.STOP_SECONDS,
                    **tls_options(*contexts),
                )
            )
            # uvicorn raises the signal that ended it once more when it has shut down.
            for number in (signal.SIGTERM, signal.SIGINT):
                signal.signal(number, _exit)
            try:
                server.run(sockets=[listener])
            finally:
                background.stop()  # or threads that wait for a node would keep the process


class _Server(uvicorn.Server):
    """Parts from its clients, and breaks off the calls to compute nodes when time is over.

    A thread that waits for a node cannot be cancelled, and its request would hold the process.
    """

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop serving."""
        breaking_off = threading.Timer(settings.STOP_SECONDS, background.stop)
        breaking_off.daemon = True
        breaking_off.start()
        PartingHttpProtocol.part()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(min(_PARTING_SECONDS, settings.STOP_SECONDS)):
                while self.server_state.connections:
                    await asyncio.sleep(_LOOK_SECONDS)
        await super().shutdown(sockets)


def _exit(number: int, frame: object) -> NoReturn:  # noqa: ARG001 - a signal handler's signature
    raise SystemExit(0)


def _look_at_settings(host: str) -> None:
    """Log what should be otherwise for a node that listens there; CommandError for what must."""
    for finding in checks.findings(host):
        if finding.is_serious():
            raise CommandError(f"{finding.msg} {finding.hint}")
        logger.warning("%s %s (%s)", finding.msg, finding.hint, finding.id)


def _prepare_database() -> None:
    """The tables exist: an empty database gets them, an older one is for a person to see to."""
    try:
        if not _is_up_to_date():
            with exclusive("migrate"):  # another node may be at it
                is_empty = not MigrationExecutor(connection).loader.applied_migrations
            if is_empty:
                call_command("migrate", interactive=False, verbosity=0)
        is_up_to_date = _is_up_to_date()
    except (OperationalError, InterfaceError) as error:
        raise CommandError(explanation(error)) from None
    connection.close()
    if not is_up_to_date:
        raise CommandError(
            "The database is of an older version. Stop every node that uses it, then run:"
            " manage.py migrate"
        )


def _is_up_to_date() -> bool:
    executor = MigrationExecutor(connection)
    return not executor.migration_plan(executor.loader.graph.leaf_nodes())


@contextlib.contextmanager
def _listening(host: str, port: int) -> Iterator[socket.socket]:
    """A socket bound to the address; CommandError when it cannot be had."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, protocol)
    except OSError as error:
        raise CommandError(f"The web node cannot listen on {host}: {error.strerror}") from None
    with listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(address)
        except OSError as error:
            raise CommandError(
                f"The web node cannot listen on {host}:{port}: {error.strerror}."
                " Choose another port with --port or MLOPS_PORT, or stop what is using it."
            ) from None
        yield listener
