"""Small R packages in source form for tests."""

import io
import tarfile

_DESCRIPTION = """Package: {name}
Version: 1.0
Title: For Tests
Description: For tests.
License: MIT
Author: Nobody
Maintainer: Nobody <nobody@example.org>
"""


def source_package(name: str, code: str) -> bytes:
    """The tar.gz of a package that exports all that `code` defines."""
    files = {
        "DESCRIPTION": _DESCRIPTION.format(name=name),
        "NAMESPACE": 'exportPattern(".")\n',
        "R/all.R": code,
    }
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for path, text in files.items():
            entry = tarfile.TarInfo(f"{name}/{path}")
            entry.size = len(text.encode())
            archive.addfile(entry, io.BytesIO(text.encode()))
    return buffer.getvalue()
