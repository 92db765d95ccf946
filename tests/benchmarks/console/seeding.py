"""A large installation in an empty database."""

import io
import random
import re
import uuid
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from itertools import islice
from typing import Any

from django.contrib.auth.models import Group
from django.contrib.sessions.models import Session as BrowserSession
from django.core.management import call_command
from django.db import connection, models, transaction
from django.utils import timezone

from mlops.accounts.models import AuditEntry, RefreshToken, TokenFamily, User
from mlops.accounts.session_store import SessionStore
from nodes.models import NodeDrain, NodeEntry, NodeHealth, NodeUsage, Session, Snapshot
from nodes.usage.recording import COLUMNS as NODE_COLUMNS
from services.models import (
    Batch,
    BatchInput,
    BatchResult,
    DedicatedPool,
    Service,
    Usage,
    Version,
)
from services.usage.recording import COLUMNS
from tests.benchmarks.console.usage_rows import N_REQUESTS, Traffic, node_rows
from tests.benchmarks.rounds import say
from tests.conftest import PASSWORD

N_SERVICES, N_VERSIONS, N_NODES, N_BATCHES = 3000, 10_000, 1000, 100_000
N_ENTRIES, N_USERS, N_SESSIONS, N_ITEMS = 100_000, 2000, 1000, 10_000
_KEYS = ("of", "resolution", "minute")
_CODE = "\n".join(f"feature_{line} = model.transform(inputData, {line})" for line in range(60))
_SUBJECTS = ("churn", "fraud", "price", "demand", "risk", "route", "scan", "text", "bid", "cost")


def seeded(scale: float) -> dict[str, int]:
    """How many rows of which kind there are; made unless they are there already."""
    call_command("migrate", verbosity=0)
    if not User.objects.filter(username="admin").exists():
        _seed(scale)
    kinds: list[type[models.Model]] = [
        *(Service, Version, NodeHealth, Batch, AuditEntry, User, Session, Usage, NodeUsage)
    ]
    return {str(kind._meta.verbose_name_plural): kind._default_manager.count() for kind in kinds}


def _seed(scale: float) -> None:
    now, chance = timezone.now(), random.Random(7)
    with _given_times(Service, Version, Batch, Session, NodeEntry):
        say("Accounts")
        users = _users(int(N_USERS * scale), now)
        say("Versions")
        versions = _versions(int(N_VERSIONS * scale), int(N_SERVICES * scale), chance, now)
        say("Nodes")
        nodes = _nodes(max(10, int(N_NODES * scale)), chance, now)
        say("Batches")
        _batches(int(N_BATCHES * scale), versions, users, chance, now)
        say("Sessions and the audit trail")
        _sessions(int(N_SESSIONS * scale), users, nodes, chance, now)
    _audit(int(N_ENTRIES * scale), versions, users, chance, now)
    say("Recorded figures")
    names = [(version.service.name, version.version) for version in versions]
    traffic = Traffic(names, nodes, int(N_REQUESTS * scale), now)
    _insert(Usage, (*_KEYS, *COLUMNS), traffic.rows())
    _insert(NodeUsage, (*_KEYS, *NODE_COLUMNS), node_rows(nodes, now))
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")


@contextmanager
def _given_times(*kinds: type[models.Model]) -> Iterator[None]:
    """Times that are given are kept, instead of now."""
    fields: list[Any] = [
        field for kind in kinds for field in kind._meta.fields if hasattr(field, "auto_now_add")
    ]
    before = [(field.auto_now, field.auto_now_add) for field in fields]
    for field in fields:
        field.auto_now = field.auto_now_add = False
    yield
    for field, (now, now_add) in zip(fields, before, strict=True):
        field.auto_now, field.auto_now_add = now, now_add


def _create(rows: Iterable[Any]) -> None:
    waiting = iter(rows)
    while some := list(islice(waiting, 2000)):
        type(some[0])._default_manager.bulk_create(some)


def _insert(kind: type[models.Model], columns: Sequence[str], rows: Iterable[Any]) -> None:
    table = connection.ops.quote_name(kind._meta.db_table)
    names = ", ".join(f'"{name}"' for name in columns)
    waiting = iter(rows)
    if connection.vendor == "postgresql":
        with transaction.atomic(), connection.cursor() as cursor:
            while some := list(islice(waiting, 50_000)):
                text = io.StringIO("".join("\t".join(map(str, row)) + "\n" for row in some))
                cursor.copy_expert(f"COPY {table} ({names}) FROM STDIN", text)
        return
    with connection.cursor() as cursor, _indexed_later(cursor, table.strip('"')):
        places = ", ".join(["%s"] * len(columns))
        insert = f"INSERT INTO {table} ({names}) VALUES ({places})"  # noqa: S608 - our names
        while some := list(islice(waiting, 200_000)):
            with transaction.atomic():
                cursor.executemany(insert, some)


