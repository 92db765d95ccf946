"""Publishing what a draft says, all of it or nothing."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any

import pytest

from mlops.accounts.models import AuditEntry, User
from mlops.errors import Conflict, Forbidden, InvalidRequest, MlopsError
from services.actions import publish_draft as publish_draft_module
from services.actions.delete import delete_version
from services.actions.patch import patch_version
from services.actions.publish_draft import publish_draft
from services.drafts.basing import begin_from
from services.drafts.differences import ChangedMeanwhile
from services.drafts.words import problem_of
from services.models import Draft, Service, Version
from services.schema import Definition
from tests.services.create import create_realtime, create_version, published
from tests.services.drafts.writing import saved, written
from tests.services.staging import staged as staged_file

GRANTS = [{"right": "consume", "kind": "user", "name": "bob"}]

pytestmark = pytest.mark.django_db(transaction=True)


@contextmanager
def refused(kind: type[MlopsError], field: str) -> Iterator[None]:
    """What runs in the context raises `kind` at the field of the page, and changes nothing."""
    before = published()
    with pytest.raises(kind) as refusal:
        yield
    assert problem_of(refusal.value)["field"] == field
    assert published() == before


def staged(user: User, name: str, content: bytes) -> dict[str, str]:
    """A complete upload as drafts name it."""
    return asdict(staged_file(user, name, content))


def edited(user: User, version: Version, **content: Any) -> Draft:
    draft = begin_from(user=user, name=version.name, version=version.version, is_edit=True)
    return saved(draft, {**draft.content, **content})


def test_it_becomes_a_version_with_all_that_it_says(alice: User) -> None:
    draft = written(
        alice,
        init_code="import math",
        description="doubles",
        operation_id="double",
        example={"x": 2.5},
        pool={"initial": 1, "max": 2},
        grants=GRANTS,
    )
    version = publish_draft(user=alice, draft_id=draft.pk)
    version.refresh_from_db()
    assert (str(version), version.code, version.init_code) == (
        "churn/1.0",
        "answer = x * 2",
        "import math",
    )
    assert (version.description, version.operation_id) == ("doubles", "double")
    assert version.example == {"x": 2.5}
    assert (version.pool.initial_size, version.pool.max_size) == (1, 2)
    assert Service.objects.get().grants == GRANTS
    actions = set(AuditEntry.objects.values_list("action", flat=True))
    assert {"publish version", "configure pool", "set grants"} <= actions


def test_asking_twice_publishes_once(alice: User) -> None:
    draft = written(alice)
    first = publish_draft(user=alice, draft_id=draft.pk)
    assert publish_draft(user=alice, draft_id=draft.pk) == first
    assert Version.objects.count() == 1


@pytest.mark.parametrize(
    ("content", "field"),
    [
        ({"name": " "}, "name"),
        ({"version": ""}, "version"),
        ({"code": "  "}, "code"),
        ({"inputs": [{"name": "", "type": "numeric"}]}, "inputs.0.name"),
        ({"inputs": [{"name": "x", "type": "number"}]}, "inputs.0.type"),
        ({"inputs": 7}, "inputs"),
        ({"code": 7}, "code"),
        ({"files": [{}]}, "files"),
        ({"output_files": ["a/b"]}, "output_files.0"),
        ({"row_independent": True}, "row_independent"),
        ({"pool": {"initial": 3, "max": 2}}, "pool"),
        ({"pool": {"initial": "many", "max": 2}}, "pool"),
        ({"grants": [{"right": "consume", "kind": "user", "name": ""}]}, "grants"),
        ({"grants": [{"right": "manage", "kind": "user", "name": "bob"}]}, "grants"),
        ({"grants": "bob"}, "grants"),
        ({"operation_id": "a\nb"}, "operation_id"),
    ],
)
def test_what_cannot_be_right_is_said_at_its_field(
    alice: User, content: dict[str, Any], field: str
) -> None:
    draft = written(alice, **content)
    with refused(InvalidRequest, field):
        publish_draft(user=alice, draft_id=draft.pk)


def test_a_name_that_is_taken_is_said_at_the_version(alice: User) -> None:
    create_version(alice, version="1.0")
    with refused(Conflict, "version"):
        publish_draft(user=alice, draft_id=written(alice).pk)


def test_a_name_that_is_taken_is_said_before_the_files_are_packed(
    alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    create_version(alice, version="1.0")
    draft = written(alice, files=[staged(alice, "weights.txt", b"1 2 3")])
    monkeypatch.delattr(publish_draft_module, "zipped")
    with refused(Conflict, "version"):
        publish_draft(user=alice, draft_id=draft.pk)


def test_who_may_not_publish_any_more_is_refused(alice: User, declared_groups: None) -> None:
    draft = written(alice)
    alice.groups.clear()
    with refused(Forbidden, ""):
        publish_draft(user=User.objects.get(pk=alice.pk), draft_id=draft.pk)


def test_files_go_with_it(alice: User) -> None:
    draft = written(alice, files=[staged(alice, "weights.txt", b"1 2 3")])
    version = publish_draft(user=alice, draft_id=draft.pk)
    assert version.payload is not None
    assert not draft.uploads.exists()


def test_a_new_version_keeps_the_files_of_the_one_before(alice: User) -> None:
    first = publish_draft(
        user=alice, draft_id=written(alice, files=[staged(alice, "a.txt", b"1")]).pk
    )
    draft = begin_from(user=alice, name="churn", version="1.0", is_edit=False)
    assert (draft.content["version"], draft.content["keeps_files"]) == ("1.1", True)
    second = publish_draft(user=alice, draft_id=draft.pk)
    assert (second.version, second.payload) == ("1.1", first.payload)


def test_a_new_version_of_a_model_keeps_the_model(alice: User) -> None:
    first = create_realtime(alice)
    draft = begin_from(user=alice, name="churn", version="v1", is_edit=False)
    second = publish_draft(user=alice, draft_id=draft.pk)
    assert (second.version, second.payload) == ("v2", first.payload)


def test_nobody_starts_from_what_they_may_not_change(alice: User, bob: User) -> None:
    create_version(alice)
    with pytest.raises(Forbidden):
        begin_from(user=bob, name="churn", version="v1", is_edit=False)
    assert not Draft.objects.exists()


def test_one_that_was_not_touched_serves_again(alice: User) -> None:
    create_version(alice)
    first = begin_from(user=alice, name="churn", version="v1", is_edit=True)
    assert begin_from(user=alice, name="churn", version="v1", is_edit=True) == first


def test_a_version_is_changed_in_place(alice: User) -> None:
    version = publish_draft(
        user=alice, draft_id=written(alice, pool={"initial": 1, "max": 1}, description="old").pk
    )
    draft = edited(alice, version, code="answer = x * 3", description="", pool=None)
    assert publish_draft(user=alice, draft_id=draft.pk) == version
    version = Version.objects.get()
    assert (version.code, version.description, version.has_pool) == ("answer = x * 3", "", False)


def test_a_version_loses_the_files_that_were_left_out(alice: User) -> None:
    version = publish_draft(
        user=alice, draft_id=written(alice, files=[staged(alice, "a.txt", b"1")]).pk
    )
    draft = edited(alice, version, keeps_files=False)
    before = version.payload
    publish_draft(user=alice, draft_id=draft.pk)
    assert Version.objects.get().payload != before


def test_what_somebody_else_changed_meanwhile_is_not_overwritten(alice: User) -> None:
    draft = edited(alice, create_version(alice), code="answer = 1")
    patch_version(user=alice, name="churn", version="v1", definition=Definition(code="answer = 2"))
    with refused(ChangedMeanwhile, "version"):
        publish_draft(user=alice, draft_id=draft.pk)


def test_it_is_shown_what_they_changed_and_who_wants_it_gone_may_say_so(alice: User) -> None:
    draft = edited(alice, create_version(alice), code="answer = 1")
    patch_version(user=alice, name="churn", version="v1", definition=Definition(code="answer = 2"))
    with pytest.raises(ChangedMeanwhile) as refusal:
        publish_draft(user=alice, draft_id=draft.pk)
    problem = problem_of(refusal.value)
    assert problem["changes"] == [
        {"label": "Code", "lines": ["@@ -1 +1 @@", "-answer = x + 1", "+answer = 2"]}
    ]
    publish_draft(user=alice, draft_id=draft.pk, overwrite=problem["current"])
    assert Version.objects.get().code == "answer = 1"


def test_another_change_after_that_is_shown_again(alice: User) -> None:
    draft = edited(alice, create_version(alice), code="answer = 1")
    patch_version(user=alice, name="churn", version="v1", definition=Definition(code="answer = 2"))
    with pytest.raises(ChangedMeanwhile) as refusal:
        publish_draft(user=alice, draft_id=draft.pk)
    patch_version(user=alice, name="churn", version="v1", definition=Definition(code="answer = 3"))
    with refused(ChangedMeanwhile, "version"):
        publish_draft(user=alice, draft_id=draft.pk, overwrite=refusal.value.current)


def test_a_change_of_what_was_deleted_can_be_published_anew(alice: User) -> None:
    draft = edited(alice, create_version(alice), code="answer = 1")
    delete_version(user=alice, name="churn", version="v1")
    assert str(publish_draft(user=alice, draft_id=draft.pk)) == "churn/v1"
