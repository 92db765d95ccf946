"""Options that commands share which call a web node."""

import os
from argparse import ArgumentParser
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError

TOKEN_VARIABLE = "MLOPS_TOKEN"  # noqa: S105 - its name


def add_endpoint_arguments(parser: ArgumentParser) -> None:
    """The options `--endpoint` and `--token-file`."""
    parser.add_argument(
        "--endpoint", default="", help="the web node, as in https://ml.contoso.com; else this one's"
    )
    parser.add_argument(
        "--token-file",
        type=Path,
        help=f"a file with an Owner's token or API key for it; or set {TOKEN_VARIABLE}. Without "
        "one the user gets a token of this installation for the time of the command",
    )


def token_given(options: Mapping[str, Any]) -> str:
    """The token in the file or the environment; "" when there is none."""
    path: Path | None = options["token_file"]
    if path is None:
        return os.environ.get(TOKEN_VARIABLE, "").strip()
    try:
        return path.read_text().strip()
    except OSError as error:
        raise CommandError(f"{path} cannot be read: {error.strerror}.") from None


def split_service(text: str) -> tuple[str, str]:
    """Name and version of NAME/VERSION; CommandError when it is no such text."""
    name, _, version = text.partition("/")
    if not name or not version:
        raise CommandError(f"{text!r} is not NAME/VERSION.", returncode=2)
    return name, version
