"""Signing in with a user name and a password: one function for `POST /login` and the console."""

from django.contrib.auth import authenticate
from django.http import HttpRequest

from mlops.accounts.models import User
from mlops.errors import NotSignedIn

BAD_CREDENTIALS = "The user name or the password is wrong."


def sign_in(request: HttpRequest | None, *, username: str, password: str) -> User:
    """The user, whose password the method in force has checked.

    Raises NotSignedIn for wrong credentials and DirectoryUnavailable when they could not be
    checked, which are never mistaken for each other.
    """
    # Django hashes once for unknown and inactive users too, so time tells nothing.
    user = authenticate(request, username=username, password=password)
    if not isinstance(user, User):
        raise NotSignedIn(BAD_CREDENTIALS)
    return user
