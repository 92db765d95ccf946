"""Changes to the list of declared compute nodes."""

from django.db import transaction

from nodes import uris
from nodes.models import NodeEntry
from nodes.registry import registry


def declare_node(*, uri: str, is_local: bool = False) -> NodeEntry:
    """The entry for `uri`, added unless it was there already.

    A local one is the node that runs beside this web node: it takes the place of the former local
    entry, whose port may have changed. Raises InvalidRequest when the text is wrong or the whole
    list names too many addresses.
    """
    spelling = str(uris.parse(uri))
    with transaction.atomic():
        if is_local:
            NodeEntry.objects.filter(is_local=True).exclude(uri=spelling).delete()
        uris.normalise_list([*NodeEntry.objects.values_list("uri", flat=True), spelling])
        entry, _ = NodeEntry.objects.update_or_create(
            uri=spelling, defaults={"is_local": True} if is_local else {}
        )
    registry.forget()
    return entry