@contextmanager
def _indexed_later(cursor: Any, table: str) -> Iterator[None]:
    """SQLite makes the table's indexes at the end, which takes a tenth of the time."""
    cursor.execute("PRAGMA synchronous=OFF")
    cursor.execute("SELECT sql FROM sqlite_master WHERE name = %s", [table])
    (sql,) = cursor.fetchone()
    cursor.execute(
        "SELECT sql FROM sqlite_master WHERE tbl_name = %s AND type = 'index' AND sql NOT NULL",
        [table],
    )
    indexes = [index for (index,) in cursor.fetchall()]
    unique = re.search(r', CONSTRAINT "(\w+)" UNIQUE (\([^)]*\))', sql)
    assert unique, sql
    cursor.execute(f'DROP TABLE "{table}"')
    cursor.execute(sql.replace(unique[0], ""))
    yield
    for index in [*indexes, f'CREATE UNIQUE INDEX "{unique[1]}" ON "{table}" {unique[2]}']:
        cursor.execute(index)


def _users(number: int, now: datetime) -> list[User]:
    admin = User.objects.create_superuser("admin", password=PASSWORD)
    group = Group.objects.create(name="data-scientists")
    _create(User(username=f"user-{n:04}", password="!", last_login=now) for n in range(number))
    users = list(User.objects.exclude(pk=admin.pk).order_by("pk"))
    group.user_set.set(users)  # type: ignore[attr-defined]
    return users


def _versions(number: int, n_services: int, chance: random.Random, now: datetime) -> list[Version]:
    names = [f"{_SUBJECTS[n % len(_SUBJECTS)]}-{n:04}" for n in range(n_services)]
    closed = [{"right": "consume", "kind": "group", "name": "some-team"}]
    _create(
        Service(name=n, created_at=now, grants=closed if i % 20 == 0 else [])
        for i, n in enumerate(names)
    )
    services = list(Service.objects.order_by("pk"))
    parameters = [{"name": f"x{n}", "type": "numeric"} for n in range(8)]

    def version(place: int) -> Version:
        created = now - timedelta(minutes=chance.uniform(0, 400 * 24 * 60))
        runtime = ("Python", "Python", "R", "Realtime")[place % 4]
        return Version(
            service=services[place % n_services],
            version=f"v{1 + place // n_services}.{place % 7}",
            created_at=created,
            updated_at=min(now, created + timedelta(hours=chance.choice([0, 0, 0, 30]))),
            published_by=f"user-{place % 50:04}",
            runtime_type=runtime,
            code=None if runtime == "Realtime" else _CODE,
            description=f"Predicts {services[place % n_services].name} for region {place % 17}.",
            input_parameters=parameters,
            output_parameters=[{"name": "answer", "type": "numeric"}],
            bundle_id=uuid.UUID(int=place).hex * 2,
        )

    _create(version(place) for place in range(number))
    versions = list(Version.objects.select_related("service").defer("code").order_by("pk"))
    _create(DedicatedPool(version=each, initial_size=2, max_size=4) for each in versions[::100])
    return versions


