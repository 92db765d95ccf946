"""Which nodes have run which bundles lately."""

from collections.abc import Collection

_MOST_BUNDLES = 10_000


class Warmth:
    """By bundle the nodes that have run it, of those that may be called; bounded."""

    def __init__(self) -> None:
        self.known: dict[str, tuple[str, ...]] = {}

    def mark(self, address: str, bundle_id: str, *, is_warm: bool) -> None:
        """The node has run the bundle, or does not have it."""
        known = self.known.get(bundle_id, ())
        if is_warm and address not in known:
            self.known[bundle_id] = (*known, address)
            if len(self.known) > _MOST_BUNDLES:
                del self.known[next(iter(self.known))]
        elif not is_warm and address in known:
            self.known[bundle_id] = tuple(one for one in known if one != address)

    def cool(self, address: str) -> None:
        """The node fails: it is preferred for nothing."""
        for bundle_id, addresses in list(self.known.items()):
            if address in addresses:
                self.known[bundle_id] = tuple(one for one in addresses if one != address)

    def keep_only(self, known: Collection[str]) -> None:
        """Only these may be called any more."""
        for bundle_id, addresses in list(self.known.items()):
            self.known[bundle_id] = tuple(one for one in addresses if one in known)
