"""Python's collector of reference cycles in processes that answer many small calls."""

import gc

_ALLOCATIONS = 50_000  # more than is released; calls under way have some hundreds each


def collect_seldom() -> None:
    """Leave out what is there now, which stays, and look at the rest less often than by default.

    To be called when everything is imported. Calls leave next to no cycles.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_ALLOCATIONS, 10, 10)
