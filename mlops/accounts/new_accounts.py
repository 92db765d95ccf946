"""What all accounts have in common that are made here, for people and for applications."""

from collections.abc import Iterable, Mapping
from typing import Any

from django.contrib.auth.models import Group
from django.contrib.auth.validators import UnicodeUsernameValidator
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction

from mlops.accounts import audit
from mlops.accounts.models import User
from mlops.errors import Conflict, InvalidRequest

_MAX_NAME_LENGTH = 150
_MAX_DESCRIPTION_LENGTH = 256


def add(
    account: User,
    *,
    user: User,
    action: str,
    after: Mapping[str, Any],
    groups: Iterable[Group] = (),
) -> User:
    """The account, stored by `user`; raises Conflict when another one has the name."""
    name = account.username
    taken = Conflict(f"There is an account named {name} already.")
    try:
        with transaction.atomic():
            # Directories know no case, so that names that differ by it alone would be mistaken.
            if User.objects.filter(username__iexact=name).exists():
                raise taken
            account.save()
            account.groups.set(groups)
            audit.record(action, user=user, object=name, after=after)
    except IntegrityError:
        raise taken from None
    return account


def check(name: str, description: str, *, of_description: str = "description") -> None:
    """Nothing; raises InvalidRequest for what cannot be a name, or is no line of text."""
    try:
        UnicodeUsernameValidator()(name)
    except ValidationError:
        is_name = False
    else:
        is_name = 1 <= len(name) <= _MAX_NAME_LENGTH
    if not is_name:
        raise InvalidRequest(
            f"The name must have 1 to {_MAX_NAME_LENGTH} letters, digits, or any of @ . + - _.",
            fields="name",
        )
    if len(description) > _MAX_DESCRIPTION_LENGTH or not description.isprintable():
        raise InvalidRequest(
            f"The {of_description} must have {_MAX_DESCRIPTION_LENGTH} printable characters at"
            " most.",
            fields="description",
        )
