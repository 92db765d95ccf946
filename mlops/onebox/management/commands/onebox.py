"""`manage.py onebox`: the whole product on this machine."""

import asyncio
import contextlib
import os
import time
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import connections

from mlops.errors import InvalidRequest
from mlops.onebox import box, demos, first_start
from mlops.onebox.claims import ClaimError, check_ports, claim_data_dir
from mlops.onebox.heartbeat import heartbeat_files
from mlops.onebox.processes import kill_leftovers
from mlops.onebox.supervisor import StartError, Supervisor
from nodes.actions import declare_node
from nodes.runtime.certificates import TlsError

TO_SET_ANOTHER = ".venv/bin/python manage.py set_password"


class Command(BaseCommand):
    """Exit code 0 after Ctrl-C or SIGTERM, 1 when it could not start; it says why."""

    help = (
        "Start and supervise web node, compute node and worker on this machine. The first start "
        "creates the account admin, with MLOPS_ADMIN_PASSWORD or a generated password, and "
        "publishes two demo services."
    )

    def handle(self, *args: Any, **options: Any) -> None:  # noqa: ARG002
        """Run until asked to stop."""
        # Taken out of the environment at once: no program that is started may inherit it.
        password = os.environ.pop("MLOPS_ADMIN_PASSWORD", "")
        os.umask(0o077)
        try:
            with claim_data_dir(settings.DATA_DIR):
                kill_leftovers(box.mark_of_this_box())
                check_ports(
                    settings.HOST,
                    {"MLOPS_PORT": settings.WEB_PORT, "MLOPS_COMPUTE_PORT": settings.COMPUTE_PORT},
                )
                self._prepare(password)
                self._supervise()
        except (ClaimError, StartError, TlsError) as error:
            raise CommandError(str(error)) from None
        except KeyboardInterrupt:
            raise CommandError("Stopped before anything was started.") from None

    def _prepare(self, password: str) -> None:
        first_start.prepare_database()
        try:
            created = first_start.create_administrator(password)
        except InvalidRequest as error:
            raise CommandError(f"MLOPS_ADMIN_PASSWORD cannot be used: {error.message}") from None
        if created:
            # Straight to the terminal: this is the one line that no log may have.
            shown = "the password in MLOPS_ADMIN_PASSWORD" if password else f"password {created}"
            self._print(f"Created the account admin with {shown}")
            if not password:
                self._print(f"It is shown only now. To set another: {TO_SET_ANOTHER}")
        declare_node(uri=box.compute_url(), is_local=True)
        for file in heartbeat_files():
            file.unlink(missing_ok=True)
        connections.close_all()

    def _supervise(self) -> None:
        self._log = box.log("onebox")
        supervisor = Supervisor(
            box.programs(),
            environment=box.environment(),
            say=self._say,
            patience=box.patience(),
        )
        asyncio.run(supervisor.run(self._when_up))

    async def _when_up(self, supervisor: Supervisor) -> None:
        for demo in demos.left_out():
            self._say(f"The demo {demo} is left out: {demo.training[0]} is not installed.")
        if any(demos.pending()):
            await supervisor.run_once(box.manage("publish_demos"), self._pass_on)
        self._print(f"Console: {box.web_url()}/  API: {box.web_url()}/docs  Stop: Ctrl-C")
        self._say(f"ready: {box.web_url()}")

    def _say(self, text: str) -> None:
        with contextlib.suppress(OSError):  # nor may a disk that is full
            self._log.write(f"{time.strftime('%Y-%m-%d %H:%M:%S')} {text}\n".encode())
        self._print(text)

    def _pass_on(self, output: bytes) -> None:
        self._print(output.decode(errors="replace"), ending="")

    def _print(self, text: str, ending: str = "\n") -> None:
        with contextlib.suppress(OSError):  # a terminal that is gone must not end the box
            self.stdout.write(text, ending=ending)
            self.stdout.flush()
