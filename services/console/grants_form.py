"""The form in which the grants of a service are seen and set."""

from dataclasses import dataclass

from services import grants
from services.grants import Grant
from services.models import Service


@dataclass(frozen=True, slots=True)
class GrantsForm:
    """What the form shows: a line for each grant, and the revision that these replace."""

    rows: list[Grant]
    revision: str
    problem: str = ""
    is_conflict: bool = False


def form_of(service: Service) -> GrantsForm:
    """The form with the grants as they are."""
    rows = [Grant(**each) for each in service.grants]
    return GrantsForm(rows, grants.revision(service.grants))
