"""Asking every page of the console, and noting how long the server took."""

import os
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from statistics import median
from typing import Any

from django.db import connection, models
from django.http import HttpResponseBase
from django.test import Client
from django.urls import URLPattern, reverse

from mlops.accounts.models import User
from mlops.console.site import site
from nodes.models import NodeEntry, NodeHealth, Session
from services.models import Batch, Draft, Service, Version
from tests.benchmarks.rounds import say
from tests.mlops.console.browser import signed_in

TIMES = 5
TOO_SLOW = 200  # ms
_LIVE = {"HX-Request": "true", "X-Live": "1"}
_LAST_PAGE = 1000  # where a list does not count its rows
_LEFT_OUT = {"login", "logout", "provider_sign_in", "provider_answer"}


@dataclass(frozen=True)
class Measured:
    """One page: its address, what it answered, its times in ms and its queries."""

    address: str
    status: int
    times: list[float]
    cpu_times: list[float]  # of this process alone
    n_queries: int
    size: int  # bytes

    @property
    def is_slow(self) -> bool:
        return median(self.cpu_times) > TOO_SLOW

    def row(self) -> str:
        """Its line of the table."""
        mark = " **slow**" if self.is_slow else ""
        times = f"{median(self.times):.0f} | {max(self.times):.0f}"
        cpu = f"{median(self.cpu_times):.0f}{mark}"
        return f"| `{self.address}` | {self.status} | {times} | {cpu} | {self.n_queries} |"


def measured(*, only: str = "") -> list[Measured]:
    """All pages that are there, whoever has added them."""
    browser = signed_in("admin")
    browser.raise_request_exception = False
    addresses = [each for each in _addresses(browser) if only in each[1]]
    done = []
    for name, address in addresses:
        page = _measure(browser, address)
        if page.status == HTTPStatus.METHOD_NOT_ALLOWED:
            continue
        done.append(page)
        say(f"{median(done[-1].times):7.0f} ms {done[-1].n_queries:4} {name}: {address}")
    return done


