"""Jobs of the publish page: looking into files, test runs, publishing from uploads.

Definitions are in plain JSON (`inference.proposal.definition_as_json`), files as dicts of a
StagedFile's members.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import services.run_jobs  # noqa: F401 - further kinds
from mlops.correlation import current_id
from mlops.errors import InvalidRequest, Stopping
from mlops.jobs.kinds import job
from mlops.jobs.running import Cancelled, JobContext
from services import uploads
from services.actions.publish_upload import publish_upload
from services.actions.test_run import test_run
from services.batches import jobs as jobs_of_batches  # noqa: F401 - so that workers know them
from services.console import removal as removal  # a kind of its own
from services.drafts import jobs as jobs_of_drafts  # noqa: F401 - so that workers know them
from services.inference import propose, propose_parameters
from services.inference.proposal import definition_from
from services.staged import StagedFile

INSPECT, TEST_RUN, PUBLISH = "inspect", "test run", "publish"


@job(INSPECT)
def inspect(context: JobContext, *, uploads: Sequence[str] = (), text: str = "") -> dict[str, Any]:
    """The proposal for the user's uploads of these ids, or for pasted text, as JSON."""
    if text:
        return propose_parameters(text).as_json()
    context.report({"step": "looking into the file"})
    chosen = [_own_upload(context, each) for each in uploads]
    with _cancellable(context) as cancelled:
        return propose(chosen, user=context.user, cancelled=cancelled).as_json()


@job(TEST_RUN)
def run_test(
    context: JobContext,
    *,
    definition: Mapping[str, Any],
    inputs: Mapping[str, Any],
    files: Sequence[Mapping[str, Any]] = (),
) -> dict[str, Any]:
    """The test run as JSON."""
    context.report({"step": "running on a compute node"})
    with _cancellable(context) as cancelled:
        run = test_run(
            user=context.user,
            definition=definition_from(definition),
            files=_files(files),
            inputs=inputs,
            correlation_id=current_id(),
            cancelled=cancelled,
        )
    return run.as_json()


@job(PUBLISH)
def publish(
    context: JobContext,
    *,
    name: str,
    version: str | None,
    definition: Mapping[str, Any],
    files: Sequence[Mapping[str, Any]] = (),
) -> dict[str, Any]:
    """Name and version of what was published, which is a GUID where none was said."""
    context.report({"step": "publishing"})
    published = publish_upload(
        user=context.user,
        name=name,
        version=version or None,
        definition=definition_from(definition),
        files=_files(files),
    )
    return {"name": published.name, "version": published.version}


def _own_upload(context: JobContext, upload_id: str) -> Any:
    return uploads.own_upload(user=context.user, upload_id=upload_id)


def _files(files: Sequence[Mapping[str, Any]]) -> list[StagedFile]:
    try:
        return [StagedFile.of(each) for each in files]
    except KeyError as error:
        raise InvalidRequest(f"A file lacks its {error.args[0]}.", fields="files") from None


@contextmanager
def _cancellable(context: JobContext) -> Iterator[Callable[[], bool]]:
    """What asks whether the job's owner wants no more of it, which then ends as it should."""
    try:
        yield lambda: context.cancelled
    except Stopping:
        if context.cancelled:
            raise Cancelled from None
        raise
