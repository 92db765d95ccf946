"""Typed readers of `MLOPS_*` environment variables; a bad value stops the start with its name."""

import os
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured

_TRUE = {"1", "true", "yes", "on"}
_FALSE = {"0", "false", "no", "off"}


def env_str(name: str, default: str = "") -> str:
    """The variable's text without blanks around it; `default` when unset or empty."""
    return os.environ.get(name, "").strip() or default


def env_secret(name: str) -> str:
    """The variable's text as it is, blanks included."""
    return os.environ.get(name, "")


def env_int(name: str, default: int, *, minimum: int = 0) -> int:
    """The variable as a whole number of at least `minimum`."""
    text = env_str(name)
    if not text:
        return default
    try:
        value = int(text)
    except ValueError:
        raise ImproperlyConfigured(f"{name} must be a whole number, not {text!r}") from None
    if value < minimum:
        raise ImproperlyConfigured(f"{name} must be at least {minimum}, not {value}")
    return value


def env_bool(name: str, default: bool) -> bool:
    """The variable as a switch: 1/true/yes/on or 0/false/no/off, in any case."""
    text = env_str(name).lower()
    if not text:
        return default
    if text not in _TRUE | _FALSE:
        raise ImproperlyConfigured(f"{name} must be true or false, not {text!r}")
    return text in _TRUE


def env_list(name: str, default: list[str] | None = None) -> list[str]:
    """The variable split at commas, blanks around the parts dropped."""
    text = env_str(name)
    if not text:
        return list(default or [])
    return [part.strip() for part in text.split(",") if part.strip()]


def env_path(name: str, default: Path) -> Path:
    """The variable as an absolute path."""
    return Path(env_str(name) or default).expanduser().resolve()


def env_file(name: str) -> Path | None:
    """The variable as the path of a file; None when unset.

    Absolute, but links stay links: certificates are often renewed by pointing them elsewhere.
    """
    text = env_str(name)
    return Path(text).expanduser().absolute() if text else None