def _measure(browser: Client, address: str) -> Measured:
    headers = _LIVE if "part=" in address else {}
    queries: list[str] = []

    def count(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        queries.append(sql)
        return execute(sql, params, many, context)

    with connection.execute_wrapper(count):
        _ask(browser, address, headers)
    times, cpu_times = [], []
    for _ in range(TIMES):
        began, cpu_began = time.perf_counter(), time.process_time()
        answer, size = _ask(browser, address, headers)
        times.append((time.perf_counter() - began) * 1000)
        cpu_times.append((time.process_time() - cpu_began) * 1000)
    return Measured(address, answer.status_code, times, cpu_times, len(queries), size)


def _ask(browser: Client, address: str, headers: Mapping[str, str]) -> tuple[HttpResponseBase, int]:
    """The answer and its bytes; of what is streamed no more than the first piece."""
    answer: Any = browser.get(address, headers=headers)
    if answer.streaming:
        size = len(next(iter(answer.streaming_content), b""))
        answer.close()
        return answer, size
    return answer, len(answer.content)


def _addresses(browser: Client) -> Iterator[tuple[str, str]]:
    """The routes of the console with arguments; lists searched, filtered and at their end too."""
    for pattern in site.get_urls():
        if isinstance(pattern, URLPattern) and pattern.name and pattern.name not in _LEFT_OUT:
            yield from _of_page(pattern)
    for model, admin in site._registry.items():
        app, name = model._meta.app_label, model._meta.model_name
        for route in admin.get_urls():
            if not isinstance(route, URLPattern) or not route.name:
                continue
            if route.name == f"{app}_{name}_changelist":
                yield from _of_list(browser, reverse(f"console:{route.name}"))
            elif route.name == f"{app}_{name}_change":
                row = model._default_manager.order_by("-pk").first()
                if row is not None:
                    yield route.name, reverse(f"console:{route.name}", args=[row.pk])
            elif not route.pattern.converters and not route.name.endswith("_add"):
                yield route.name, reverse(f"console:{route.name}")


def _of_page(pattern: URLPattern) -> Iterator[tuple[str, str]]:
    values = {}
    for argument in pattern.pattern.converters:
        value = _argument(argument, str(pattern.pattern))
        if value is None:
            say(f"        No value for {argument} of {pattern.pattern}: not asked.")
            return
        values[argument] = value
    name = str(pattern.name)
    if name in ("app_list", "view_on_site", "password_change", "autocomplete", "jsi18n"):
        return
    address = reverse(f"console:{name}", kwargs=values)
    yield name, address
    for query in _QUERIES.get(name, ()):
        yield name, f"{address}?{query}"


# What pages need to be told, or can be.
_QUERIES = {
    "nodes_drain": ("entry=http://10.1.0.1:12805/",),
    "nodes_resume": ("entry=http://10.1.0.1:12805/",),
    "nodes_remove": ("entry=http://10.1.0-3.1-250:12805/",),
    "index": ("span=1h", "span=7d", "span=30d", "part=now", "part=charts&span=30d"),
    "search": ("s=churn",),
}


def _argument(name: str, route: str) -> Any:
    """Something that a route can be about; the busiest there is."""
    version = Version.objects.filter(runtime_type="Python").order_by("pk").first()
    assert version
    things: dict[str, Any] = {
        "name": version.name,
        "service": version.name,
        "version": version.version,
        "version_id": version.pk,
        "other": version.version,
    }
    admin = User.objects.get(username="admin")
    if name == "draft_id":
        return Draft.objects.get_or_create(owner=admin, based_on=version, is_edit=True)[0].pk
    models_of: dict[str, type[models.Model]] = {
        "batch": Batch,
        "session": Session,
        "node": NodeHealth,
        "entry": NodeEntry,
        "user": User,
        "person": User,
        "people": User,
        "service": Service,
        "version": Version,
    }
    if name in things and not (name == "name" and "node" in route):
        return things[name]
    for part, model in models_of.items():
        if part in name or (name in ("pk", "id", "object_id") and part in route):
            rows = model._default_manager.all()
            if model is Batch:
                rows = rows.order_by("-n_items")  # type: ignore[assignment]
            row = rows.first()
            if row is None:
                return None
            if name in ("address", "node") and "<str" in route:
                return row.address  # type: ignore[attr-defined]
            if name in ("username", "user", "person") and "<str" in route:
                return row.username  # type: ignore[attr-defined]
            return row.pk
    return None


def _of_list(browser: Client, address: str) -> Iterator[tuple[str, str]]:
    yield "list", address
    answer = browser.get(address)
    changes = (getattr(answer, "context_data", None) or {}).get("cl")
    if changes is None:
        return
    if changes.search_fields:
        yield "list, searched", f"{address}?q=churn-00"
    for spec in changes.filter_specs:
        for choice in list(spec.choices(changes))[1:2]:
            if query := choice.get("query_string"):
                yield "list, filtered", f"{address}{query}"
    for place in range(1, len(changes.list_display)):
        if changes.get_ordering_field(changes.list_display[place]):
            yield "list, sorted", f"{address}?o={place}"
    last = min(getattr(changes.paginator, "num_pages", 1), _LAST_PAGE)
    if last > 1:
        yield "list, last page", f"{address}?p={last}"


def report(where: str, database: str, counts: Mapping[str, int], pages: list[Measured]) -> str:
    """The table, the slowest page first."""
    there = ", ".join(f"{number:,} {name}" for name, number in counts.items())
    n_slow = sum(page.is_slow for page in pages)
    rows = [page.row() for page in sorted(pages, key=lambda page: -median(page.cpu_times))]
    name = {"sqlite": "SQLite", "postgresql": "PostgreSQL"}[database]
    return "\n".join(
        [
            f"{name}. {where}. There are {there}.",
            f"{len(pages)} pages, {n_slow} of them over {TOO_SLOW} ms of CPU. Load of the machine"
            f" at the end: {os.getloadavg()[0]:.1f}.",
            "",
            "| page | status | median ms | worst ms | CPU ms | queries |",
            "| --- | ---: | ---: | ---: | ---: | ---: |",
            *rows,
        ]
    )
