"""What the Publish page has workers do: test runs, and publishing that takes its time."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from mlops.correlation import current_id
from mlops.errors import MlopsError, Stopping
from mlops.jobs.kinds import job
from mlops.jobs.running import Cancelled, JobContext
from services.actions.publish_draft import publish_draft
from services.actions.test_run import test_run
from services.drafts.basing import kept_payload
from services.drafts.content import read
from services.drafts.keeping import own_draft
from services.drafts.words import problem_of

if TYPE_CHECKING:
    from mlops.accounts.models import User

PUBLISH, TRY = "publish draft", "try draft"


def outcome_of(*, user: "User", draft_id: str, overwrite: str = "") -> dict[str, Any]:
    """What came of `publish_draft`, in JSON: `published`, or the `problem` and its field."""
    try:
        version = publish_draft(user=user, draft_id=draft_id, overwrite=overwrite)
    except MlopsError as error:
        return {"problem": problem_of(error)}
    return {"published": {"name": version.name, "version": version.version}}


@job(PUBLISH)
def publish(context: JobContext, *, draft_id: str, overwrite: str) -> dict[str, Any]:
    """`outcome_of` a draft whose files must be read and checked."""
    context.report({"text": "Reading and checking your files, then publishing"})
    return outcome_of(user=context.user, draft_id=draft_id, overwrite=overwrite)


@job(TRY)
def try_draft(context: JobContext, *, draft_id: str, inputs: Mapping[str, Any]) -> dict[str, Any]:
    """The outcome of one call of the draft on a compute node, or the `problem` and its field."""
    context.report({"text": "Running it on a compute node"})
    try:
        draft = own_draft(user=context.user, draft_id=draft_id)
        wanted = read(draft.content)
        run = test_run(
            user=context.user,
            definition=wanted.definition,
            files=wanted.files,
            kept=kept_payload(draft, user=context.user) if wanted.keeps_files else None,
            inputs=inputs,
            correlation_id=current_id() or str(context.job_id),
            cancelled=lambda: context.cancelled,
        )
    except Stopping:
        if context.cancelled:
            raise Cancelled from None
        raise
    except MlopsError as error:
        return {"problem": problem_of(error)}
    return {"run": run.as_json()}
