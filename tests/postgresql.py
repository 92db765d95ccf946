"""A PostgreSQL server for tests: a cluster of its own, which ends with the test run."""

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

import psycopg2

from tests.nodes.runtime.running import wait_until
from tests.ports import free_port

USER = "mlops"
PASSWORD = "p@ss:w/rd?%41"  # whoever forgets to encode or decode it is found out
_QUICK = {
    "fsync": "off",
    "full_page_writes": "off",
    "synchronous_commit": "off",
    "shared_buffers": "64MB",
    "max_connections": "200",
    "autovacuum_naptime": "1min",
}


@dataclass
class Server:
    """A server on a port of this machine, whoever has started it."""

    port: int = field(default_factory=free_port)

    def create_database(self) -> str:
        """The URL of a new, empty database."""
        name = f"mlops_{uuid.uuid4().hex}"
        connection = self.connect()
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(f"CREATE DATABASE {name}")
        connection.close()
        return self.url(name)

    def url(self, database: str) -> str:
        return f"postgresql://{USER}:{quote(PASSWORD, safe='')}@127.0.0.1:{self.port}/{database}"

    def connect(self) -> "psycopg2.extensions.connection":
        return psycopg2.connect(
            host="127.0.0.1", port=self.port, dbname="postgres", user=USER, password=PASSWORD
        )


@dataclass
class Cluster(Server):
    """A server process with its files in a directory below `/tmp`."""

    directory: Path = field(init=False)
    _process: "subprocess.Popen[bytes] | None" = None

    def __post_init__(self) -> None:
        self.directory = Path(tempfile.mkdtemp(prefix="mlops-postgresql-"))
        password_file = self.directory / "password"
        password_file.write_text(PASSWORD)
        if os.getuid() == 0:  # PostgreSQL refuses to run as root
            account = pwd.getpwnam("postgres")
            for path in (self.directory, password_file):
                os.chown(path, account.pw_uid, account.pw_gid)
        initdb = ["initdb", "--no-sync", "--username", USER, "--auth", "scram-sha-256"]
        more = ["--pwfile", str(password_file), "--encoding", "UTF8", "--locale", "C.UTF-8"]
        self._run([*initdb, *more, "--pgdata", str(self.directory / "data")])

    @property
    def log(self) -> Path:
        return self.directory / "log"

    def start(self) -> "Cluster":
        """Starts it and returns when it answers."""
        settings = {**_QUICK, "port": str(self.port), "listen_addresses": "127.0.0.1"}
        settings["unix_socket_directories"] = str(self.directory)
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                as_postgres("postgres", "-D", str(self.directory / "data"), *options),
                cwd="/",
                stdout=log,
                stderr=log,
            )
        wait_until(lambda: self._has_ended() or self._answers())
        assert not self._has_ended(), self.log.read_text()
        return self

    def stop(self) -> None:
        """Ends it at once, whatever its clients are doing."""
        if self._process is not None:
            self._process.send_signal(signal.SIGINT)
            self._process.wait(60)
            self._process = None

    def remove(self) -> None:
        """Ends it and removes all it had."""
        self.stop()
        shutil.rmtree(self.directory, ignore_errors=True)

    def _answers(self) -> bool:
        try:
            self.connect().close()
        except psycopg2.OperationalError:
            return False
        return True

    def _has_ended(self) -> bool:
        return self._process is None or self._process.poll() is not None

    def _run(self, command: list[str]) -> None:
        done = subprocess.run(
            as_postgres(*command), cwd="/", capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr


def as_postgres(program: str, *arguments: str) -> list[str]:
    """The command, run by somebody who may, and ended when the test run ends however it does."""
    account = ["--reuid=postgres", "--regid=postgres", "--clear-groups"] if os.getuid() == 0 else []
    return ["setpriv", *account, "--pdeathsig=INT", str(_binary(program)), *arguments]


def _binary(program: str) -> Path:
    """Debian keeps the server's programs off the PATH, one directory for each version."""
    found = sorted(
        Path("/usr/lib/postgresql").glob(f"*/bin/{program}"),
        key=lambda path: int(path.parts[-3]),
    )
    if found:
        return found[-1]
    elsewhere = shutil.which(program)
    assert elsewhere, f"{program} of PostgreSQL is missing: run mlops/onebox/install.sh test"
    return Path(elsewhere)
