"""Browser sessions of the console, however their user signed in."""

from django.contrib.auth.signals import user_logged_in, user_logged_out
from django.dispatch import receiver
from django.http import HttpRequest

from mlops.accounts import serving
from mlops.accounts.audit import record
from mlops.accounts.models import User


@receiver(user_logged_in)
def keep_login(request: HttpRequest, **kwargs: object) -> None:  # noqa: ARG001 - a signal's signature
    """The browser session belongs to the login that began with this request."""
    serving.keep_in(request.session)


@receiver(user_logged_out)
def record_sign_out(user: User | None, **kwargs: object) -> None:  # noqa: ARG001 - a signal's signature
    """The audit trail has it; not when nobody was signed in."""
    if user is not None:
        record("sign out", user=user)
