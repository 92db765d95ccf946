"""Where the things are that the audit trail names: each app knows its own."""

from collections.abc import Callable

from mlops.accounts.models import AuditEntry

Finder = Callable[[AuditEntry], str]

_finders: list[Finder] = []


def object_link(finder: Finder) -> Finder:
    """Register a function: the address of what an entry is about; empty for what is not its own."""
    _finders.append(finder)
    return finder


def address_of_object(entry: AuditEntry) -> str:
    """The address of the page of what the entry is about; empty when there is none."""
    if not entry.object:
        return ""
    return next((address for find in _finders if (address := find(entry))), "")
