"""What an administrator sees of the attempts to sign in that are held back, and may do about it."""

from dataclasses import dataclass
from datetime import timedelta

from django.db import transaction
from django.utils import timezone

from mlops.accounts import audit
from mlops.accounts.models import SignInBudget, User
from mlops.accounts.sign_in.throttle import limit_of, network_of, user_key


@dataclass(frozen=True, slots=True)
class HeldBack:
    """Those who have to wait: users and addresses; "" stands for all."""

    username: str
    address: str
    wait: timedelta
    is_known: bool = False  # the name is an account's


def held_back() -> list[HeldBack]:
    """Who has to wait now, the longest wait first."""
    now = timezone.now()
    waits = {
        budget: limit_of(budget).wait(budget.restored_at, now)
        for budget in SignInBudget.objects.filter(restored_at__gt=now)
    }
    spent = {budget: wait for budget, wait in waits.items() if wait > timedelta()}
    keys = {budget.user_key for budget in spent} - {""}
    # Names are not stored: those of accounts are recognised, others stay unknown.
    names = {"": ""} | dict.fromkeys(keys, "unknown name")
    known = set()
    for username in User.objects.values_list("username", flat=True) if keys else ():
        if (key := user_key(username)) in keys:
            names[key] = username
            known.add(key)
    return sorted(
        (
            HeldBack(names[budget.user_key], budget.address, wait, budget.user_key in known)
            for budget, wait in spent.items()
        ),
        key=lambda each: each.wait,
        reverse=True,
    )


def clear(*, user: User, username: str = "", address: str = "") -> int:
    """Forget what has failed so far, of one user or address if named; how many had to wait."""
    now = timezone.now()
    budgets = SignInBudget.objects.filter(restored_at__gt=now)
    if username:
        budgets = budgets.filter(user_key=user_key(username))
    if address:
        budgets = budgets.filter(address__in={address, network_of(address)})
    with transaction.atomic():
        waits = [limit_of(budget).wait(budget.restored_at, now) for budget in budgets]
        budgets.update(restored_at=now)
        audit.record("clear failed sign-ins", user=user, object=f"{username} {address}".strip())
    return sum(wait > timedelta() for wait in waits)
