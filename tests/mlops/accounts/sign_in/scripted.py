"""A directory that says what a test tells it to, when it tells it to."""

import threading
from dataclasses import dataclass, field

from mlops.accounts.models import User
from mlops.accounts.sign_in.directory import DirectoryEntry
from mlops.errors import DirectoryUnavailable


@dataclass
class ScriptedDirectory:
    """Groups by user name; whoever is not in it is gone."""

    groups: dict[str, set[str]] = field(default_factory=dict)
    is_silent: bool = False
    asked_for: list[str] = field(default_factory=list)
    may_answer: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self.may_answer.set()

    def look_up(self, user: User) -> DirectoryEntry | None:
        self.asked_for.append(user.username)
        assert self.may_answer.wait(30)
        if self.is_silent:
            raise DirectoryUnavailable
        if user.username not in self.groups:
            return None
        return self.entry(user.username)

    def entry(self, username: str) -> DirectoryEntry:
        groups = frozenset(self.groups[username])
        return DirectoryEntry(username, f"cn={username}", username.title(), "", groups)


directory = ScriptedDirectory()


def look_up(user: User) -> DirectoryEntry | None:
    return directory.look_up(user)
