"""How far shells are kept from the node, from the machine and from each other.

sandbox  a user, a view of the file system and of processes, of each shell alone
user     a user of each shell alone; needs a node that is root
process  the node's own user: bounds on resources, a clean environment, and no more
"""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NoReturn

import uvicorn

from .config import NodeConfig
from .errors import RuntimeUnavailable, ShellDied
from .homes import make_home, remove_home
from .processes import Children
from .sandbox import Sandbox
from .shells import LAUNCH, entering

Level = Literal["sandbox", "user", "process"]
LEVELS: tuple[Level, ...] = ("sandbox", "user", "process")  # the best first

# Beyond the users that systems, containers and their managers give out; where such numbers do not
# exist (a container has its own), at the end of those that do.
_FIRST_UID = 1_900_000_000
_FIRST_SMALL_UID = 61_184
_UIDS_PER_NODE = 1000
_NODES = 200_000


@dataclass(frozen=True)
class Isolation:
    """What holds for all shells of this node, and why it is not more."""

    level: Level
    has_network: bool = True
    reason: str = ""

    @property
    def has_users(self) -> bool:
        """Whether each shell gets a user of its own."""
        return self.level != "process" and os.geteuid() == 0

    def report(self) -> dict[str, Any]:
        """As the health report shows it."""
        return {"level": self.level, "network": self.has_network, "reason": self.reason}


class Users:
    """The numbers of users that no shell of this machine has; each is of one shell at a time."""

    def __init__(self) -> None:
        self._first = _first_uid()
        self._taken: set[int] = set()

    def take(self) -> int:
        """One that nobody has."""
        uid = next(n for n in range(self._first, self._first + 10**6) if n not in self._taken)
        self._taken.add(uid)
        return uid

    def give_back(self, uid: int) -> None:
        """Nothing of this user runs any more."""
        self._taken.discard(uid)


def _first_uid() -> int:
    n_known = max(
        int(start) + int(length)
        for start, _, length in map(str.split, Path("/proc/self/uid_map").read_text().splitlines())
    )
    if n_known > _FIRST_UID + _UIDS_PER_NODE * _NODES:
        return _FIRST_UID + os.getpid() % _NODES * _UIDS_PER_NODE  # no two nodes share any
    return _FIRST_SMALL_UID


async def decide(config: NodeConfig, children: Children) -> Isolation:
    """The best that this host allows, or what the settings ask for.

    RuntimeUnavailable with the reason when that cannot be had.
    """
    wanted = config.shell_isolation
    if wanted not in ("auto", *LEVELS):
        raise RuntimeUnavailable(
            f"MLOPS_SHELL_ISOLATION is auto, sandbox, user or process, not {wanted}."
        )
    if not config.shell_network:
        if wanted not in ("auto", "sandbox"):
            raise RuntimeUnavailable("MLOPS_SHELL_NETWORK=off needs MLOPS_SHELL_ISOLATION=sandbox.")
        wanted = "sandbox"
    reasons: list[str] = []
    for level in [level for level in LEVELS if wanted in ("auto", level)]:
        isolation = Isolation(level, config.shell_network, " ".join(reasons))
        if level == "process":
            return isolation
        prepare(config, isolation)
        try:
            await _try(isolation, config, children)
        except (OSError, ShellDied) as error:
            reasons.append(f"No {level}: {error}.")
        else:
            return isolation
    raise RuntimeUnavailable(
        f"Shells cannot be isolated as the settings ask for. {' '.join(reasons)}"
    )


def prepare(config: NodeConfig, isolation: Isolation) -> None:
    """Lets the users of shells through to their directories, and to bundles they know by name."""
    mode = 0o711 if isolation.has_users else 0o700
    for directory in (config.data_dir, config.bundles_dir, config.work_root):
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        directory.chmod(mode)


async def _try(isolation: Isolation, config: NodeConfig, children: Children) -> None:
    """Has a process go where shells are to live; OSError, ShellDied when it cannot."""
    if isolation.level == "user" and not isolation.has_users:
        raise OSError("the node does not run as root")
    uid = Users().take() if isolation.has_users else None
    home = make_home(config.work_root, uid)
    try:
        if isolation.level == "user":
            _visit(config, home, uid)
            return
        sandbox = await Sandbox.start(config, home, children)
        try:
            _visit(config, home, uid, sandbox.first)
        finally:
            sandbox.close()
    finally:
        remove_home(home)


def _visit(config: NodeConfig, home: Path, uid: int | None, sandbox: int = -1) -> None:
    told, telling = os.pipe()
    scout = os.fork()
    if scout == 0:
        os.close(told)
        _go_and_tell(telling, config, home, uid, sandbox)
    os.close(telling)
    with os.fdopen(told) as reading:
        reason = reading.read()
    os.waitpid(scout, 0)
    if reason != "well":
        raise OSError(reason or "it could not be entered")


def _go_and_tell(
    telling: int, config: NodeConfig, home: Path, uid: int | None, sandbox: int
) -> NoReturn:
    try:
        if sandbox >= 0:
            entering.enter(sandbox, has_network=config.shell_network)
        pid = os.fork()
        if pid == 0:
            entering.drop_privileges(uid)
            os.chdir(home / "work")
            Path("trial").touch()
            for file in (LAUNCH, os.__file__, uvicorn.__file__):  # each from another place
                Path(file).read_bytes()
            config.bundles_dir.stat()
            os.write(telling, b"well")
        else:
            os.waitpid(pid, 0)
    except OSError as error:
        os.write(telling, f"{error.strerror}: {error.filename or 'a shell'}".encode())
    finally:
        os._exit(0)
