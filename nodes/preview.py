"""What an entry would add to the list of compute nodes, before anybody adds it."""

from collections.abc import Sequence
from dataclasses import dataclass

from nodes import uris
from nodes.declared import Cover


@dataclass(frozen=True, slots=True)
class Preview:
    """An entry in its normal spelling, and what it names."""

    uri: str
    count: int
    first: str
    last: str
    overlaps: tuple[tuple[str, int], ...]  # entries that name addresses of it too, and how many

    def __str__(self) -> str:
        if self.count == 1:
            said = "1 address"
        else:
            said = f"{self.count:,} addresses, {self.first} to {self.last}"
        shared = "".join(f"; {count:,} of them also in {uri}" for uri, count in self.overlaps)
        return f"{self.uri}: {said}{shared}"


def preview(entry: str, declared: Sequence[str] | Cover) -> Preview:
    """What `entry` names, and what of it the `declared` entries do; nothing is enumerated.

    Raises InvalidRequest that says at which character the entry is wrong. For many entries give
    a Cover, which is made once.
    """
    uri = uris.parse(entry.strip())
    count = uri.count()
    cover = declared if isinstance(declared, Cover) else Cover(declared)
    shared = (each for each in cover.shared_with(uri) if each[0] != str(uri))
    return Preview(str(uri), count, uri.address_at(0), uri.address_at(count - 1), tuple(shared))
