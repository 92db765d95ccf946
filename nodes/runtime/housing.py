"""Where shells live: for each a home, and what keeps it there, as far as the host allows."""

import asyncio
from dataclasses import dataclass
from pathlib import Path

from .config import NodeConfig
from .control_groups import ControlGroups
from .homes import make_home, remove_home
from .isolation import Isolation, Users
from .processes import Children
from .sandbox import Sandbox


@dataclass(eq=False)
class Quarters:
    """What one shell has for itself; `uid` is None where it has no user of its own."""

    home: Path
    uid: int | None
    group: Path | None
    sandbox: Sandbox | None


class Housing:
    """Gives quarters to shells. Its `isolation` is the weakest until it is known."""

    def __init__(
        self, config: NodeConfig, work_root: Path, children: Children, groups: ControlGroups
    ) -> None:
        self.isolation = Isolation("process")
        self._config = config
        self._work_root = work_root
        self._children = children
        self._groups = groups
        self._users = Users()

    async def give(self) -> Quarters:
        """New ones; `ShellDied` when there can be none."""
        uid = self._users.take() if self.isolation.has_users else None
        home = make_home(self._work_root, uid)
        quarters = Quarters(home, uid, self._groups.make(home.name), sandbox=None)
        if self.isolation.level == "sandbox":
            try:
                quarters.sandbox = await Sandbox.start(self._config, home, self._children)
            except BaseException:
                await self.take_back(quarters)
                raise
        return quarters

    async def take_back(self, quarters: Quarters) -> None:
        """Removes what was a shell's; none of its processes is left but in its sandbox."""
        if quarters.sandbox:
            await asyncio.to_thread(quarters.sandbox.close)
        self._groups.discard(quarters.group)
        await asyncio.to_thread(remove_home, quarters.home)
        if quarters.uid is not None:
            self._users.give_back(quarters.uid)
