"""How often this process changed who may come in.

What is kept in memory of a caller (token_cache.py) is read again after each change.
"""

_n_changes = 0


def note() -> None:
    """This process changed an account or what it comes in by; to be called after the commit."""
    global _n_changes
    _n_changes += 1


def count() -> int:
    """How many changes there were."""
    return _n_changes
