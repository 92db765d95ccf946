"""Accounts of a directory, as they are remembered here."""

from dataclasses import dataclass

from django.db import IntegrityError, transaction
from django.utils import timezone

from mlops.accounts import audit, changes, tokens
from mlops.accounts.models import User
from mlops.accounts.serving import operator
from mlops.errors import Forbidden, NotFound


@dataclass(frozen=True, slots=True)
class DirectoryEntry:
    """What a directory says of one user."""

    username: str  # the unique name
    directory_id: str  # distinguished name or object id
    display_name: str
    email: str
    groups: frozenset[str]  # their names, as spelled there
    # `directory_id` is one person's for ever, while names are given to others or chosen freely.
    has_lasting_id: bool = False

    def may_be(self, user: User) -> bool:
        """Whether an account of this name and directory can be this person's."""
        return not self.has_lasting_id or user.directory_id in ("", self.directory_id)


def remember(method: str, entry: DirectoryEntry) -> User:
    """The account of this entry, brought up to date; made when it comes for the first time.

    Names compare without regard to case, and the account keeps the spelling it came with first, as
    it owns services by that. Raises Forbidden when an account of another kind, or of somebody else
    who had the name before, has it.
    """
    try:
        return _remembered(method, entry)
    except IntegrityError:  # it came for the first time at two places at once
        return _remembered(method, entry)


@transaction.atomic
def _remembered(method: str, entry: DirectoryEntry) -> User:
    user = _known(entry.username) or _new(entry.username, method)
    if user.sign_in_method != method:
        raise Forbidden(
            f"The name {user.username} belongs to a {user.get_sign_in_method_display()} "
            "account here: ask an administrator."
        )
    if not entry.may_be(user):
        raise Forbidden(
            f"The name {user.username} belongs to the account of somebody else who had it "
            "before: ask an administrator."
        )
    take_over(user, entry)
    return user


def _known(username: str) -> User | None:
    return User.objects.filter(username__iexact=username).first()


def _new(username: str, method: str) -> User:
    user = User(username=username, sign_in_method=method)
    user.set_unusable_password()
    return user


def release(username: str) -> User:
    """The account, which whoever signs in next by its name will have, with all it owns.

    For somebody whom the directory has made anew. Raises NotFound.
    """
    with transaction.atomic():
        user = User.objects.exclude(directory_id="").filter(username=username).first()
        if user is None:
            raise NotFound(f"There is no account of a directory named {username!r}.")
        before = {"directory id": user.directory_id}
        user.directory_id = ""
        user.is_active = False
        user.directory_read_at = timezone.now()  # only a sign-in from now on makes it another's
        user.set_unusable_password()  # ends browser sessions
        user.save()
        tokens.revoke_all(user)
        user.api_keys.all().delete()
        audit.record("release account", user=operator(), object=username, before=before)
        transaction.on_commit(changes.note)
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
