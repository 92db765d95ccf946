"""Several calls in one frame: which go together, what each got, and which are left.

The reply has the size of each call's part of the body, in the order of the calls; -1 for one that
is to be run alone. Whatever there is to say of such a call, like an error, is said there: nothing
that one caller sent can be told another.
"""

from typing import Any

from ..groups import Declared, Group, Kinds, grouped
from ..inputs import InputError, read_inputs

ALONE = -1


class Merged:
    """The calls of one frame."""

    def __init__(
        self, bodies: list[bytes], declared: Declared, max_rows: int, kinds: Kinds
    ) -> None:
        self._results: list[bytes | None] = [None] * len(bodies)
        self._runs: list[tuple[int, int]] = []
        self._failure = ""
        calls = []
        for place, body in enumerate(bodies):
            try:
                calls.append((place, read_inputs(body, declared)))
            except InputError:
                continue
        self.groups = grouped(calls, declared, max_rows, kinds)

    def take(self, group: Group, outcome: list[bytes] | str) -> None:
        """Notes what came of the run of a group: the outputs of its calls, or why it failed."""
        if isinstance(outcome, str):
            self._failure = outcome
            return
        self._runs.append((len(group.places), group.total))
        for place, outputs in zip(group.places, outcome, strict=True):
            self._results[place] = (
                b'{"changedFiles":[],"outputParameters":%b,"outputFiles":{}}' % outputs
            )

    def reply(self, retire: str) -> tuple[dict[str, Any], bytes]:
        """The reply frame; `runs` has the numbers of calls and rows of each run."""
        header = {
            "kind": "together",
            "sizes": [ALONE if result is None else len(result) for result in self._results],
            "runs": self._runs,
            "failure": self._failure,
            "retire": retire,
        }
        return header, b"".join(result for result in self._results if result is not None)
