"""Signing in with a user name and a password: one function for `POST /login` and the console."""

import logging
from datetime import timedelta

from django.contrib.auth import authenticate
from django.contrib.auth.models import update_last_login
from django.db import transaction
from django.http import HttpRequest
from django.views.decorators.debug import sensitive_variables

from mlops.accounts import audit, serving
from mlops.accounts.models import User
from mlops.accounts.sign_in import methods
from mlops.accounts.sign_in.entra.provider import provider
from mlops.accounts.sign_in.local import opens_the_glass
from mlops.accounts.sign_in.throttle import Attempt, network_of
from mlops.errors import NotSignedIn

logger = logging.getLogger(__name__)

BAD_CREDENTIALS = "The user name or the password is wrong."
_ACTION = "sign in"


@sensitive_variables("password")
def sign_in(request: HttpRequest | None, *, username: str, password: str) -> User:
    """The user, whose password the method in force has checked.

    Raises NotSignedIn for wrong credentials and DirectoryUnavailable when they could not be
    checked, which are never mistaken for each other; TooManySignIns when they were not looked at.
    """
    address = request.META.get("REMOTE_ADDR", "") if request else ""
    attempt = Attempt(username, address)
    attempt.admit()
    # Django hashes once for unknown and inactive users too, so time tells nothing.
    try:
        user = authenticate(request, username=username, password=password)
    except NotSignedIn as error:  # the password was right, but the entry is of no use here
        audit.record(_ACTION, user="", outcome=audit.REFUSED, reason=error.message)
        raise
    if not isinstance(user, User):
        _note_failure(attempt, username, address)
        raise NotSignedIn(_refusal(username))
    attempt.admit()
    with transaction.atomic():
        attempt.succeeded()
        serving.begin_login()
        update_last_login(User, user)
        audit.record(_ACTION, user=user)
    return user


def _refusal(username: str) -> str:
    """What to tell whoever came with a password in vain."""
    if methods.of_people() != methods.ENTRA or opens_the_glass(username):
        return BAD_CREDENTIALS
    entra = provider().entra
    how = (
        f" A terminal gets one by: python -m mlops_sign_in --authority {entra.authority}"
        f" --client-id {entra.client_id} --audience {entra.audience} FILE"
    )
    return (
        f"People sign in with {entra.label} here, not with a password: send an access token from"
        f" there as the bearer token.{how if entra.client_id else ''}"
    )


def _note_failure(attempt: Attempt, username: str, address: str) -> None:
    """Count the failed attempt and enter it into the trail.

    Attempts that are held back are no entries: the last one before them says that they are.
    """
    # What is no user's name may be a password, typed into the wrong field.
    known = User.objects.filter(username__iexact=username).first()
    with transaction.atomic():
        wait = attempt.failed()
        is_last = wait > timedelta()
        reason = (
            f"{BAD_CREDENTIALS} Further attempts are held back." if is_last else BAD_CREDENTIALS
        )
        audit.record(_ACTION, user=known or "", outcome=audit.REFUSED, reason=reason)
    if is_last:
        logger.warning(
            "Too many attempts to sign in from %s have failed: further ones are held back for"
            " %d seconds.",
            network_of(address),
            wait.total_seconds(),
        )
