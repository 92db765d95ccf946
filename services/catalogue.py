"""The catalogue: what is published, as this web node has it in memory.

The scoring lane finds versions here without asking the database for each call. The picture is at
most a second old, and read at once for a name it lacks. Changes begin with `begin_change`, whose
stamp tells every web node with one small query whether its picture is still good.
"""

import asyncio
import logging
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass

from asgiref.sync import sync_to_async
from django.db import DatabaseError, transaction

from mlops.ahead import Ahead
from mlops.database import kept_connection
from mlops.errors import Busy, NotFound
from services.grants import Access
from services.models import CatalogueStamp, Version, VersionQuerySet
from services.schema import is_name

logger = logging.getLogger(__name__)

FRESH_SECONDS = 1.0
AGEING_SECONDS = 0.5  # from then on it is read again, in the background
# However many unknown names are asked for, they share one look at the database in this time.
MISS_SPACING_SECONDS = 0.05

_local_changes = 0


@dataclass(frozen=True, slots=True)
class PublishedVersion:
    """What scoring must know of a version, and of who may call it."""

    pk: int
    name: str
    version: str
    runtime: str
    bundle_id: str
    published_by: str
    access: Access | None  # whom the grants of its service name; None when it has none

    @classmethod
    def of(cls, row: Version) -> "PublishedVersion":
        """What the row says."""
        return cls(
            row.pk,
            row.service.name,
            row.version,
            row.runtime_type,
            row.bundle_id,
            row.published_by,
            row.access,
        )


class Catalogue:
    """All published versions, for one event loop; `clock` counts seconds and never goes back."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._versions: dict[tuple[str, str], PublishedVersion] = {}
        self._stamp: uuid.UUID | None = None
        self._is_filled = False
        self._changes = -1  # this process's own changes that the picture contains
        self._read_at = float("-inf")  # when the reading that gave this picture began
        self._n_begun = 0
        self._n_done = 0
        self._reading: asyncio.Task[None] | None = None
        self._ahead = Ahead()

    async def find(self, name: str, version: str) -> PublishedVersion | None:
        """The version, None when it is not published; Busy when nothing could ever be read."""
        next_reading = self._n_begun + 1
        if self._changes != _local_changes:
            # The reading under way, if there is one, may have looked before the change.
            await self._read_from(next_reading)
        elif not self._is_younger(FRESH_SECONDS):
            await self._read_shared()
        elif not self._is_younger(AGEING_SECONDS):
            self._ahead.begin(self._read_shared)
        found = self._versions.get((name, version))
        if found is None and is_name(name) and is_name(version):
            await self._read_from(next_reading)
            found = self._versions.get((name, version))
        if not self._is_filled:
            raise Busy("The published services cannot be read from the database at the moment.")
        return found

    def _is_younger(self, seconds: float) -> bool:
        return self._changes == _local_changes and self._clock() - self._read_at < seconds

    async def _read_from(self, number: int) -> None:
        """Wait until the reading of this number is done."""
        while self._n_done < number:
            await self._read_shared()

    async def _read_shared(self) -> None:
        """Wait for the reading under way, or for one of our own; no caller's end breaks it off."""
        if self._reading is None:
            self._reading = asyncio.create_task(self._read())
        await asyncio.shield(self._reading)

    async def _read(self) -> None:
        try:
            pause = self._read_at + MISS_SPACING_SECONDS - self._clock()
            if pause > 0:
                await asyncio.sleep(pause)
            self._n_begun += 1
            began, changes = self._clock(), _local_changes
            await self._load()
            self._read_at, self._changes = began, changes
            self._n_done = self._n_begun
        finally:
            self._reading = None

    async def _load(self) -> None:
        """Take over what the database has; keep the old picture while it cannot be asked."""
        try:
            news = await sync_to_async(_read_if_changed)(self._stamp, self._is_filled)
        except DatabaseError:
            logger.warning("The catalogue could not be refreshed.", exc_info=True)
            return
        if news is not None:
            self._stamp, self._versions = news
            self._is_filled = True


def begin_change() -> None:
    """To be called first in every transaction that changes what is published.

    It makes all web nodes read their catalogues anew after the commit, this one at once, and makes
    concurrent changes queue, so that each sees what the one before it did.
    """
    CatalogueStamp.objects.update_or_create(pk=1, defaults={"value": uuid.uuid4()})
    transaction.on_commit(_note_local_change)


def published_version(name: str, version: str) -> PublishedVersion:
    """The version as the database has it; raises NotFound."""
    for row in _rows().named(name, version):
        return PublishedVersion.of(row)
    raise NotFound("There is no such version of this service.")


def all_versions() -> list[PublishedVersion]:
    """All versions as the database has them."""
    return [PublishedVersion.of(row) for row in _rows()]


def latest_version(name: str) -> PublishedVersion:
    """The version of the service that was published last; raises NotFound."""
    row = _rows().named(name).last()
    if row is None:
        raise NotFound("There is no such service.")
    return PublishedVersion.of(row)


def _rows() -> VersionQuerySet:
    """Versions with no more than `PublishedVersion.of` needs."""
    return Version.objects.select_related("service").only(
        "service__name", "service__grants", "version", "runtime_type", "bundle_id", "published_by"
    )


def _read_if_changed(
    stamp: uuid.UUID | None, is_filled: bool
) -> tuple[uuid.UUID | None, dict[tuple[str, str], PublishedVersion]] | None:
    """The stamp and all versions; None when the stamp is still the one given."""
    with kept_connection():
        # The stamp first: a change in between is then seen again by the next reading.
        current = CatalogueStamp.objects.values_list("value", flat=True).first()
        if is_filled and current == stamp:
            return None
        return current, {(each.name, each.version): each for each in all_versions()}


def _note_local_change() -> None:
    global _local_changes
    _local_changes += 1
