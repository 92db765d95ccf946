"""Files of a version that is not published yet."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class StagedFile:
    """A file of a version to be: `name` in its working directory, and where its bytes come from.

    They are those of the upload, or of its `member` when the upload is an archive.
    """

    name: str
    upload: str
    member: str = ""

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> "StagedFile":
        """What `as_json` has made."""
        return cls(str(data["name"]), str(data["upload"]), str(data.get("member", "")))
