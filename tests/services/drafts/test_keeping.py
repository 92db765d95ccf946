"""Drafts: kept as they are typed, never overwritten silently, their owner's alone."""

from datetime import timedelta

import pytest
from django.utils import timezone

from mlops.accounts.models import User
from mlops.errors import Forbidden, InvalidRequest, LimitReached, NotFound, TooLarge
from services.drafts import keeping
from services.drafts.keeping import (
    ChangedElsewhere,
    begin_draft,
    discard_draft,
    drafts_of,
    own_draft,
    save_draft,
)
from services.models import Draft
from services.uploads import begin_upload
from tests.services.drafts.writing import saved, written


def test_what_was_typed_is_there_again(alice: User) -> None:
    draft = written(alice, description="whether they leave")
    assert own_draft(user=alice, draft_id=draft.pk).content["description"] == "whether they leave"
    assert list(drafts_of(alice)) == [draft]


def test_one_in_which_nothing_was_typed_is_not_offered(alice: User) -> None:
    begin_draft(user=alice, kind="R")
    assert list(drafts_of(alice)) == []


def test_it_does_not_exist_for_others(alice: User, bob: User, admin: User) -> None:
    draft = written(alice)
    for user in (bob, admin):
        with pytest.raises(NotFound):
            own_draft(user=user, draft_id=draft.pk)
        with pytest.raises(NotFound):
            save_draft(user=user, draft_id=draft.pk, revision=1, content={})
        with pytest.raises(NotFound):
            discard_draft(user=user, draft_id=draft.pk)
    assert Draft.objects.get().content["name"] == "churn"


def test_a_reader_has_none(rita: User) -> None:
    with pytest.raises(Forbidden):
        begin_draft(user=rita, kind="R")


def test_it_is_of_a_kind(alice: User) -> None:
    with pytest.raises(InvalidRequest):
        begin_draft(user=alice, kind="Cobol")


def test_two_tabs_do_not_overwrite_each_other(alice: User) -> None:
    draft = written(alice)
    saved(draft, {**draft.content, "name": "one"})
    with pytest.raises(ChangedElsewhere) as refusal:
        saved(draft, {**draft.content, "name": "other"})
    assert refusal.value.draft.content["name"] == "one"
    assert Draft.objects.get().content["name"] == "one"


def test_saving_again_what_was_saved_is_no_conflict(alice: User) -> None:
    draft = written(alice)
    first = saved(draft, {**draft.content, "name": "one"})
    assert saved(draft, {**draft.content, "name": "one"}).revision == first.revision


def test_it_has_a_size(alice: User) -> None:
    draft = written(alice)
    with pytest.raises(TooLarge):
        saved(draft, {**draft.content, "code": "x" * keeping.MAX_CODE_BYTES * 3})


def test_they_are_bounded_and_untouched_ones_make_room(
    alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keeping, "DRAFTS_PER_USER", 2)
    kept = [written(alice), begin_draft(user=alice, kind="R")]
    kept[1] = begin_draft(user=alice, kind="Python")
    assert set(Draft.objects.all()) == set(kept)
    saved(kept[1], {**kept[1].content, "name": "two"})
    with pytest.raises(LimitReached):
        begin_draft(user=alice, kind="R")


def test_it_keeps_the_uploads_that_it_names(alice: User, bob: User) -> None:
    mine = begin_upload(user=alice, name="a.pkl", size=1)
    theirs = begin_upload(user=bob, name="b.pkl", size=1)
    named = [{"name": "a", "upload": str(each.pk)} for each in (mine, theirs)]
    draft = written(alice, files=[*named, {"name": "c", "upload": "none"}, "nonsense"])
    assert list(draft.uploads.all()) == [mine]
    saved(draft, {**draft.content, "files": []})
    assert not draft.uploads.exists()


def test_it_goes_after_thirty_days_without_a_change(alice: User) -> None:
    draft = written(alice)
    assert keeping.sweep(draft.updated_at + timedelta(days=30)) == 0
    assert keeping.sweep(timezone.now() + timedelta(days=30, minutes=1)) == 1
    assert not Draft.objects.exists()


def test_what_no_database_takes_is_replaced_instead_of_lost(alice: User) -> None:
    draft = written(alice, code="a\0b", example={"x": float("nan")})
    draft.refresh_from_db()
    assert (draft.content["code"], draft.content["example"]) == (
        "a\N{REPLACEMENT CHARACTER}b",
        {"x": None},
    )
