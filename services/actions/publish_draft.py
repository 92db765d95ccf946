"""Publishing what a draft says: a new version, or a change of one (console, Publish)."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING
from uuid import UUID

from django.db import transaction

from mlops.accounts.refusals import noting_refusals
from mlops.accounts.roles import Role
from mlops.accounts.token_cache import Caller
from mlops.blobs.models import Blob
from mlops.errors import InvalidRequest, MlopsError
from services.actions.adding import checked_version_name, require_unpublished
from services.actions.configure_pool import configure_pool
from services.actions.delete_pool import delete_pool
from services.actions.patch import patch_version
from services.actions.patch_realtime import patch_realtime
from services.actions.publish import publish_version
from services.actions.publish_realtime import publish_realtime
from services.actions.set_grants import set_grants
from services.catalogue import begin_change
from services.drafts.basing import kept_payload
from services.drafts.content import Wanted, content_of, read
from services.drafts.differences import ChangedMeanwhile, differences, fingerprint
from services.drafts.keeping import own_draft
from services.grants import checked
from services.models import Draft, Service, Version
from services.payloads import model_file, zipped
from services.permissions import require_govern, require_publish, require_role
from services.schema import Definition

if TYPE_CHECKING:
    from mlops.accounts.models import User


@noting_refusals("publish version")
def publish_draft(*, user: "User", draft_id: UUID | str, overwrite: str = "") -> Version:
    """The version that the draft has become, with its pool and its grants: all of it or nothing.

    One that was published already stays as it is, so that asking twice does no harm. Raises what
    the actions raise that it consists of, and ChangedMeanwhile unless `overwrite` is its `current`.
    """
    require_role(user, Role.CONTRIBUTOR)
    draft = own_draft(user=user, draft_id=draft_id)
    if draft.published is not None:
        return draft.published
    wanted = _checked(read(draft.content))
    changed = draft.based_on if draft.is_edit else None
    if changed is None:
        # Before files are read as well, which takes its time.
        require_publish(wanted.name, Caller.of(user))
        require_unpublished(wanted.name, checked_version_name(wanted.name, wanted.version))
    else:
        _require_unchanged(draft, changed, overwrite)
    if wanted.grants is not None:
        _require_govern(wanted.name if changed is None else changed.name, user)
    with _payload(wanted, draft, user) as payload, transaction.atomic():
        begin_change()
        if changed is None:
            version = _publish(wanted, payload, user)
        else:
            _require_unchanged(draft, changed, overwrite)
            version = _change(changed, wanted, payload, user)
        _settle(version, wanted, draft, user)
    return version


def _checked(wanted: Wanted) -> Wanted:
    """The same; raises InvalidRequest for what is missing and for grants that cannot be right."""
    for field, text in (("name", wanted.name), ("version", wanted.version)):
        if not text:
            raise InvalidRequest(f"The {field} is missing.", fields=field)
    if not wanted.is_realtime and not (wanted.definition.code or "").strip():
        raise InvalidRequest("There is no code yet.", fields="code")
    if wanted.is_realtime and not wanted.files and not wanted.keeps_files:
        raise InvalidRequest("There is no model file yet.", fields="files")
    if wanted.grants is not None:
        with _about("grants"):
            checked(wanted.grants)
    return wanted


def _require_govern(name: str, user: "User") -> None:
    service = Service.objects.filter(name=name).first()
    if service is not None:
        require_govern(service, Caller.of(user))


def _require_unchanged(draft: Draft, version: Version, overwrite: str) -> None:
    """Nothing; raises ChangedMeanwhile when the version is not what the draft began with."""
    version.refresh_from_db()
    now = content_of(version)
    current = fingerprint(now)
    if current not in (fingerprint(draft.base), overwrite):
        raise ChangedMeanwhile(version, differences(draft.base, now), current)


@contextmanager
def _payload(wanted: Wanted, draft: Draft, user: "User") -> Iterator[Blob | None]:
    """The model, checked, or the zipped files; None without any."""
    if wanted.keeps_files and draft.based_on is not None:
        yield kept_payload(draft, user=user)
    elif wanted.is_realtime:
        with model_file(wanted.files, user=user) as model:
            yield model.save()
    elif wanted.files or draft.is_edit:  # where files were taken away, none take their place
        with zipped(wanted.files, user=user) as payload:
            yield payload.save()
    else:
        yield None


def _publish(wanted: Wanted, payload: Blob | None, user: "User") -> Version:
    if wanted.is_realtime and payload is not None:
        return publish_realtime(
            user=user,
            name=wanted.name,
            version=wanted.version,
            model=payload,
            definition=_labels(wanted.definition),
        )
    return publish_version(
        user=user,
        name=wanted.name,
        version=wanted.version,
        definition=wanted.definition,
        payload=payload,
    )


def _change(version: Version, wanted: Wanted, payload: Blob | None, user: "User") -> Version:
    name, label = version.name, version.version
    definition = _everything(wanted.definition)
    if wanted.is_realtime:
        return patch_realtime(
            user=user, name=name, version=label, model=payload, definition=_labels(definition)
        )
    return patch_version(
        user=user, name=name, version=label, definition=definition, payload=payload
    )


def _settle(version: Version, wanted: Wanted, draft: Draft, user: "User") -> None:
    """Give the version its pool and its grants, and the draft its version."""
    name, label = version.name, version.version
    if not wanted.is_realtime:
        with _about("pool"):
            if wanted.pool and wanted.pool[1] > 0:
                initial, most = wanted.pool
                configure_pool(
                    user=user, name=name, version=label, initial_size=initial, max_size=most
                )
            elif version.has_pool:
                delete_pool(user=user, name=name, version=label)
    if wanted.grants is not None:
        former = draft.content.get("grants_revision") or None
        with _about("grants"):
            set_grants(user=user, name=name, grants=wanted.grants, former=former)
    Draft.objects.filter(pk=draft.pk).update(published=version)
    draft.uploads.clear()  # so that their sweep removes them


@contextmanager
def _about(field: str) -> Iterator[None]:
    """Have what is refused in the context be said at this part of the page."""
    try:
        yield
    except MlopsError as error:
        error.fields = field
        raise


def _labels(definition: Definition) -> Definition:
    return Definition(
        description=definition.description,
        operation_id=definition.operation_id,
        example=definition.example,
    )


def _everything(definition: Definition) -> Definition:
    """The definition with what it leaves unsaid said to be empty."""
    return replace(
        definition,
        init_code=definition.init_code or "",
        description=definition.description or "",
        operation_id=definition.operation_id or "",
        example=definition.example or {},
    )
