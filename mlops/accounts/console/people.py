"""/console/people/: how people sign in, which role they get and why, and who has been seen."""

from collections.abc import Mapping
from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.shortcuts import render as render_fragment
from django.urls import URLPattern, reverse
from django.utils.safestring import SafeString
from django.views.decorators.debug import sensitive_post_parameters
from unfold.decorators import display
from unfold.views import ChangeList

from mlops.accounts import local_accounts
from mlops.accounts.console.doing import Problem
from mlops.accounts.console.passwords import new_password, rule
from mlops.accounts.console.person import address_of, group_choices, typed_groups
from mlops.accounts.console.sign_in_state import KINDS, glass, method_in_words, state
from mlops.accounts.models import User
from mlops.accounts.people import in_role, role_table, with_counts
from mlops.accounts.role_reasons import implicit_role_in_words, name_of, reason_of
from mlops.accounts.roles import Role
from mlops.accounts.service_accounts import create_service_account
from mlops.accounts.sign_in import held_back, methods
from mlops.console.lists import CsvList
from mlops.console.pages import page, render, user_of
from mlops.console.read_only import ReadOnlyAdmin
from mlops.console.shown import relative_time
from mlops.console.site import site
from mlops.errors import Forbidden, InvalidRequest, MlopsError

_COLOURS = {"Owner": "primary", "Contributor": "info", "Reader": "success", "No role": "danger"}


class RoleFilter(admin.SimpleListFilter):
    """By the role that somebody has now."""

    title, parameter_name = "role", "role"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:  # noqa: ARG002
        """All roles, the highest first, and none."""
        names = [name_of(role) for role in sorted(Role, reverse=True)] + [name_of(None)]
        return [(name, name) for name in names]

    def queryset(self, request: HttpRequest, queryset: QuerySet[User]) -> QuerySet[User]:  # noqa: ARG002
        """Those in the role."""
        return in_role(queryset, self.value() or "") if self.value() else queryset


class MethodFilter(admin.SimpleListFilter):
    """By where an account is kept."""

    title, parameter_name = "kind", "method"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:  # noqa: ARG002
        """The methods."""
        return list(KINDS.items())

    def queryset(self, request: HttpRequest, queryset: QuerySet[User]) -> QuerySet[User]:  # noqa: ARG002
        """Those that are kept there."""
        return queryset.filter(sign_in_method=self.value()) if self.value() else queryset


class ActiveFilter(admin.SimpleListFilter):
    """By whether an account is let in."""

    title, parameter_name = "state", "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:  # noqa: ARG002
        """Both."""
        return [("active", "Active"), ("deactivated", "Deactivated")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[User]) -> QuerySet[User]:  # noqa: ARG002
        """Those that are."""
        return queryset.filter(is_active=self.value() == "active") if self.value() else queryset


class _People(ChangeList):  # type: ignore[misc]
    """The list; a row leads to the page of the account."""

    def url_for_result(self, result: User) -> str:
        """That page."""
        return address_of(result)


@admin.register(User, site=site)
class UserAdmin(CsvList, ReadOnlyAdmin):
    """Everybody who has an account here, people and applications."""

    needed_role = Role.OWNER
    list_display = (
        "account",
        "display_name",
        "role_label",
        "why",
        "kind",
        "state",
        "seen",
        "tokens",
        "keys",
    )
    list_display_links = ("account",)
    list_filter = (RoleFilter, MethodFilter, ActiveFilter)
    list_filter_sheet = True
    list_before_template = "accounts/people_overview.html"
    search_fields = ("username", "display_name", "email")
    search_help_text = "A user name, display name or mail address"
    ordering = ("username",)
    show_facets = admin.ShowFacets.NEVER
    csv_columns = {
        "User": lambda user: user.username,
        "Display name": lambda user: user.display_name,
        "Role": lambda user: reason_of(user).name,
        "Why": lambda user: reason_of(user).why,
        "Kind": lambda user: KINDS[user.sign_in_method],
        "Active": lambda user: "yes" if user.is_active else "no",
        "Last sign-in (UTC)": lambda user: (
            f"{user.last_login:%Y-%m-%d %H:%M:%S}" if user.last_login else ""
        ),
        "Logins by token": lambda user: user.n_tokens,
        "API keys": lambda user: user.n_keys,
    }

    def get_urls(self) -> list[URLPattern]:
        """That of the CSV alone: the list is a page of its own, and so is each account."""
        return [route for route in super().get_urls() if route.name == "accounts_user_csv"]

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:  # noqa: ARG002
        """The list whose rows lead to pages of their own."""
        return _People

    def get_queryset(self, request: HttpRequest) -> QuerySet[User]:
        """Everybody, with their groups and how many tokens and keys they have."""
        users: QuerySet[User] = super().get_queryset(request)
        return with_counts(users).prefetch_related("groups")

    def lookup_allowed(self, lookup: str, value: Any, request: HttpRequest) -> bool:  # noqa: ARG002
        """Whether it is the parameter of a filter."""
        return lookup in {each.parameter_name for each in self.list_filter}

    @admin.display(description="User", ordering="username")
    def account(self, user: User) -> str:
        """The name by which they sign in."""
        return user.username

    @display(description="Role", label=_COLOURS)  # type: ignore[untyped-decorator]
    def role_label(self, user: User) -> str:
        """The role, coloured."""
        return reason_of(user).name

    @admin.display(description="Why")
    def why(self, user: User) -> str:
        """Why it is that role."""
        return reason_of(user).why

    @admin.display(description="Kind", ordering="sign_in_method")
    def kind(self, user: User) -> str:
        """Where the account is kept, in a word."""
        return KINDS[user.sign_in_method]

    @display(  # type: ignore[untyped-decorator]
        description="State",
        ordering="is_active",
        label={"active": "success", "deactivated": "warning", "method is off": "warning"},
    )
    def state(self, user: User) -> str:
        """Whether the account may come in."""
        if not user.is_active:
            return "deactivated"
        return "active" if user.sign_in_method in methods.in_force() else "method is off"

    @admin.display(description="Last sign-in", ordering="last_login")
    def seen(self, user: User) -> SafeString | str:
        """When they last signed in."""
        return relative_time(user.last_login)

    @admin.display(description="Tokens")
    def tokens(self, user: User) -> int:
        """Logins by token that last."""
        return int(vars(user)["n_tokens"])

    @admin.display(description="API keys")
    def keys(self, user: User) -> int:
        """Keys that have not expired."""
        return int(vars(user)["n_keys"])


