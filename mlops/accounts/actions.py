"""Changes to accounts; commands and pages call these."""

from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.db import transaction

from mlops.accounts import tokens
from mlops.accounts.audit import record
from mlops.accounts.models import User
from mlops.accounts.serving import operator
from mlops.errors import InvalidRequest, NotFound

LOCAL_ADMINISTRATOR = "admin"


def set_password(*, username: str, password: str) -> User:
    """The user `username` with the new password, every token and browser session of theirs dead.

    The local administrator is created when absent. Raises NotFound for any other unknown user and
    InvalidRequest for a password that breaks the rule.
    """
    user = User.objects.filter(username=username).first()
    if user is None:
        if username != LOCAL_ADMINISTRATOR:
            raise NotFound(f"There is no user named {username!r}.")
        user = User(username=username, is_staff=True, is_superuser=True)
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
