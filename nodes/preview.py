"""What an entry would add to the list of compute nodes, before anybody adds it."""

from collections.abc import Sequence
from dataclasses import dataclass

from nodes import uris


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


def preview(entry: str, declared: Sequence[str]) -> Preview:
    """What `entry` names, and what of it the `declared` entries do; nothing is enumerated.

    Raises InvalidRequest that says at which character the entry is wrong.
    """
    uri = uris.parse(entry.strip())
    count = uri.count()
    shared = ((other, uri.n_shared(uris.parse(other))) for other in declared if other != str(uri))
    return Preview(
        str(uri),
        count,
        uri.address_at(0),
        uri.address_at(count - 1),
        tuple((other, number) for other, number in shared if number),
    )
