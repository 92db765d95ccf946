"""What other apps add to the pages of nodes, which know nothing of those apps."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

from django.http import HttpRequest

BundleNames = Callable[[HttpRequest, Collection[str]], "Mapping[str, Named]"]


@dataclass(frozen=True, slots=True)
class Named:
    """What a bundle is for people, and its page."""

    text: str
    address: str


def _nobody_knows(_: HttpRequest, __: Collection[str]) -> Mapping[str, Named]:
    return {}


_names: BundleNames = _nobody_knows


def name_bundles_with(names: BundleNames) -> None:
    """Have `names` say what bundles are; it leaves out those that the user may not see."""
    global _names
    _names = names


def names_of(request: HttpRequest, bundle_ids: Collection[str]) -> Mapping[str, Named]:
    """What is known of the bundles that the user may see, by id."""
    return _names(request, bundle_ids) if bundle_ids else {}
