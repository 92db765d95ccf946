"""Those who guess passwords are held back, the innocent are not.

Attempts that fail spend budgets, which come back with time: that of the user at this address, that
of the address, and that of the user at all addresses. While one of them is used up, passwords are
not looked at. Who has signed in with this name from this address lately has the first budget only:
no stranger can keep them out.

Budgets are in the database, for all web nodes. They know users by a keyed hash of the name, since
people type passwords into the wrong field, and unknown names are counted like known ones.
"""

import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import IPv6Address, ip_address, ip_network
from math import ceil

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.crypto import salted_hmac

from mlops.accounts.models import SignInBudget
from mlops.errors import TooManySignIns

FAMILIAR_FOR = timedelta(days=30)
MAX_ROWS = 100_000


@dataclass(frozen=True, slots=True)
class Limit:
    """So many attempts may fail at once, then one more each `every`."""

    n_attempts: int
    every: timedelta

    def wait(self, restored_at: datetime, now: datetime) -> timedelta:
        """For how long no attempt is left; not positive when there is one."""
        return restored_at - now - (self.n_attempts - 1) * self.every


_Key = tuple[str, str]  # user_key, address

# One address alone never fills the budget of a user, nor do typing errors that of an office.
USER_AT_ADDRESS = Limit(5, timedelta(minutes=3))
ADDRESS = Limit(100, timedelta(seconds=10))
USER = Limit(100, timedelta(seconds=10))


def limit_of(budget: SignInBudget) -> Limit:
    """What holds for this one."""
    if not budget.user_key:
        return ADDRESS
    return USER_AT_ADDRESS if budget.address else USER


class Attempt:
    """One attempt to sign in."""

    def __init__(self, username: str, address: str) -> None:
        user, place = user_key(username), network_of(address)
        self._own: _Key = (user, place)
        self._keys: list[_Key] = [self._own, ("", place), (user, "")]

    def admit(self) -> None:
        """Raise TooManySignIns when it may not be made, or its outcome not be told.

        Asked before the password is checked and after: many at once learn no more than one by one.
        """
        now = timezone.now()
        _refuse_if_spent(self._counting(self._stored(), now), now)

    def failed(self) -> timedelta:
        """Spend one attempt; for how long none is left, not positive when there is one.

        Raises TooManySignIns when others have spent the last one meanwhile.
        """
        now = timezone.now()
        with transaction.atomic():
            # Every attempt makes missing rows in this order and locks rows in that of their keys,
            # so that none waits for another one that waits for it.
            SignInBudget.objects.bulk_create(
                [SignInBudget(user_key=u, address=a, restored_at=now) for u, a in self._keys],
                ignore_conflicts=True,
            )
            counting = self._counting(self._stored().select_for_update().order_by("pk"), now)
            _refuse_if_spent(counting, now)
            for budget in counting:
                budget.restored_at = max(budget.restored_at, now) + limit_of(budget).every
                budget.save(update_fields=["restored_at"])
            return _longest_wait(counting, now)

    def succeeded(self) -> None:
        """The user is familiar here, and what has failed here before counts no more."""
        now = timezone.now()
        user, place = self._own
        SignInBudget.objects.update_or_create(
            user_key=user,
            address=place,
            defaults={"restored_at": now, "familiar_until": now + FAMILIAR_FOR},
        )

    def _stored(self) -> QuerySet[SignInBudget]:
        user, place = self._own
        return SignInBudget.objects.filter(user_key__in=(user, ""), address__in=(place, ""))

    def _counting(self, budgets: Iterable[SignInBudget], now: datetime) -> list[SignInBudget]:
        """Those of the budgets that hold for this attempt."""
        found = list(budgets)
        own = [each for each in found if (each.user_key, each.address) == self._own]
        is_familiar = any(each.familiar_until and each.familiar_until > now for each in own)
        return own if is_familiar else found


def user_key(username: str) -> str:
    """By what a name is known here; spellings that directories take for the same name are one."""
    letters = unicodedata.normalize("NFKD", username.casefold())
    # Active Directory sees no accents, and no directory what cannot be seen.
    plain = (each for each in letters if unicodedata.category(each) not in {"Mn", "Cf"})
    text = " ".join("".join(plain).casefold().split()).encode(errors="surrogatepass")
    return salted_hmac("mlops.sign_in", text, algorithm="sha256").hexdigest()


def network_of(address: str) -> str:
    """What counts as one address: an IPv6 subscriber has a whole /64."""
    try:
        parsed = ip_address(address.partition("%")[0])
    except ValueError:
        return "unknown"
    if not isinstance(parsed, IPv6Address):
        return str(parsed)
    if parsed.ipv4_mapped:
        return str(parsed.ipv4_mapped)
    return str(ip_network((parsed, 64), strict=False))


def _refuse_if_spent(budgets: Iterable[SignInBudget], now: datetime) -> None:
    wait = _longest_wait(budgets, now)
    if wait > timedelta():
        raise TooManySignIns(ceil(wait.total_seconds()))


def _longest_wait(budgets: Iterable[SignInBudget], now: datetime) -> timedelta:
    waits = (limit_of(budget).wait(budget.restored_at, now) for budget in budgets)
    return max(waits, default=timedelta())


def forget(now: datetime) -> int:
    """Delete budgets that are whole and familiar to nobody, and those beyond MAX_ROWS."""
    lapsed = SignInBudget.objects.filter(restored_at__lt=now).exclude(familiar_until__gt=now)
    n_deleted, _ = lapsed.delete()
    n_beyond = SignInBudget.objects.count() - MAX_ROWS
    if n_beyond > 0:
        # A flood from everywhere. Who is familiar has signed in, and stays.
        strangers = SignInBudget.objects.filter(familiar_until=None).order_by("restored_at")
        beyond = strangers.values("pk")[:n_beyond]
        n_deleted += SignInBudget.objects.filter(pk__in=beyond).delete()[0]
    return n_deleted
