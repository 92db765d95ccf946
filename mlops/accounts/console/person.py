"""/console/people/…/: one account, whoever's it is, for Owners."""

from functools import partial
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponseBase, HttpResponseRedirect
from django.urls import reverse
from django.views.decorators.debug import sensitive_post_parameters

from mlops.accounts import local_accounts
from mlops.accounts.console import keys, sign_ins
from mlops.accounts.console.doing import Deed, Problem, answer, ask, confirmed
from mlops.accounts.console.passwords import new_password, rule
from mlops.accounts.console.sign_in_state import KINDS
from mlops.accounts.models import User
from mlops.accounts.role_reasons import declared_groups, reason_of
from mlops.accounts.roles import Role
from mlops.accounts.service_accounts import remove_service_account
from mlops.accounts.sign_in import held_back, methods
from mlops.console.pages import page, render, user_of
from mlops.errors import InvalidRequest, NotFound


@page("people/<int:user_id>/", name="person", role=Role.OWNER, posts=Role.OWNER)
@sensitive_post_parameters()
def person(request: HttpRequest, user_id: int) -> HttpResponseBase:
    """The account, and what an Owner may do about it."""
    account = User.objects.filter(pk=user_id).first() if user_id < 2**63 else None
    if account is None:
        raise NotFound("There is no such account, or no longer.")
    return answer(request, account, show=_show, deeds=_deeds(address_of(account)))


def address_of(account: User) -> str:
    """Where the page of the account is."""
    return reverse("console:person", args=[account.pk])


def typed_groups(request: HttpRequest) -> list[str]:
    """The groups that a form names: those that are ticked, and those that are typed."""
    return request.POST.getlist("group") + request.POST.get("other_groups", "").split(",")


def group_choices(own: frozenset[str]) -> list[dict[str, Any]]:
    """The declared groups with the roles that they grant, and whether one is in them."""
    return [
        {"name": name, "role": role.name.title(), "is_in": name.lower() in own}
        for role, names in sorted(declared_groups().items(), reverse=True)
        for name in names
    ]


def _deeds(back: str) -> dict[str, Deed]:
    return {
        "create-key": partial(keys.make, show=_show),
        "revoke-key": partial(keys.revoke, back=back),
        "end-sign-in": partial(sign_ins.end, back=back),
        "end-all-sign-ins": partial(sign_ins.end_all, back=back),
        "reset-password": _reset_password,
        "set-groups": _set_groups,
        "deactivate": _deactivate,
        "activate": _activate,
        "unblock": _unblock,
        "remove": _remove,
    }


def _show(
    request: HttpRequest,
    account: User,
    *,
    problem: Problem | None = None,
    status: int = 200,
    **more: Any,
) -> HttpResponseBase:
    is_local = account.sign_in_method == methods.LOCAL
    is_service = account.sign_in_method == methods.SERVICE
    is_own = account.pk == user_of(request).pk
    own_groups = account.group_names()
    declared = {each["name"].lower() for each in group_choices(own_groups)}
    names = [group.name for group in account.groups.all()] if is_local else account.directory_groups
    context = {
        "account": account,
        "reason": reason_of(account),
        "kind": KINDS[account.sign_in_method],
        "groups": sorted(names),
        "choices": group_choices(own_groups),
        "other_groups": ", ".join(name for name in sorted(names) if name.lower() not in declared),
        "is_local": is_local,
        "is_service": is_service,
        "is_own": is_own,
        "is_in_force": account.sign_in_method in methods.in_force(),
        "password_rule": rule(),
        "waits": [each for each in held_back.held_back() if each.username == account.username],
        "problem": problem,
        "page_forms": ["deactivate", "activate", "remove"],  # those whose buttons are at the top
        **keys.context(request, account, may_make=is_own or is_service),
        **({} if is_service else sign_ins.context(request, account)),
        **more,
    }
    return render(
        request,
        "accounts/person.html",
        context,
        title=f"Account {account.username}",
        subtitle=account.get_full_name(),
        status=status,
    )


def _reset_password(request: HttpRequest, account: User) -> HttpResponseBase:
    local_accounts.reset_password(
        user=user_of(request), name=account.username, password=new_password(request)
    )
    return _done(request, account, "The password is set, and earlier sign-ins have ended.")


def _set_groups(request: HttpRequest, account: User) -> HttpResponseBase:
    changed = local_accounts.set_groups(
        user=user_of(request), name=account.username, groups=typed_groups(request)
    )
    role = reason_of(User.objects.get(pk=changed.pk)).name
    return _done(request, account, f"The groups are set; the role is now: {role}.")


def _deactivate(request: HttpRequest, account: User) -> HttpResponseBase:
    if not confirmed(request):
        n_keys = account.api_keys.count()
        return ask(
            request,
            question=f"Deactivate {account.username}?",
            button="Deactivate",
            depends=[
                "Nobody signs in with the account; its sign-ins end now.",
                f"Its API keys ({n_keys}) open nothing until it is activated again.",
                "What it has published stays and works.",
            ],
            back=address_of(account),
        )
    local_accounts.deactivate(user=user_of(request), name=account.username)
    return _done(request, account, f"{account.username} is deactivated.")


def _activate(request: HttpRequest, account: User) -> HttpResponseBase:
    local_accounts.activate(user=user_of(request), name=account.username)
    return _done(request, account, f"{account.username} is active again.")


def _unblock(request: HttpRequest, account: User) -> HttpResponseBase:
    held_back.clear(user=user_of(request), username=account.username)
    return _done(request, account, f"{account.username} may try to sign in again at once.")


def _remove(request: HttpRequest, account: User) -> HttpResponseBase:
    if account.sign_in_method != methods.SERVICE:
        raise InvalidRequest("Only service accounts are removed: deactivate this one.")
    is_typed = request.POST.get("typed_name", "") == account.username
    if not confirmed(request) or not is_typed:
        return ask(
            request,
            question=f"Remove the service account {account.username}?",
            button="Remove it",
            depends=[
                f"API keys that are gone with it: {account.api_keys.count()}.",
                f"Sessions and snapshots that are gone with it: {_n_held(account)}.",
                "What it has published stays and works; an Owner manages it.",
            ],
            back=address_of(account),
            typed_name=account.username,
        )
    remove_service_account(user=user_of(request), name=account.username)
    messages.success(request, f"The service account {account.username} is removed.")
    return HttpResponseRedirect(reverse("console:accounts_user_changelist"))


def _n_held(account: User) -> int:
    """Sessions and snapshots, which apps above this one know."""
    related = [getattr(account, name, None) for name in ("sessions", "snapshots")]
    return sum(each.count() for each in related if each is not None)


def _done(request: HttpRequest, account: User, message: str) -> HttpResponseBase:
    messages.success(request, message)
    return HttpResponseRedirect(address_of(account))
