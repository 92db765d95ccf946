"""Real brokers for tests, from Debian's packages: on ports and in directories of their own."""

import contextlib
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import pytest
from kombu import Connection
from kombu.exceptions import OperationalError

from tests.nodes.runtime.running import wait_until
from tests.ports import free_port

PASSWORD = "broker-secret-7"
START_SECONDS = 120
_RABBITMQ = "/usr/lib/rabbitmq/bin/rabbitmq-server"


class Broker(Protocol):
    """A broker process; after `kill` and `start` it has forgotten all messages."""

    url: str

    def start(self) -> None:
        """Start it empty; returns when it takes connections."""

    def kill(self) -> None:
        """End it at once."""


@dataclass
class Redis:
    """A redis-server that keeps nothing on disk."""

    folder: Path
    port: int = field(default_factory=free_port)
    process: "subprocess.Popen[bytes] | None" = None

    @property
    def url(self) -> str:
        return f"redis://:{PASSWORD}@127.0.0.1:{self.port}/0"

    def start(self) -> None:
        self.process = subprocess.Popen(
            [
                *("redis-server", "--port", str(self.port), "--bind", "127.0.0.1"),
                *("--requirepass", PASSWORD, "--save", "", "--appendonly", "no"),
                *("--dir", str(self.folder), "--logfile", str(self.folder / "log")),
            ]
        )
        wait_until(lambda: _takes_connections(self.url), START_SECONDS)

    def kill(self) -> None:
        assert self.process
        self.process.kill()
        self.process.wait()


@dataclass
class RabbitMQ:
    """A rabbitmq-server with a name server (epmd) of its own; what it keeps goes with a restart."""

    folder: Path
    port: int = field(default_factory=free_port)
    epmd_port: int = field(default_factory=free_port)
    distribution_port: int = field(default_factory=free_port)
    process: "subprocess.Popen[bytes] | None" = None
    epmd: "subprocess.Popen[bytes] | None" = None

    @property
    def url(self) -> str:
        return f"amqp://mlops:{PASSWORD}@127.0.0.1:{self.port}//"

    def start(self) -> None:
        data = self.folder / "data"
        shutil.rmtree(data, ignore_errors=True)
        data.mkdir(parents=True)
        configuration = self.folder / "rabbitmq.conf"
        configuration.write_text(
            f"listeners.tcp.1 = 127.0.0.1:{self.port}\n"
            f"default_user = mlops\ndefault_pass = {PASSWORD}\n"
        )
        plugins = self.folder / "enabled_plugins"
        plugins.write_text("[].\n")
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.folder),  # where the Erlang cookie is made
            "LANG": "C.UTF-8",
            "ERL_EPMD_PORT": str(self.epmd_port),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODENAME": f"mlops-{self.port}@localhost",
            "RABBITMQ_DIST_PORT": str(self.distribution_port),
            "RABBITMQ_CONF_ENV_FILE": str(self.folder / "none"),
            "RABBITMQ_CONFIG_FILE": str(configuration),
            "RABBITMQ_ADVANCED_CONFIG_FILE": str(self.folder / "none.config"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(plugins),
            "RABBITMQ_MNESIA_BASE": str(data),
            "RABBITMQ_LOG_BASE": str(self.folder),
            "RABBITMQ_FEATURE_FLAGS_FILE": str(data / "feature_flags"),
            "RABBITMQ_GENERATED_CONFIG_DIR": str(data / "config"),
            # Few schedulers that do not spin: the machine has other things to do.
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "+S 1:1 +sbwt none +sbwtdcpu none +sbwtdio none",
            # The script then becomes the Erlang process itself, which can be killed.
            "RABBITMQ_ALLOW_INPUT": "1",
        }
        # Left to RabbitMQ it would be nobody's child.
        self.epmd = subprocess.Popen(
            ["epmd", "-port", str(self.epmd_port), "-address", "127.0.0.1"], env=environment
        )
        with (self.folder / "output").open("ab") as output:
            self.process = subprocess.Popen(
                [_RABBITMQ],
                env=environment,
                cwd=self.folder,
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        wait_until(self._is_up, START_SECONDS)

    def kill(self) -> None:
        """End it with all that it has started."""
        assert self.process
        assert self.epmd
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        if self.process.stdin:
            self.process.stdin.close()
        self.epmd.kill()
        self.epmd.wait()

    def _is_up(self) -> bool:
        assert self.process
        assert self.process.poll() is None, (self.folder / "output").read_text()
        return _takes_connections(self.url)


def _takes_connections(url: str) -> bool:
    try:
        with Connection(url, connect_timeout=2) as connection:
            connection.ensure_connection(max_retries=1, interval_start=0.1, timeout=3)
    except (OperationalError, OSError):
        return False
    return True


@pytest.fixture(scope="session", params=["redis", "rabbitmq"])
def broker(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Broker]:
    """A running Redis, then a running RabbitMQ."""
    folder = tmp_path_factory.mktemp(request.param)
    broker: Redis | RabbitMQ = Redis(folder) if request.param == "redis" else RabbitMQ(folder)
    try:
        broker.start()
        yield broker
    finally:
        if broker.process is not None:
            broker.kill()
