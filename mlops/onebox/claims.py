"""What one box must have for itself alone: its data directory and its two ports."""

import errno
import fcntl
import os
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import IO

WILDCARD = "0.0.0.0"  # noqa: S104 - listened on, if an administrator says so

LAST_PORT = 65535


class ClaimError(Exception):
    """Something else has what this box needs; the text says what, and what to do."""


def claim_data_dir(data_dir: Path) -> IO[str]:
    """The open lock file of `data_dir`; whoever has it open is the one box there.

    The kernel releases it when the process ends, however it ends. Raises ClaimError.
    """
    data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    lock = (data_dir / "onebox.lock").open("a+")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.seek(0)
        holder = lock.read().strip() or "unknown"
        lock.close()
        raise ClaimError(
            f"A box is running on {data_dir} already (process {holder}). Stop that one first, or"
            " give this one a directory of its own with MLOPS_DATA_DIR and ports of its own with"
            " MLOPS_PORT and MLOPS_COMPUTE_PORT."
        ) from None
    lock.truncate(0)
    lock.write(str(os.getpid()))
    lock.flush()
    return lock


def check_ports(host: str, ports: Mapping[str, int]) -> None:
    """Raises ClaimError unless every port, by the variable that sets it, can be listened on."""
    if ":" in host:
        raise ClaimError(f"MLOPS_HOST={host} is no IPv4 address or host name; nodes need one.")
    if len(set(ports.values())) < len(ports):
        raise ClaimError(f"{' and '.join(ports)} are the same port; they must differ.")
    for variable, port in ports.items():
        _check_port(host, port, variable)


def _check_port(host: str, port: int, variable: str) -> None:
    if port > LAST_PORT:
        raise ClaimError(f"{variable}={port} is no port; the last is {LAST_PORT}.")
    try:
        family, _, _, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        with socket.socket(family, socket.SOCK_STREAM) as listener:
            # Connections of a box that just stopped may linger; they are no hindrance.
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(address)
    except socket.gaierror as error:
        raise ClaimError(f"MLOPS_HOST={host} is no address: {error.strerror}.") from None
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            reason = f"Port {port} of {host} is in use. Stop what listens there, or choose another"
        elif error.errno == errno.EACCES:
            reason = f"Port {port} needs more rights than this account has. Choose another"
        else:
            raise ClaimError(f"Cannot listen on {host} (MLOPS_HOST): {error.strerror}.") from None
        raise ClaimError(f"{reason} with {variable}.") from None


def local_url(host: str, port: int, *, is_tls: bool = False) -> str:
    """Where this machine itself reaches what listens on `host` and `port`."""
    return f"http{'s' if is_tls else ''}://{'127.0.0.1' if host == WILDCARD else host}:{port}"
