"""What the configuration test looks at beside nodes and services."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from django.conf import settings
from django.core.checks import CheckMessage, run_checks
from django.core.checks.messages import ERROR, WARNING
from django.db import connection, transaction
from django.db.migrations.executor import MigrationExecutor

from mlops.accounts.sign_in.status import authentication
from mlops.blobs import storage
from mlops.blobs.models import Blob
from mlops.checks import findings as own_checks
from mlops.diagnostics.findings import FAIL, PASS, WARN, Check, Finding, Outcome
from mlops.status import Status

_BLOB_BYTES = 64 * 1024
_GIGABYTE = 1024**3
_LITTLE, _NEARLY_NONE = 2 * _GIGABYTE, _GIGABYTE // 4  # of disk
_SKEW_SECONDS, _LARGE_SKEW_SECONDS = 5.0, 60.0

_OUTCOMES: dict[str, Outcome] = {"pass": PASS, "warn": WARN, "fail": FAIL}


def checks() -> list[Check]:
    """All of them, what the rest depends on first."""
    return [
        Check("settings", _settings),
        Check("database", _database),
        Check("blob storage", _blobs),
        Check("authentication", _authentication),
        Check("disk", _disk),
    ]


def _settings() -> Iterator[Finding]:
    messages: list[CheckMessage] = list(run_checks())
    known = {message.id for message in messages}
    messages += [each for each in own_checks(settings.HOST) if each.id not in known]
    serious = [message for message in messages if message.level >= WARNING]
    for message in serious:
        outcome = FAIL if message.level >= ERROR else WARN
        yield Finding(f"settings {message.id}", outcome, message.msg, message.hint or "")
    if not serious:
        yield Finding("settings", PASS, f"All system checks pass; logs are in {settings.LOG_DIR}.")


def _database() -> Iterator[Finding]:
    name = settings.DATABASES["default"]["NAME"]
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    yield Finding("database", PASS, f"{connection.vendor} answers; its name is {name}.")
    yield _migrations()
    with transaction.atomic():
        Blob.objects.create(saved_at=datetime.now(UTC))
        transaction.set_rollback(True)
    yield Finding("database is writable", PASS, "A row was written and rolled back.")
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT clock_timestamp()")
            (now,) = cursor.fetchone()
        yield skew("clock of the database", (datetime.now(UTC) - now).total_seconds())


def _migrations() -> Finding:
    executor = MigrationExecutor(connection)
    plan = executor.migration_plan(executor.loader.graph.leaf_nodes())
    if not plan:
        return Finding("migrations", PASS, "All are applied.")
    names = ", ".join(f"{migration.app_label}.{migration.name}" for migration, _ in plan)
    return Finding("migrations", FAIL, f"Not applied: {names}.", "Run manage.py migrate.")


def _blobs() -> Iterator[Finding]:
    content = os.urandom(_BLOB_BYTES)
    blob = storage.save([content])
    try:
        is_same = b"".join(storage.read(blob)) == content
    finally:
        storage.discard_finished(blob)
    if is_same and not Blob.objects.filter(pk=blob.pk).exists():
        yield Finding("blob storage", PASS, "64 KB were written, read back and deleted.")
    else:
        yield Finding("blob storage", FAIL, "What was written was not read back and deleted.")


def _authentication() -> Iterator[Finding]:
    state = authentication()
    reason = state.details.get("reason", "")
    for name, part in (state.components or {}).items():
        yield _of_method(name, part)
    if reason:
        yield Finding("authentication", WARN, str(reason), "See docs/sign-in.md.")


def _of_method(name: str, state: Status) -> Finding:
    reason = str(state.details.get("reason", ""))
    if state.code == "pass":
        where = str(state.details.get("host") or state.details.get("authority") or "")
        said = f"People can sign in{f' ({where} answers)' if where else ''}."
        return Finding(f"authentication {name}", PASS, said)
    advice = "manage.py directory shows where it goes wrong." if name == "ldap" else ""
    return Finding(f"authentication {name}", _OUTCOMES[state.code], reason, advice)


def _disk() -> Iterator[Finding]:
    seen: set[int] = set()
    for path in (settings.DATA_DIR, settings.LOG_DIR, Path(tempfile.gettempdir())):
        if not path.exists() or (device := path.stat().st_dev) in seen:
            continue
        seen.add(device)
        usage = shutil.disk_usage(path)
        message = f"{usage.free / _GIGABYTE:.1f} of {usage.total / _GIGABYTE:.1f} GB are free."
        outcome = FAIL if usage.free < _NEARLY_NONE else WARN if usage.free < _LITTLE else PASS
        advice = "" if outcome == PASS else "Make room, or move MLOPS_DATA_DIR to a larger disk."
        yield Finding(f"disk {path}", outcome, message, advice)


def skew(component: str, behind: float) -> Finding:
    """How it is with a clock that is so many seconds behind ours, or ahead."""
    seconds = abs(behind)
    if seconds <= _SKEW_SECONDS:
        return Finding(component, PASS, "It agrees with the clock of this machine.")
    outcome = FAIL if seconds > _LARGE_SKEW_SECONDS else WARN
    message = f"It differs by {seconds:.0f} seconds from the clock of this machine."
    return Finding(component, outcome, message, "Have both machines keep time with NTP (chrony).")
