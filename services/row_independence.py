"""What it takes to declare that the rows of a version's calls do not depend on each other.

Compute nodes then run calls that wait together as one, their rows one below the other, and give
each caller the rows of its own. So there must be rows on both sides, and nothing that has none.
"""

from collections.abc import Sequence

from mlops.errors import InvalidRequest
from services.models import Version
from services.schema import Parameter

FIELD = "rowIndependent"

_WITH_ROWS = frozenset({"vector", "matrix", "data.frame"})


def require_rows(version: Version) -> None:
    """Nothing; raises InvalidRequest when `version` is declared so and cannot be."""
    if version.row_independent:
        require_rows_of(
            inputs=[Parameter(**each) for each in version.input_parameters],
            outputs=[Parameter(**each) for each in version.output_parameters],
            output_files=version.output_files,
        )


def require_rows_of(
    *, inputs: Sequence[Parameter], outputs: Sequence[Parameter], output_files: Sequence[str]
) -> None:
    """Nothing; raises InvalidRequest when calls with these cannot be run together."""
    if not any(each.type in _WITH_ROWS for each in inputs):
        raise _refusal("needs an input that has rows: a data.frame, a vector or a matrix")
    if not outputs:
        raise _refusal("needs an output: a data.frame, a vector or a matrix")
    for each in outputs:
        if each.type not in _WITH_ROWS:
            raise _refusal(
                f"needs outputs with a row for each row of the inputs; {each.name!a} is "
                f"declared as {each.type}, a single value"
            )
    if output_files:
        raise _refusal("excludes outputFileNames: one file cannot be divided among callers")


def _refusal(complaint: str) -> InvalidRequest:
    return InvalidRequest(f"{FIELD} {complaint}.", fields=FIELD)
