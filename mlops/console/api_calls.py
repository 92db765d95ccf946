"""What a page does, as a call of the REST API."""

import json
import shlex
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class ApiCall:
    """A call that does the same as a page; shown by `console/components/api_call.html`."""

    base_url: str  # of the web node, such as https://scoring.example.com
    method: str
    path: str
    body: Any = None  # what becomes JSON
    key: str = "1"  # tells several on one page apart

    @property
    def curl(self) -> str:
        """The command line; the token is taken from the environment."""
        parts = [f"curl -X {self.method} {shlex.quote(self.base_url.rstrip('/') + self.path)}"]
        parts.append('-H "Authorization: Bearer $MLOPS_TOKEN"')
        if self.body is not None:
            parts.append("-H 'Content-Type: application/json'")
            parts.append(f"-d {shlex.quote(json.dumps(self.body, ensure_ascii=False))}")
        return " \\\n  ".join(parts)
