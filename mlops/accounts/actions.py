"""Changes to local accounts; commands and pages call these."""

from django.contrib.auth import SESSION_KEY
from django.contrib.auth.password_validation import validate_password
from django.contrib.sessions.models import Session
from django.core.exceptions import ValidationError
from django.db import transaction

from mlops.accounts import tokens
from mlops.accounts.audit import record
from mlops.accounts.models import BrokenGlass, User
from mlops.accounts.serving import operator
from mlops.accounts.sign_in import methods
from mlops.accounts.sign_in.methods import LOCAL_ADMINISTRATOR as LOCAL_ADMINISTRATOR
from mlops.errors import Conflict, InvalidRequest, NotFound


def set_password(*, username: str, password: str) -> User:
    """The user `username` with the new password, every token and browser session of theirs dead.

    The local administrator is created when absent. Raises NotFound for any other unknown user,
    InvalidRequest for a password that breaks the rule or an account that has none here, and
    Conflict while people come from a directory, unless the glass is broken.
    """
    user = User.objects.filter(username=username).first()
    if user is None:
        if username != LOCAL_ADMINISTRATOR:
            raise NotFound(f"There is no user named {username!r}.")
        user = User(username=username, is_staff=True, is_superuser=True)
    _require_password_here(user)
    try:
        validate_password(password, user)
    except ValidationError as error:
        raise InvalidRequest(" ".join(error.messages), fields="password") from None
    # Django ends browser sessions itself: they carry a hash of the password they began with.
    user.set_password(password)
    with transaction.atomic():
        user.save()
        tokens.revoke_all(user)
        record("set password", user=operator(), object=username)
    return user


def end_sign_ins(user: User) -> None:
    """End every login and every browser session of the user."""
    tokens.revoke_all(user)
    for session in Session.objects.all().iterator():
        if session.get_decoded().get(SESSION_KEY) == str(user.pk):
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
