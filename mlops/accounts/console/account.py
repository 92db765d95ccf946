"""/console/account/: one's own role, sign-ins, API keys and password."""

from functools import partial
from typing import Any

from django.contrib import messages
from django.contrib.auth import update_session_auth_hash
from django.http import HttpRequest, HttpResponseBase, HttpResponseRedirect
from django.urls import reverse
from django.views.decorators.debug import sensitive_post_parameters

from mlops.accounts import own_password
from mlops.accounts.console import keys, sign_ins
from mlops.accounts.console.doing import Deed, Problem, answer
from mlops.accounts.console.passwords import new_password, rule
from mlops.accounts.console.sign_in_state import KINDS
from mlops.accounts.models import User
from mlops.accounts.role_reasons import reason_of
from mlops.accounts.roles import Role
from mlops.console.pages import page, render, user_of


@page("account/", name="account", posts=Role.READER)
@sensitive_post_parameters()
def account(request: HttpRequest) -> HttpResponseBase:
    """One's own account."""
    return answer(request, user_of(request), show=_show, deeds=_deeds())


def _deeds() -> dict[str, Deed]:
    back = reverse("console:account")
    return {
        "create-key": partial(keys.make, show=_show),
        "revoke-key": partial(keys.revoke, back=back),
        "end-sign-in": partial(sign_ins.end, back=back),
        "end-all-sign-ins": partial(sign_ins.end_all, back=back),
        "change-password": _change_password,
    }


def _show(
    request: HttpRequest,
    account: User,
    *,
    problem: Problem | None = None,
    status: int = 200,
    **more: Any,
) -> HttpResponseBase:
    context = {
        "account": account,
        "reason": reason_of(account),
        "kind": KINDS[account.sign_in_method],
        "may_change_password": own_password.may_change(account),
        "password_rule": rule(),
        "problem": problem,
        **keys.context(request, account, may_make=True),
        **sign_ins.context(request, account),
        **more,
    }
    return render(request, "accounts/account.html", context, title="My account", status=status)


def _change_password(request: HttpRequest, account: User) -> HttpResponseBase:
    changed = own_password.change(
        user=account,
        old=request.POST.get("old_password", ""),
        new=new_password(request),
    )
    update_session_auth_hash(request, changed)  # this browser stays signed in
    messages.success(request, "The password is changed. Other sign-ins of yours have ended.")
    return HttpResponseRedirect(reverse("console:account"))
