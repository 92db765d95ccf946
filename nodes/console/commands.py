"""What the command palette finds of compute nodes, and where the audit trail finds them."""

from collections.abc import Iterable

from django.http import HttpRequest

from mlops.accounts.models import AuditEntry
from mlops.accounts.roles import role_for_nodes
from mlops.console.commands import MAX_OF_ONE, Job, SearchResult, add_jobs, address_of, provider
from mlops.console.object_links import object_link
from nodes.models import NodeHealth

_LIST = "nodes_nodehealth_changelist"

add_jobs(
    Job(
        "Drain a node",
        "Give it no new work",
        "do_not_disturb_on",
        _LIST,
        role_for_nodes,
        "compute stop maintenance",
    ),
    Job(
        "Declare compute nodes",
        "Add them to the pool",
        "add_circle",
        "nodes_declare",
        role_for_nodes,
        "add new node",
    ),
)


@provider("Compute nodes")
def nodes(request: HttpRequest, text: str) -> Iterable[SearchResult]:  # noqa: ARG001 - for all roles
    """Compute nodes by address."""
    found = NodeHealth.objects.filter(address__icontains=text).only("address", "state")
    for node in found.order_by("address")[:MAX_OF_ONE]:
        address = address_of("node", node.pk) or f"{address_of(_LIST)}{node.pk}/change/"
        yield SearchResult(node.address, "Compute node", address, "dns")


@object_link
def compute_nodes(entry: AuditEntry) -> str:
    """The list of nodes, for entries about which there are."""
    return address_of(_LIST) if entry.action.endswith("compute nodes") else ""
