"""Beginning, saving, listing and removing drafts.

A draft is its owner's alone; to others it does not exist. Nothing of the product depends on drafts,
so they leave no trace in the audit trail; publishing one does.
"""

import json
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from mlops.accounts.models import User
from mlops.accounts.roles import Role
from mlops.errors import Conflict, InvalidRequest, LimitReached, NotFound, TooLarge
from mlops.storable import storable
from nodes.holding import parse_id
from services.drafts.content import MAX_CODE_BYTES, blank
from services.models import Draft, Upload, Version
from services.permissions import require_role
from services.schema import CODE_RUNTIMES, REALTIME

DRAFTS_PER_USER = 50
KEPT = timedelta(days=30)
KINDS = (*CODE_RUNTIMES, REALTIME)
_MAX_BYTES = 2 * MAX_CODE_BYTES


class ChangedElsewhere(Conflict):
    """The draft was saved in another tab meanwhile; `draft` is what it is there."""

    def __init__(self, draft: Draft) -> None:
        self.draft = draft
        super().__init__("This draft was changed in another tab or window meanwhile.")


def begin_draft(*, user: User, kind: str) -> Draft:
    """A new draft of one of KINDS; raises Forbidden below Contributor, LimitReached."""
    require_role(user, Role.CONTRIBUTOR)
    if kind not in KINDS:
        raise InvalidRequest(f"Choose one of {', '.join(KINDS)}.", fields="kind")
    return add_draft(user=user, content=blank(kind))


def add_draft(
    *,
    user: User,
    content: dict[str, Any],
    base: dict[str, Any] | None = None,
    based_on: Version | None = None,
    is_edit: bool = False,
) -> Draft:
    """A new draft with this content; raises LimitReached when the user has too many.

    Those in which nothing was ever typed make room first.
    """
    with transaction.atomic():
        User.objects.select_for_update().get(pk=user.pk)  # one at a time for each user
        own = Draft.objects.filter(owner=user)
        n_excess = own.count() - DRAFTS_PER_USER + 1
        if n_excess > 0:
            spare = own.filter(revision=0).order_by("updated_at")[:n_excess]
            own.filter(pk__in=list(spare.values_list("pk", flat=True))).delete()
        if own.count() >= DRAFTS_PER_USER:
            raise LimitReached(
                f"You have {DRAFTS_PER_USER} drafts, as many as a user may have: discard some."
            )
        return Draft.objects.create(
            owner=user,
            content=content,
            base=base or {},
            based_on=based_on,
            is_edit=is_edit,
        )


def own_draft(*, user: User, draft_id: UUID | str) -> Draft:
    """The user's draft; raises NotFound for any other, as if it did not exist."""
    drafts = Draft.objects.select_related("based_on__service", "published__service")
    draft = drafts.filter(owner=user, pk=parse_id(str(draft_id))).first()
    if draft is None:
        raise NotFound("You have no such draft: it was discarded, or not used for 30 days.")
    return draft


def drafts_of(user: User) -> QuerySet[Draft]:
    """The user's drafts in which something was typed and that are not published yet."""
    return Draft.objects.filter(owner=user, revision__gt=0, published=None).select_related(
        "based_on__service"
    )


def save_draft(
    *, user: User, draft_id: UUID | str, revision: int, content: dict[str, Any]
) -> Draft:
    """The draft with another content, if it is still of this revision.

    Raises ChangedElsewhere when it is not, NotFound, TooLarge.
    """
    require_role(user, Role.CONTRIBUTOR)
    content = storable(content)
    if len(json.dumps(content)) > _MAX_BYTES:
        raise TooLarge(
            f"A draft may have {_MAX_BYTES // 1024} KiB of text: put large data into files."
        )
    own = Draft.objects.filter(owner=user, pk=parse_id(str(draft_id)))
    with transaction.atomic():
        is_saved = own.filter(revision=revision).update(
            content=content, revision=revision + 1, updated_at=timezone.now()
        )
        draft = own_draft(user=user, draft_id=draft_id)
        if is_saved:
            draft.uploads.set(Upload.objects.filter(owner=user, pk__in=_upload_ids(content)))
    if not is_saved and draft.content != content:  # else its answer got lost
        raise ChangedElsewhere(draft)
    return draft


def require_revision(draft: Draft, revision: object) -> None:
    """Nothing; raises ChangedElsewhere unless the draft is of this revision."""
    if draft.revision != revision:
        raise ChangedElsewhere(draft)


def _upload_ids(content: dict[str, Any]) -> set[str]:
    """Those that the content names, whatever it may be."""
    files = content.get("files")
    ids = (
        {str(each.get("upload")) for each in files if isinstance(each, dict)}
        if isinstance(files, list)
        else set()
    )
    return {each for each in ids if _is_id(each)}


def _is_id(text: str) -> bool:
    try:
        UUID(text)
    except ValueError:
        return False
    return True


def discard_draft(*, user: User, draft_id: UUID | str) -> None:
    """Remove the draft; what was published from it stays."""
    own_draft(user=user, draft_id=draft_id).delete()


def sweep(now: datetime) -> int:
    """Delete the drafts that were not saved for 30 days; how many they were."""
    return Draft.objects.filter(updated_at__lt=now - KEPT).delete()[0]
