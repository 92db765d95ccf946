"""What the pages of compute nodes say of versions."""

from collections.abc import Collection, Mapping

from django.http import HttpRequest

from mlops.console.pages import caller_of
from nodes.console.extensions import Named, name_bundles_with
from services.console.batches import version_address
from services.models import Version
from services.permissions import consumable


def versions_of(request: HttpRequest, bundle_ids: Collection[str]) -> Mapping[str, Named]:
    """The versions that the bundles are of, those that the user may consume; the newest of
    several that are alike."""
    versions = Version.objects.filter(bundle_id__in=bundle_ids).select_related("service")
    return {
        version.bundle_id: Named(str(version), version_address(version))
        for version in consumable(versions, caller_of(request)).order_by("created_at", "pk")
    }


name_bundles_with(versions_of)