# Under the name that the admin site knows lists by, so that its links lead here.
@page("people/", name="accounts_user_changelist", role=Role.OWNER)
def people(request: HttpRequest) -> HttpResponseBase:
    """The list of everybody, and above it who gets which role."""
    users = site.get_model_admin(User)
    more = {
        "title": "People and roles",
        "method": method_in_words(),
        "glass": glass(),
        "table": role_table(),
        "implicit_role": implicit_role_in_words(),
        "waits": held_back.held_back(),
        "may_make_accounts": methods.LOCAL in methods.in_force(),
    }
    answer: HttpResponseBase = users.changelist_view(request, more)
    return answer


@page("people/sign-in/", name="sign_in_state", role=Role.OWNER)
def sign_in_state(request: HttpRequest) -> HttpResponse:
    """Whether people can sign in: a part of the page that may wait for a directory."""
    return render_fragment(request, "accounts/sign_in_state.html", {"state": state()})


@page("people/unblock/", name="unblock", role=Role.OWNER, posts=Role.OWNER)
def unblock(request: HttpRequest) -> HttpResponse:
    """Let those try again at once who are held back for failed attempts to sign in."""
    if request.method == "POST":
        n_cleared = held_back.clear(
            user=user_of(request),
            username=request.POST.get("username", ""),
            address=request.POST.get("address", ""),
        )
        messages.success(request, f"{n_cleared} who had to wait may try again at once.")
    return HttpResponseRedirect(reverse("console:accounts_user_changelist"))


@page("people/new/", name="new_account", role=Role.OWNER, posts=Role.OWNER)
@sensitive_post_parameters()
def new_account(request: HttpRequest) -> HttpResponseBase:
    """A local account is made."""
    form, problem, status = request.POST, None, 200
    if request.method == "POST":
        try:
            made = local_accounts.create_account(
                user=user_of(request),
                name=form.get("name", "").strip(),
                password=new_password(request),
                display_name=form.get("display_name", "").strip(),
                groups=typed_groups(request),
            )
        except Forbidden:
            raise
        except MlopsError as error:
            problem, status = _problem(error, form), error.status
        else:
            role = reason_of(made)
            messages.success(request, f"{made.username} can sign in now. Role: {role.name}.")
            return HttpResponseRedirect(address_of(made))
    chosen = frozenset(name.lower() for name in form.getlist("group"))
    context = {
        "choices": group_choices(chosen),
        "implicit_role": implicit_role_in_words(),
        "password_rule": rule(),
        "problem": problem,
        "is_off": methods.LOCAL not in methods.in_force(),
    }
    template = "accounts/new_account.html"
    return render(request, template, context, title="New local account", status=status)


@page(
    "people/new-service-account/",
    name="new_service_account",
    role=Role.OWNER,
    posts=Role.OWNER,
)
def new_service_account(request: HttpRequest) -> HttpResponseBase:
    """A service account is made; it has no key yet."""
    form, problem, status = request.POST, None, 200
    if request.method == "POST":
        try:
            made = create_service_account(
                user=user_of(request),
                name=form.get("name", "").strip(),
                role=_role(form.get("role", "")),
                description=form.get("description", "").strip(),
            )
        except Forbidden:
            raise
        except MlopsError as error:
            problem, status = _problem(error, form), error.status
        else:
            messages.success(request, f"{made.username} is made. Now create an API key for it.")
            return HttpResponseRedirect(f"{address_of(made)}#api-keys")
    context = {"roles": [role.name.title() for role in Role], "problem": problem}
    template = "accounts/new_service_account.html"
    return render(request, template, context, title="New service account", status=status)


def _problem(error: MlopsError, form: Mapping[str, str]) -> Problem:
    typed = {key: value for key, value in form.items() if "password" not in key}
    return Problem("", error.message, tuple(error.fields.split(",")), typed)


def _role(name: str) -> Role:
    try:
        return Role[name.upper()]
    except KeyError:
        raise InvalidRequest("Choose a role.", fields="role") from None
