"""A service for a test alone: under a name that nobody can guess, closed to all but Owners and whom
it is for, and deleted whatever becomes of the test."""

import logging
import secrets
from collections.abc import Iterator
from contextlib import contextmanager

from django.db import transaction

from mlops.accounts.models import User
from mlops.accounts.roles import Role, require_role
from mlops.errors import NotFound
from nodes.models import Runtime
from services.actions.delete import delete_version
from services.actions.publish import publish_version
from services.actions.set_grants import set_grants
from services.catalogue import PublishedVersion
from services.grants import CONSUME, USER, Grant
from services.leftovers import PREFIX
from services.schema import Definition, Parameter

logger = logging.getLogger(__name__)

VERSION = "1"
INPUTS = b'{"x": 41}'
ANSWER = 42


@contextmanager
def temporary_service(*, user: User, runtime: str = Runtime.PYTHON) -> Iterator[PublishedVersion]:
    """A version that answers its input `x` plus 1, published by the Owner `user`."""
    require_role(user, Role.OWNER)
    name = f"{PREFIX}{secrets.token_hex(16)}"
    definition = Definition(
        code="answer = x + 1",
        runtime_type=runtime,
        inputs=[Parameter("x", "numeric")],
        outputs=[Parameter("answer", "numeric")],
        description="Published by a test, which deletes it.",
    )
    try:
        with transaction.atomic():  # nobody sees it open
            version = publish_version(user=user, name=name, version=VERSION, definition=definition)
            set_grants(user=user, name=name, grants=[Grant(CONSUME, USER, user.username)])
        yield PublishedVersion.of(version)
    finally:
        _delete(user, name)


def _delete(user: User, name: str) -> None:
    try:
        with transaction.atomic():
            set_grants(user=user, name=name, grants=[])
            delete_version(user=user, name=name, version=VERSION)
    except NotFound:  # it was never published
        logger.info("There is nothing of %s to delete.", name)
