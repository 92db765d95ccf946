"""The services that are called, what they are asked, and what they have to answer."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

VERSION = "1.0.0"
_QUICK = "import socket\nanswer = 2 * number + 1\nnode = socket.gethostname()\n"
_LENGTHY = f"import time\ntime.sleep(0.2)\n{_QUICK}"


@dataclass(frozen=True)
class Service:
    """A version; of 20 calls so many are its own. Without code it is a realtime model."""

    name: str
    share: int
    code: str = ""

    @property
    def path(self) -> str:
        return f"/api/{self.name}/{VERSION}"

    @property
    def definition(self) -> dict[str, Any]:
        """For POST /services; every node says its name."""
        return {
            "code": self.code,
            "runtimeType": "Python",
            "inputParameterDefinitions": [{"name": "number", "type": "integer"}],
            "outputParameterDefinitions": [
                {"name": "answer", "type": "integer"},
                {"name": "node", "type": "character"},
            ],
        }

    def body(self, number: int) -> bytes:
        """The request about this number."""
        asked = {"number": number} if self.code else {"inputData": {"x": [float(number)]}}
        return json.dumps(asked).encode()

    def read(self, number: int, body: bytes) -> tuple[bool, str]:
        """Whether the answer is right, and which node gave it as far as it says so."""
        answer: Mapping[str, Any] = json.loads(body)
        outputs = answer.get("outputParameters") or {}
        if self.code:
            return outputs.get("answer") == 2 * number + 1, str(outputs.get("node", ""))
        return (outputs.get("outputData") or {}).get("y") == [float(number + 1)], ""


# Most calls are lengthy, so that many are under way: a node that few calls need gets none.
QUICK = Service("quick", 3, _QUICK)
REALTIME = Service("realtime", 3)
LENGTHY = Service("lengthy", 14, _LENGTHY)
SERVICES: Sequence[Service] = (QUICK, REALTIME, LENGTHY)
FRESH = Service("fresh", 0, _QUICK)  # published while something is wrong
