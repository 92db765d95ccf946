"""The list of declared compute nodes and what of it is drained, and how both are changed."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from django.db import transaction

from mlops.database import exclusive
from nodes import uris
from nodes.models import NodeDrain, NodeEntry
from nodes.registry import registry


def declared_entries() -> list[str]:
    """The entries as declared, ranges unexpanded, in the order in which they were added."""
    return list(NodeEntry.objects.order_by("pk").values_list("uri", flat=True))


def drained_entries() -> list[str]:
    """What is drained, as it was asked for, ranges unexpanded."""
    return list(NodeDrain.objects.order_by("pk").values_list("uri", flat=True))


@contextmanager
def changing() -> Iterator[None]:
    """One change of the list at a time; calls of this process go by the new list at once.

    What is declared no longer is not drained any more: declared again, it is as any other node.
    """
    with exclusive("compute-nodes"), transaction.atomic():
        yield
        if drained := drained_entries():
            declared = [uris.parse(uri) for uri in declared_entries()]
            gone = [uri for uri in drained if not is_part(uris.parse(uri), declared)]
            NodeDrain.objects.filter(uri__in=gone).delete()
    registry.forget()


def is_part(uri: uris.NodeUri, entries: Iterable[uris.NodeUri]) -> bool:
    """Whether one of the entries names all that `uri` does."""
    return any(entry.n_shared(uri) == uri.count() for entry in entries)
