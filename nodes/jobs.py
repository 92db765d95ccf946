"""Jobs of the nodes app."""

from typing import Any

from mlops.errors import MlopsError, NotFound
from mlops.jobs.kinds import job
from mlops.jobs.running import JobContext
from nodes.sessions import end_session

_FAILURES_KEPT = 20


@job("end sessions")
def end_sessions(context: JobContext, *, session_ids: list[str]) -> dict[str, Any]:
    """How many of the sessions were ended, and why others were not."""
    n_ended, failures = 0, list[str]()
    for number, session_id in enumerate(session_ids, 1):
        context.raise_if_cancelled()
        try:
            end_session(user=context.user, session_id=session_id)
            n_ended += 1
        except NotFound:
            n_ended += 1  # it has ended by itself
        except MlopsError as error:
            failures.append(f"Session {session_id} was not ended: {error.message}")
        context.report({"done": number, "total": len(session_ids)})
    return {"ended": n_ended, "failures": failures[:_FAILURES_KEPT], "nFailed": len(failures)}
