"""Changes to local accounts; commands and pages call these."""

from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.db import transaction

from mlops.accounts import browser_sessions, tokens
from mlops.accounts.audit import record
from mlops.accounts.models import BrokenGlass, User
from mlops.accounts.serving import operator
from mlops.accounts.sign_in import methods
from mlops.accounts.sign_in.methods import LOCAL_ADMINISTRATOR as LOCAL_ADMINISTRATOR
from mlops.errors import Conflict, InvalidRequest, NotFound


def set_password(*, username: str, password: str, user: User | None = None) -> User:
    """The user `username` with the new password, every token and browser session of theirs dead.

    `user` does it; without one, who runs the program. The local administrator is created when
    absent. Raises NotFound for any other unknown user,
    InvalidRequest for a password that breaks the rule or an account that has none here, and
    Conflict while people come from a directory, unless the glass is broken.
    """
    account = User.objects.filter(username=username).first()
    if account is None:
        if username != LOCAL_ADMINISTRATOR:
            raise NotFound(f"There is no user named {username!r}.")
        account = User(username=username, is_staff=True, is_superuser=True)
    _require_password_here(account)
    require_good_password(account, password)
    # Django ends browser sessions itself: they carry a hash of the password they began with.
    account.set_password(password)
    with transaction.atomic():
        account.save()
        tokens.revoke_all(account)
        record("set password", user=user or operator(), object=username)
    return account


def require_good_password(account: User, password: str) -> None:
    """Nothing; raises InvalidRequest for a password that breaks the rule."""
    try:
        validate_password(password, account)
    except ValidationError as error:
        raise InvalidRequest(" ".join(error.messages), fields="password") from None


def end_sign_ins(user: User) -> None:
    """End every login and every browser session of the user."""
    tokens.revoke_all(user)
    for session, _ in browser_sessions.of_user(user):
        session.delete()


def _require_password_here(user: User) -> None:
    if user.sign_in_method != methods.LOCAL:
        raise InvalidRequest(
            f"{user.username} is a {user.get_sign_in_method_display()} account: "
            "its password is not kept here."
        )
    is_off = methods.LOCAL not in methods.in_force()
    may_come = user.is_local_administrator and BrokenGlass.objects.open().exists()
    # The first start makes the account whatever the method is.
    if is_off and user.pk is not None and not may_come:
        raise Conflict(
            "People sign in with the directory, so that local accounts are off and their passwords "
            "stay as they are. In an emergency let admin in first: manage.py break_glass"
        )
