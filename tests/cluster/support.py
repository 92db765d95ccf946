"""What stands around the nodes: PostgreSQL, Redis and HAProxy, from Debian's packages."""

import secrets
import signal
import socket
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

from tests.cluster.network import NETWORK, Host
from tests.cluster.programs import Program
from tests.postgresql import USER, as_postgres

DATABASE_PORT, BROKER_PORT, WEB_PORT = 5432, 6379, 12800
_BALANCER = """
global
  nbthread 1
  maxconn 4000
defaults
  mode http
  timeout connect 2s
  timeout client 120s
  timeout server 120s
  timeout queue 5s
  timeout http-keep-alive 120s
  # Another web node gets a call only when no connection could be made: nothing was sent then.
  retries 3
  retry-on conn-failure
  option redispatch 1
frontend callers
  bind {address}:{port}
  default_backend web
backend web
  balance roundrobin
  option httpchk GET /ping
  http-check expect status 200
  default-server check inter 1s fall 2 rise 2
  http-response set-header X-Web-Node %s
{servers}
"""


def database(host: Host, place: Path) -> tuple[Program, str]:
    """A PostgreSQL server, and the URL of its database."""
    password = secrets.token_hex(16)
    data, password_file = place / "data", place / "password"
    _write_secret(password_file, password)
    for path in (place, password_file):
        subprocess.run(["chown", "postgres:postgres", path], check=True)
    more = ["--pwfile", str(password_file), "--encoding", "UTF8", "--locale", "C.UTF-8"]
    initdb = as_postgres("initdb", "--username", USER, "--auth", "scram-sha-256", *more)
    subprocess.run([*initdb, "--pgdata", str(data)], cwd="/", check=True, capture_output=True)
    with (data / "pg_hba.conf").open("a") as rules:
        rules.write(f"host all all {NETWORK} scram-sha-256\n")
    settings = {
        "listen_addresses": host.address,
        "port": str(DATABASE_PORT),
        "max_connections": "200",
        "unix_socket_directories": str(place),
    }
    options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
    command = as_postgres("postgres", "-D", str(data), *options)
    url = f"postgresql://{USER}:{password}@{host.address}:{DATABASE_PORT}/postgres"
    # SIGTERM would wait for the web nodes to go.
    stop, is_up = signal.SIGINT, listens(host, DATABASE_PORT)
    return Program(host, command, place / "log", is_up=is_up, stop_signal=stop), url


def broker(host: Host, place: Path) -> tuple[Program, str]:
    """A Redis server, and its URL."""
    password = secrets.token_hex(16)
    configuration = place / "redis.conf"
    _write_secret(
        configuration,
        f'bind {host.address}\nport {BROKER_PORT}\nrequirepass {password}\nsave ""\ndir {place}\n',
    )
    command = ["redis-server", str(configuration)]
    url = f"redis://:{password}@{host.address}:{BROKER_PORT}/0"
    return Program(host, command, place / "log", is_up=listens(host, BROKER_PORT)), url


def balancer(host: Host, place: Path, web: Sequence[Host]) -> Program:
    """HAProxy, which gives each web node its turn."""
    configuration = place / "haproxy.cfg"
    servers = "\n".join(f"  server {one.name} {one.address}:{WEB_PORT}" for one in web)
    configuration.write_text(_BALANCER.format(address=host.address, port=WEB_PORT, servers=servers))
    command = ["haproxy", "-db", "-f", str(configuration)]
    return Program(host, command, place / "log", is_up=listens(host, WEB_PORT))


def listens(host: Host, port: int) -> Callable[[], bool]:
    """A function that says whether it takes connections there."""

    def is_listening() -> bool:
        try:
            socket.create_connection((host.address, port), timeout=1).close()
        except OSError:
            return False
        return True

    return is_listening


def _write_secret(path: Path, text: str) -> None:
    path.touch(mode=0o600)
    path.write_text(text)