def _nodes(number: int, chance: random.Random, now: datetime) -> list[str]:
    per_row = -(-number // 4)
    entry = NodeEntry.objects.create(uri=f"http://10.1.0-3.1-{per_row}:12805/", created_at=now)
    addresses = [
        f"http://10.1.{row}.{place}:12805/" for row in range(4) for place in range(1, per_row + 1)
    ]
    NodeDrain.objects.create(uri=addresses[7], by="admin")

    def node(place: int, address: str) -> NodeHealth:
        state, reason = "ready", ""
        if place % 50 == 1:
            state, reason = "down", "Connection refused."
        elif place % 33 == 2:
            state, reason = "degraded", "Every shell is in use: R."
        return NodeHealth(
            address=address,
            state=state,
            reason=reason,
            since=now - timedelta(hours=chance.uniform(0, 400)),
            last_probe_at=now + timedelta(days=1),  # nobody looks while it is measured
            last_seen_at=now,
            latencies=[round(chance.uniform(0.5, 4), 1) for _ in range(20)],
            report=_report(place),
        )

    _create(node(place, address) for place, address in enumerate(addresses))
    assert entry.pk
    return addresses


def _report(place: int) -> dict[str, Any]:
    def pool(busy: int, shells: int) -> dict[str, Any]:
        return {
            "available": True,
            "reason": "",
            "maxPoolSize": 80,
            "currentPoolSize": shells,
            "activeShellCount": busy,
            "canOpenShell": True,
        }

    loaded = [uuid.UUID(int=place * 10 + n).hex * 2 for n in range(20)]
    return {
        "version": "0.1.0",
        "runtimes": {"Python": pool(place % 5, 8), "R": pool(place % 2, 4)},
        "pools": [
            {
                "bundle": bundle,
                "pool": None,
                "status": "Success",
                "reason": "",
                "initialSize": 2,
                "maxSize": 4,
            }
            for bundle in loaded[:5]
        ],
        "sessions": place % 3,
        "isolation": {"level": "sandbox"},
        "load": {"running": place % 5, "queued": 0},
        "capacity": 8,
        "memory": {"nodeBytes": 200_000_000, "shellBytes": 1_500_000_000},
        "loaded": loaded,
        "nLoaded": 20,
        "logPath": "/var/log/mlops/computenode.log",
    }


def _batches(
    number: int,
    versions: Sequence[Version],
    users: Sequence[User],
    chance: random.Random,
    now: datetime,
) -> None:
    def batch(place: int) -> Batch:
        created = now - timedelta(minutes=chance.uniform(0, 30 * 24 * 60))
        n_items = chance.choice([10, 100, 1000])
        is_running, is_broken = place % 1000 == 0, place % 97 == 0
        return Batch(
            version=versions[int(chance.triangular(0, len(versions), 0))],
            owner=users[place % min(200, len(users))],
            parallel_count=10,
            n_items=n_items,
            n_completed=n_items // 3 if is_running or is_broken else n_items,
            created_at=created,
            ready_at=created,
            started_at=created,
            finished_at=None if is_running else created + timedelta(seconds=n_items / 10),
            error="The version was deleted." if is_broken and not is_running else "",
        )

    _create(batch(place) for place in range(number))
    largest = Batch.objects.filter(finished_at=None).order_by("-created_at").first()
    assert largest
    n_items = min(N_ITEMS, number)
    Batch.objects.filter(pk=largest.pk).update(n_items=n_items, n_completed=n_items * 9 // 10)
    _create(BatchInput(batch=largest, index=n, body=b'{"x0":%d}' % n) for n in range(n_items))
    body = b'{"success":%s,"errorMessage":"","consoleOutput":"","changedFiles":[],'
    body += b'"outputParameters":{"answer":1},"outputFiles":{}}'
    results = (body % (b"false" if n % 50 == 0 else b"true") for n in range(n_items * 9 // 10))
    _create(
        BatchResult(batch=largest, index=n, size=len(text), body=text)
        for n, text in enumerate(results)
    )


def _sessions(
    number: int,
    users: Sequence[User],
    nodes: Sequence[str],
    chance: random.Random,
    now: datetime,
) -> None:
    def at(hours: float) -> datetime:
        return now - timedelta(hours=chance.uniform(0, hours))

    _create(
        Session(
            owner=users[n % len(users)],
            name=f"analysis {n}",
            runtime=("Python", "R")[n % 2],
            node=nodes[n % len(nodes)],
            created_at=at(24),
            last_used_at=at(1),
        )
        for n in range(number)
    )
    families = [
        TokenFamily(
            user=users[n % len(users)],
            login_session_id=uuid.uuid4().hex,
            access_id=uuid.uuid4(),
            key_id="k",
            signed_at=now,
            created_at=at(24 * 14),
        )
        for n in range(number * 5)
    ]
    _create(families)
    _create(
        RefreshToken(digest=uuid.uuid4().hex * 2, family=each, expires_at=now + timedelta(days=14))
        for each in families
    )
    _create(
        BrowserSession(
            session_key=uuid.uuid4().hex,
            session_data=SessionStore().encode({"_auth_user_id": str(users[n % len(users)].pk)}),
            expire_date=now + timedelta(hours=20),
        )
        for n in range(number // 2)
    )
    assert not Snapshot.objects.exists()


def _audit(
    number: int,
    versions: Sequence[Version],
    users: Sequence[User],
    chance: random.Random,
    now: datetime,
) -> None:
    def entry(place: int) -> AuditEntry:
        version = versions[chance.randrange(len(versions))]
        action = ("sign in", "sign in", "publish version", "change version", "start batch")[
            place % 5
        ]
        is_about = action != "sign in"
        return AuditEntry(
            at=now - timedelta(minutes=(number - place) * 365 * 24 * 60 / number),
            username=users[place % len(users)].username,
            action=action,
            object=f"{version.service.name}/{version.version}" if is_about else "",
            outcome="refused" if place % 50 == 0 else "success",
            before={"description": "old"} if action == "change version" else None,
            after={"description": "new", "codeHash": "0" * 64} if is_about else None,
            address="10.0.0.7",
            correlation_id=uuid.uuid4().hex,
        )

    _create(entry(place) for place in range(number))
