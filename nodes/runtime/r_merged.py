"""Calls of an R version that are run as one: what an R shell is asked, and what its answer says.

R shells get what goes together already put together: this is on the node, beside the encoding.
"""

from itertools import accumulate, pairwise
from typing import Any

from .groups import FLOAT, Declared, Kinds, together
from .inputs import InputError
from .r_values import INTEGERS, encode_inputs
from .shells.merged import Merged

_NONE = type(None)
_BOOLEANS, _TEXTS, _WHOLE = ({kind, _NONE} for kind in (bool, str, int))
_NUMBERS = {float, int, _NONE}


class MergedForR:
    """The calls of one request, in `header` and `body`; None as header when none go together."""

    def __init__(self, bodies: list[bytes], declared: Declared, max_rows: int) -> None:
        self._merged = Merged(bodies, declared, max_rows, _KINDS)
        self._groups = []
        runs = []
        for group in self._merged.groups:
            try:
                runs.append(encode_inputs(together(group, declared), declared)[0])
            except InputError:  # each of them is told when it is run alone
                continue
            self._groups.append(group)
        self.header = (
            {
                "op": "score_together",
                "sizes": [len(run) for run in runs],
                "rows": [group.n_rows for group in self._groups],
            }
            if runs
            else None
        )
        self.body = b"".join(runs)

    def reply(self, header: dict[str, Any], data: bytes) -> tuple[dict[str, Any], bytes]:
        """The reply frame as Python shells would have sent it."""
        start = 0
        # The last runs are missing when the shell could not go on; all, when it refused.
        for group, sizes, failure in zip(
            self._groups, header.get("sizes", ()), header.get("failures", ()), strict=False
        ):
            ends = list(accumulate(sizes, initial=start))
            outputs = [data[a:b] for a, b in pairwise(ends)]
            self._merged.take(group, failure or outputs)
            start = ends[-1]
        return self._merged.reply(str(header["retire" if "retire" in header else "message"]))

    def unlike(self) -> tuple[dict[str, Any], bytes]:
        """The reply frame when none go together."""
        return self._merged.reply("")


def _kind(values: list[Any]) -> str | None:
    """The R type that the values become, see r_values.py."""
    types = set(map(type, values))
    if types <= _BOOLEANS:
        return "logical"
    if types <= _TEXTS:
        return "text"
    if types <= _WHOLE and all(value is None or value in INTEGERS for value in values):
        return "integer"
    return FLOAT if types <= _NUMBERS else None


_KINDS = Kinds(of_column=_kind, of_array=_kind)
