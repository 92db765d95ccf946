"""Accounts of a directory, as they are remembered here."""

from dataclasses import dataclass

from django.db import IntegrityError, transaction
from django.utils import timezone

from mlops.accounts.models import User
from mlops.errors import Forbidden


@dataclass(frozen=True, slots=True)
class DirectoryEntry:
    """What a directory says of one user."""

    username: str  # the unique name
    directory_id: str  # distinguished name or object id
    display_name: str
    email: str
    groups: frozenset[str]  # their names, as spelled there


def remember(method: str, entry: DirectoryEntry) -> User:
    """The account of this entry, brought up to date; made when it comes for the first time.

    Names compare without regard to case, and the account keeps the spelling it came with first, as
    it owns services by that. Raises Forbidden when an account of another kind has the name.
    """
    try:
        with transaction.atomic():
            user = _known(entry.username) or _new(entry.username, method)
            if user.sign_in_method != method:
                raise Forbidden(
                    f"The name {user.username} belongs to a {user.get_sign_in_method_display()} "
                    "account here: ask an administrator."
                )
            take_over(user, entry)
    except IntegrityError:  # it came for the first time at two places at once
        user = User.objects.get(username__iexact=entry.username, sign_in_method=method)
        take_over(user, entry)
    return user


def _known(username: str) -> User | None:
    return User.objects.filter(username__iexact=username).first()


def _new(username: str, method: str) -> User:
    user = User(username=username, sign_in_method=method)
    user.set_unusable_password()
    return user


def take_over(user: User, entry: DirectoryEntry) -> None:
    """Note what the directory says of an account now."""
    user.directory_id = entry.directory_id
    user.display_name = entry.display_name
    user.email = entry.email
    user.directory_groups = sorted(entry.groups)
    user.directory_read_at = timezone.now()
    user.is_active = True
    user.save()
