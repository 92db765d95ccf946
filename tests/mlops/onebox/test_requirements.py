"""The requirements name the exact version of everything that gets installed."""

import re
from importlib.metadata import distribution
from pathlib import Path

import pytest
from django.conf import settings
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name


def pinned(name: str) -> dict[str, str]:
    lines = Path(settings.BASE_DIR, name).read_text().splitlines()
    found: dict[str, str] = {}
    for line in (line.partition("#")[0].strip() for line in lines):
        if line.startswith("-r "):
            found |= pinned(line.removeprefix("-r "))
        elif line:
            match = re.fullmatch(r"([\w.-]+)==([\w.]+)", line)
            assert match, f"{line!r} of {name} is not pinned"
            found[canonicalize_name(match[1])] = match[2]
    return found


@pytest.mark.parametrize(
    "name", ["requirements.txt", "requirements-ldap.txt", "requirements-dev.txt"]
)
def test_everything_is_pinned_with_what_it_needs_itself(name: str) -> None:
    names = pinned(name)
    for package in names:
        for text in distribution(package).requires or []:
            needed = Requirement(text)
            if needed.marker is None or needed.marker.evaluate({"extra": ""}):
                assert canonicalize_name(needed.name) in names, f"{package} needs {text}"


def test_the_tests_run_with_the_pinned_versions() -> None:
    names = pinned("requirements-dev.txt")
    assert {name: distribution(name).version for name in names} == names
