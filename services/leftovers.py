"""Temporary services (temporary.py) whose test was killed before it could delete them."""

import re
from datetime import datetime, timedelta

from django.db import transaction

from services.catalogue import begin_change
from services.models import Service, Version

PREFIX = "mlops-test-"
_NAME = re.compile(f"{PREFIX}[0-9a-f]{{32}}")
_LEFT_BEHIND = timedelta(minutes=70)  # longer than any test takes


def sweep(now: datetime) -> int:
    """Delete what tests have left behind that were killed; how many they were."""
    old = Version.objects.filter(
        service__name__startswith=PREFIX, created_at__lt=now - _LEFT_BEHIND
    ).values_list("service__name", flat=True)
    names = [name for name in old if _NAME.fullmatch(name)]
    with transaction.atomic():
        if names:
            begin_change()
            Service.objects.filter(name__in=names).delete()
    return len(names)
