"""Drafts that the tests of drafts start from."""

from typing import Any

from mlops.accounts.models import User
from services.drafts.content import blank
from services.drafts.keeping import begin_draft, save_draft
from services.models import Draft


def written(user: User, **content: Any) -> Draft:
    """A saved draft of Python code that doubles `x`, with this content besides."""
    said: dict[str, Any] = {
        **blank("Python"),
        "name": "churn",
        "version": "1.0",
        "code": "answer = x * 2",
        "inputs": [{"name": "x", "type": "numeric"}],
        "outputs": [{"name": "answer", "type": "numeric"}],
        **content,
    }
    return saved(begin_draft(user=user, kind="Python"), said)


def saved(draft: Draft, content: dict[str, Any]) -> Draft:
    """The draft with this content."""
    return save_draft(user=draft.owner, draft_id=draft.pk, revision=draft.revision, content=content)
