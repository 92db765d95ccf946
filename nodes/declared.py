"""The list of declared compute nodes and what of it is drained, and how both are changed."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from django.db import transaction

from mlops.database import exclusive
from nodes import uris
from nodes.models import NodeDrain, NodeEntry
from nodes.registry import registry

AT_ONCE = 500  # stays below SQLite's bound on query parameters


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
            declared = Cover(declared_entries())
            gone = [uri for uri in drained if not declared.has(uris.parse(uri))]
            for start in range(0, len(gone), AT_ONCE):
                NodeDrain.objects.filter(uri__in=gone[start : start + AT_ONCE]).delete()
    registry.forget()


class Cover:
    """What a list of entries names, asked entry by entry, however long the list is."""

    def __init__(self, entries: Iterable[str]) -> None:
        parsed = [(text, uris.parse(text)) for text in entries]
        self.single = {str(uri): text for text, uri in parsed if not uri.is_range}
        self.ranges = [(text, uri) for text, uri in parsed if uri.is_range]

    def has(self, uri: uris.NodeUri) -> bool:
        """Whether one of the entries names all that `uri` does."""
        if str(uri) in self.single:
            return True
        return any(entry.n_shared(uri) == uri.count() for _, entry in self.ranges)

    def shared_with(self, uri: uris.NodeUri) -> list[tuple[str, int]]:
        """The entries that name addresses of `uri`, ranges first, and how many each."""
        every = [(text, entry.n_shared(uri)) for text, entry in self.ranges]
        if uri.is_range:
            every += [(text, uri.n_shared(uris.parse(text))) for text in self.single.values()]
        elif str(uri) in self.single:
            every.append((self.single[str(uri)], 1))
        return [(text, number) for text, number in every if number]
