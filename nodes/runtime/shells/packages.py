"""Packages that a session installs for itself.

They go into a virtual environment of the session's own, so that pip, `python` and scripts behave as
everywhere: what the node has counts as installed, an upgrade hides it and cannot touch it, and an
installed package can be replaced and removed. The environment is a folder beside the working
directory. All in it that belongs to this session alone is links, which snapshots leave out; the
rest travels, and is found by services in the folder PACKAGES of their bundle.
"""

import importlib
import os
import re
import shlex
import site
import sys
from pathlib import Path

PACKAGES = ".packages"
_VERSION = f"{sys.version_info.major}.{sys.version_info.minor}"
_LIBRARY = f"lib/python{_VERSION}/site-packages"
_PYTHONS = ("python", "python3", f"python{_VERSION}")
# The start of a script for some session's interpreter, in both forms that pip writes.
_HEAD = re.compile(
    rb"#!(?:\S*/packages/bin/python[0-9.]*[ \t]*\n"
    rb"|/bin/sh\n'''exec' [^\n]*/packages/bin/python[0-9.]*[^\n]*\n' '''\n)"
)
_ENVIRONMENT = {
    "PIP_DISABLE_PIP_VERSION_CHECK": "1",
    "PIP_NO_CACHE_DIR": "1",  # a cache would end with the session
    # That is, no compiling: pip wants it negated twice. What it compiles is stale after a zip.
    "PIP_NO_COMPILE": "0",
    "PIP_NO_INPUT": "1",
    "PIP_ROOT_USER_ACTION": "ignore",
    "PYTHONDONTWRITEBYTECODE": "1",  # no surprises among the user's files
}


def add_packages(folder: Path) -> None:
    """Puts the packages in the folder on sys.path: after the standard library, before the
    node's."""
    path = str(folder / _LIBRARY)
    if path not in sys.path:
        installed = site.getsitepackages()
        places = (place for place, entry in enumerate(sys.path) if entry in installed)
        sys.path.insert(next(places, len(sys.path)), path)


class Environment:
    """The virtual environment of one session, in `home`."""

    def __init__(self, home: Path) -> None:
        self._root = home / "packages"
        self._support = home / "environment"  # what the links point to
        self._python = self._root / "bin" / "python"
        self._base = Path(getattr(sys, "_base_executable", sys.executable))
        self._node_packages = site.getsitepackages()
        self._adopted = 0

    def activate(self) -> None:
        """Makes this process and those that it starts use the environment."""
        self._make()
        add_packages(self._root)
        sys.executable = str(self._python)
        search = f"{self._root / 'bin'}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
        os.environ.update(_ENVIRONMENT, VIRTUAL_ENV=str(self._root), PATH=search)

    def refresh(self) -> None:
        """Finds what was installed, or came with a snapshot, since."""
        self._make()
        self._adopt_scripts()
        importlib.invalidate_caches()

    def _make(self) -> None:
        if self._python.exists():
            return
        for folder in (self._support, self._root / "bin", self._root / _LIBRARY):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        python = shlex.quote(str(self._python))
        support = {
            "pyvenv.cfg": f"home = {self._base.parent}\ninclude-system-site-packages = false\n",
            "node.pth": f"import site; list(map(site.addsitedir, {self._node_packages}))\n",
            "pip": f'#!/bin/sh\nexec {python} -m pip "$@"\n',
        }
        for name, text in support.items():
            (self._support / name).write_text(text)
        (self._support / "pip").chmod(0o700)
        links = {
            "pyvenv.cfg": self._support / "pyvenv.cfg",
            f"{_LIBRARY}/_node.pth": self._support / "node.pth",
            "bin/pip": self._support / "pip",
            "bin/pip3": self._support / "pip",
            "pip.conf": Path(sys.prefix, "pip.conf"),  # where the node's account says its mirrors
            **{f"bin/{name}": self._base for name in _PYTHONS},
        }
        for name, target in links.items():
            link = self._root / name
            if not link.exists():  # it may have come with a snapshot
                link.unlink(missing_ok=True)
                link.symlink_to(target)

    def _adopt_scripts(self) -> None:
        # Scripts name their interpreter by its whole path, which is another in each session.
        folder = self._root / "bin"
        changed = folder.stat().st_mtime_ns
        if changed == self._adopted:
            return
        for script in folder.iterdir():
            if script.is_file() and not script.is_symlink():
                text = script.read_bytes()
                head = _HEAD.match(text)
                if head and os.fsencode(self._python) not in head.group():
                    script.write_bytes(self._script_head() + text[head.end() :])
        self._adopted = changed

    def _script_head(self) -> bytes:
        # In the form without bounds on the length of paths and without trouble with blanks.
        return b"#!/bin/sh\n'''exec' \"%s\" \"$0\" \"$@\"\n' '''\n" % os.fsencode(self._python)
