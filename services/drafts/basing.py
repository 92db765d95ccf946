"""Drafts that start from a published version."""

from typing import TYPE_CHECKING

from mlops.accounts.roles import Role
from mlops.blobs.models import Blob
from mlops.errors import InvalidRequest
from services.actions.lookup import version_to_change
from services.drafts.content import content_of
from services.drafts.keeping import add_draft
from services.drafts.naming import next_version, versions_of
from services.models import Draft, Version
from services.permissions import require_role

if TYPE_CHECKING:
    from mlops.accounts.models import User


def base_version(*, user: "User", name: str, version: str) -> Version:
    """The version, which the user may change and whose code they may see; raises as actions do."""
    role = require_role(user, Role.CONTRIBUTOR)
    return version_to_change(user=user, role=role, name=name, version=version)


def kept_payload(draft: Draft, *, user: "User") -> Blob | None:
    """The files of the version that the draft is based on, which the user may still change."""
    if draft.based_on is None:
        return None
    name, version = draft.based_on.name, draft.based_on.version
    return base_version(user=user, name=name, version=version).payload


def split_source(text: str) -> tuple[str, str]:
    """The name and the version of `name/version`; raises InvalidRequest."""
    name, slash, version = text.partition("/")
    if not (name and slash and version):
        raise InvalidRequest("Say which version to start from, as name/version.")
    return name, version


def begin_from(*, user: "User", name: str, version: str, is_edit: bool) -> Draft:
    """A draft of the next version of the service, or of a change when `is_edit`.

    One that was begun from the same version and never touched serves again.
    """
    origin = base_version(user=user, name=name, version=version)
    content = base = content_of(origin)
    if not is_edit:
        content = {**base, "version": next_version(versions_of(name))}
    untouched = Draft.objects.filter(owner=user, based_on=origin, is_edit=is_edit, revision=0)
    draft = untouched.first()
    if draft is None:
        return add_draft(user=user, content=content, base=base, based_on=origin, is_edit=is_edit)
    draft.content, draft.base = content, base
    draft.save(update_fields=["content", "base", "updated_at"])
    return draft
