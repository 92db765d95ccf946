"""A connection that a thread uses again and again."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.db import DatabaseError, close_old_connections, connection, transaction

from mlops.database import kept_connection

pytestmark = pytest.mark.django_db(transaction=True)


def in_a_thread[Result](task: Callable[[], Result]) -> Result:
    raise NotImplementedError
