"""Hosts on one switch, and what can happen to their links."""

import contextlib
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass

from tests.cluster.apart import run

_SWITCH = "switch"
_NETWORK = "10.77.0"
NETWORK = f"{_NETWORK}.0/24"
_MUTE = """
table inet mute {
  chain incoming { type filter hook input priority 0; iifname "eth0" drop; }
  chain outgoing { type filter hook output priority 0; oifname "eth0" drop; }
}
"""


def make_switch() -> None:
    """The bridge; this process is connected to it as well, as the host of the callers."""
    run("ip", "link", "add", _SWITCH, "type", "bridge")
    run("ip", "address", "add", f"{_NETWORK}.1/24", "dev", _SWITCH)
    run("ip", "link", "set", _SWITCH, "up")


@dataclass(frozen=True)
class Host:
    """A machine: a network namespace, and a host name for each process started with `command`."""

    name: str
    number: int

    @property
    def address(self) -> str:
        return f"{_NETWORK}.{self.number}"

    @property
    def _port(self) -> str:
        return f"{self.name}-port"  # its end at the switch; 15 characters at most

    def make(self) -> None:
        """Connect it to the switch."""
        name = self.name
        run("ip", "netns", "add", name)
        run(*f"ip link add {self._port} type veth peer name eth0 netns {name}".split())
        run("ip", "link", "set", self._port, "master", _SWITCH, "up")
        run("ip", "-n", name, "address", "add", f"{self.address}/24", "dev", "eth0")
        for device in ("lo", "eth0"):
            run("ip", "-n", name, "link", "set", device, "up")

    def command(self, *command: str) -> list[str]:
        """The command on this host; the process started is that of the command itself."""
        renamed = ["unshare", "--uts", "sh", "-c", 'hostname "$0" && exec "$@"', self.name]
        return ["ip", "netns", "exec", self.name, *renamed, *command]

    @contextlib.contextmanager
    def unplugged(self) -> Iterator[None]:
        """Without a link, as a machine that lost its power: not even its address is found."""
        run("ip", "link", "set", self._port, "down")
        try:
            yield
        finally:
            run("ip", "link", "set", self._port, "up")

    @contextlib.contextmanager
    def mute(self) -> Iterator[None]:
        """All packets from and to it are dropped without a word."""
        run("ip", "netns", "exec", self.name, "nft", "-f", "-", text=_MUTE)
        try:
            yield
        finally:
            run("ip", "netns", "exec", self.name, "nft", "delete", "table", "inet", "mute")

    @contextlib.contextmanager
    def slow(self, seconds: float) -> Iterator[None]:
        """All that it sends arrives so much later.

        Not every kernel has netem, so a process between it and the switch passes the frames on.
        """
        tap = f"{self.name}-slow"
        run("ip", "tuntap", "add", "dev", tap, "mode", "tap", "vnet_hdr")
        run("ip", "link", "set", tap, "up")
        arguments = ["-m", "tests.cluster.delay", self._port, tap, str(seconds)]
        process = subprocess.Popen([sys.executable, *arguments], stdout=subprocess.PIPE)
        try:
            assert process.stdout
            assert process.stdout.readline() == b"ready\n"
            run("ip", "link", "set", self._port, "nomaster")
            run("ip", "link", "set", tap, "master", _SWITCH)
            yield
        finally:
            run("ip", "link", "set", tap, "nomaster")
            run("ip", "link", "set", self._port, "master", _SWITCH)
            process.kill()
            process.communicate()
            run("ip", "tuntap", "del", "dev", tap, "mode", "tap")
