"""A sandbox for one shell, made by bubblewrap: most of the system for reading, and little else.

bubblewrap starts a process that does nothing and keeps the sandbox: shells are forked elsewhere and
enter it (shells/entering.py), as they share memory with what they are forked from. That process is
the first of a process namespace, so the kernel kills with it whatever runs in the sandbox.
"""

import asyncio
import contextlib
import json
import os
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from .config import NodeConfig
from .errors import ShellDied
from .homes import OWN
from .processes import Children

BUBBLEWRAP = "bwrap"
_KEEPER = ["/bin/sh", "-c", "echo && exec cat"]  # until the node hangs up
_REASON_BYTES = 2000
_SHARED_MEMORY = "/dev/shm"  # noqa: S108 (what the shell's own directory takes the place of)
_TEMPORARY = ("/tmp", "/var/tmp")  # noqa: S108 (the same)
_TEMPORARY_BYTES = 64 * 1024**2


class Sandbox:
    """A running sandbox; `first` is the pidfd of its first process."""

    def __init__(
        self, keeper: "subprocess.Popen[bytes]", line: socket.socket, children: Children
    ) -> None:
        self._keeper = keeper
        self._line = line
        self._children = children
        self.first = -1

    @classmethod
    async def start(cls, config: NodeConfig, home: Path, children: Children) -> "Sandbox":
        """One for the shell that has this home; ShellDied with bubblewrap's reason if it fails."""
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        told, telling = os.pipe()
        try:
            keeper = children.spawn(
                [*command(config, home), "--info-fd", str(telling), *_KEEPER],
                stdin=theirs,
                stdout=theirs,
                stderr=theirs,
                pass_fds=(telling,),
                cwd="/",
                env={"PATH": os.environ.get("PATH", os.defpath)},
            )
        except OSError as error:
            ours.close()
            os.close(told)
            raise ShellDied(
                f"{BUBBLEWRAP} cannot be started ({error.strerror}): apt-get install bubblewrap"
            ) from None
        finally:
            theirs.close()
            os.close(telling)
        sandbox = cls(keeper, ours, children)
        try:
            said = await asyncio.get_running_loop().sock_recv(ours, _REASON_BYTES)
            if said != b"\n":
                reason = said.decode(errors="replace").strip()
                raise ShellDied(f"no sandbox could be made ({reason})")
            first = json.loads(os.read(told, _REASON_BYTES))["child-pid"]
            sandbox.first = os.pidfd_open(first)
        except BaseException:
            await asyncio.to_thread(sandbox.close)
            raise
        finally:
            os.close(told)
        return sandbox

    def close(self) -> None:
        """Kills whatever runs in it, and waits for its end."""
        self._line.close()
        if self.first >= 0:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self.first, signal.SIGKILL)
            os.close(self.first)
            self.first = -1
        self._keeper.kill()
        self._children.reap(self._keeper.pid)


def command(config: NodeConfig, home: Path) -> list[str]:
    """bubblewrap's command line but for what it is to run."""
    arguments = [
        *("--die-with-parent", "--as-pid-1", "--cap-drop", "ALL", "--unshare-pid", "--unshare-ipc"),
        *("--ro-bind", "/", "/", "--proc", "/proc", "--dev", "/dev"),
        *("--bind", str(home / "tmp"), _SHARED_MEMORY, "--remount-ro", "/dev"),
    ]
    if not config.shell_network:
        arguments += ["--unshare-net"]
    if os.geteuid() != 0:
        arguments += ["--unshare-user", "--disable-userns"]
    for temporary in filter(os.path.isdir, _TEMPORARY):
        arguments += _temporary(temporary, config, home)
    hidden = _directories([Path("/run"), _own_home(), *_closed_above(_needed(config))])
    private = _directories([config.data_dir, *config.private_paths])
    arguments += _each("--tmpfs", hidden)
    arguments += _shown(_needed(config), [*hidden, *map(Path, _TEMPORARY)])
    for place in private:
        arguments += [*_way_to(place, hidden), "--tmpfs", str(place)]
    for file in config.private_paths:
        if file.is_file():
            arguments += ["--ro-bind", "/dev/null", str(file)]
    for option, path in (
        ("--ro-bind", config.bundles_dir),
        *(("--bind", home / name) for name in OWN),
    ):
        arguments += [*_way_to(path, private), option, str(path), str(path)]
    return [BUBBLEWRAP, *arguments, *_each("--remount-ro", [*hidden, *private])]


def _temporary(place: str, config: NodeConfig, home: Path) -> list[str]:
    """The shell's own directory, unless the node's data is below: then a small one in memory, as
    the places for mounts would else be made in the shell's directory."""
    if config.data_dir.is_relative_to(place):
        return ["--size", str(_TEMPORARY_BYTES), "--tmpfs", place]
    return ["--bind", str(home / "tmp"), place]


def _own_home() -> Path:
    """The home directory of the node's user; a place that cannot matter where it has none."""
    try:
        home = Path("~").expanduser()
        is_its = home.stat().st_uid == os.geteuid()
    except (OSError, RuntimeError):
        return Path("/run")
    return home if is_its and len(home.parts) > 1 else Path("/run")


def _needed(config: NodeConfig) -> list[Path]:
    """What shells are made of, wherever it was installed."""
    rscript = Path(config.rscript).resolve()
    return [
        Path(__file__).resolve().parent,
        *(Path(prefix).resolve() for prefix in (sys.prefix, sys.base_prefix)),
        *([rscript.parent.parent] if rscript.is_file() else []),
        Path("/etc/resolv.conf").resolve(),
    ]


def _closed_above(paths: Iterable[Path]) -> list[Path]:
    """The directories above the paths that let no other user through: as the shell's user could not
    get at the path, they are hidden but for it."""
    return [
        parent
        for path in paths
        for parent in path.parents
        if parent.is_dir() and not parent.stat().st_mode & stat.S_IXOTH
    ]


def _shown(paths: Iterable[Path], hidden: Sequence[Path]) -> list[str]:
    """Arguments by which those of the paths that were hidden can be read again."""
    arguments = []
    for path in paths:
        if any(path.is_relative_to(place) for place in hidden):
            arguments += [*_way_to(path, hidden), "--ro-bind-try", str(path), str(path)]
    return arguments


def _way_to(path: Path, hidden: Iterable[Path]) -> list[str]:
    """Arguments that make the directories down to the path, for any user to go through."""
    missing = [
        parent
        for place in hidden
        for parent in path.parents
        if parent != place and parent.is_relative_to(place)
    ]
    return [
        part for parent in sorted(missing) for part in ("--perms", "0711", "--dir", str(parent))
    ]


def _directories(paths: Iterable[Path]) -> list[Path]:
    """Those that are directories, each once, and none that lies in another."""
    found = sorted({path.resolve() for path in paths if path.is_dir()})
    return [
        path for path in found if not any(path != one and path.is_relative_to(one) for one in found)
    ]


def _each(option: str, paths: Iterable[Path]) -> list[str]:
    return [part for path in paths for part in (option, str(path))]
