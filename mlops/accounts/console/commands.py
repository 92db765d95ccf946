"""What the command palette finds of people, and where the audit trail finds them."""

from collections.abc import Iterable

from django.db.models import Q
from django.http import HttpRequest

from mlops.accounts.console.person import address_of
from mlops.accounts.models import AuditEntry, User
from mlops.accounts.roles import Role, is_owner
from mlops.console.commands import MAX_OF_ONE, Job, SearchResult, add_jobs, provider
from mlops.console.object_links import object_link

add_jobs(
    Job("Create an API key", "For a program of yours", "key", "account", words="token new"),
    Job(
        "Make a local account",
        "For a person",
        "person_add",
        "new_account",
        lambda: Role.OWNER,
        "new user add create",
    ),
    Job(
        "Make a service account",
        "For an application",
        "smart_toy",
        "new_service_account",
        lambda: Role.OWNER,
        "new add create application",
    ),
)


@provider("People")
def people(request: HttpRequest, text: str) -> Iterable[SearchResult]:
    """People and applications by name, for Owners."""
    if not is_owner(request):
        return
    named = Q(username__icontains=text) | Q(display_name__icontains=text)
    users = User.objects.filter(named).only("username", "display_name", "sign_in_method")
    for user in users.order_by("username")[:MAX_OF_ONE]:
        description = user.display_name or f"{user.get_sign_in_method_display()} account"
        yield SearchResult(user.username, description, address_of(user), "person")


@object_link
def account(entry: AuditEntry) -> str:
    """The page of the account that was changed, or whose key or sign-in was."""
    is_of_account = entry.action.endswith(("account", "API key", "password", "groups", "sign-ins"))
    if not is_of_account and entry.action != "end sign-in":
        return ""
    user = User.objects.filter(username=entry.object.partition("/")[0]).first()
    return address_of(user) if user else ""
