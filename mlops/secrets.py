"""Secrets kept in files of the data directory, made on first use and private to their owner."""

import os
import secrets
from collections.abc import Callable
from pathlib import Path


def random_text() -> str:
    """A new secret of 256 random bits."""
    return secrets.token_urlsafe(32)


def read_or_create_secret(path: Path, create: Callable[[], str] = random_text) -> str:
    """The secret stored at `path`; made by `create` if there is none yet.

    Several processes may start at once: whoever links its file first wins, all read the same text.
    """
    if not path.exists():
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        draft = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
        draft.touch(mode=0o600)
        draft.write_text(create())
        try:
            os.link(draft, path)
        except FileExistsError:
            pass
        finally:
            draft.unlink()
    return path.read_text().strip()
