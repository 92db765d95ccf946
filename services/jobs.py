"""The job that looks into files; jobs of others are imported, so that workers know them."""

from collections.abc import Sequence
from typing import Any

import services.run_jobs  # noqa: F401 - further kinds
from mlops.errors import Stopping
from mlops.jobs.kinds import job
from mlops.jobs.running import Cancelled, JobContext
from services.batches import jobs as jobs_of_batches  # noqa: F401 - so that workers know them
from services.console import removal as removal  # a kind of its own
from services.drafts import jobs as jobs_of_drafts  # noqa: F401 - so that workers know them
from services.inference import propose
from services.uploads import own_upload

INSPECT = "inspect"


@job(INSPECT)
def inspect(context: JobContext, *, uploads: Sequence[str]) -> dict[str, Any]:
    """The proposal for the user's uploads of these ids, as JSON."""
    chosen = [own_upload(user=context.user, upload_id=each) for each in uploads]
    try:
        proposal = propose(
            chosen,
            user=context.user,
            cancelled=lambda: context.cancelled,
            report=lambda text: context.report({"text": text}),
        )
    except Stopping:
        if context.cancelled:
            raise Cancelled from None
        raise
    return proposal.as_json()
