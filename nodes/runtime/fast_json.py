"""orjson where it is installed, else None: the interpreter of shells need not have it."""

try:
    import orjson
except ImportError:
    orjson = None  # type: ignore[assignment]

__all__ = ["orjson"]
