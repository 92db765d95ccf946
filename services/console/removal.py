"""Deleting many versions one after the other, each as an action of its own."""

from collections.abc import Callable, Sequence
from typing import Any

from mlops.accounts.models import User
from mlops.errors import Forbidden, NotFound
from mlops.jobs.kinds import job
from mlops.jobs.running import JobContext
from services.actions.delete import delete_version

JOB = "delete-versions"
_MOST_REASONS = 100


def remove_versions(
    user: User,
    versions: Sequence[tuple[str, str]],
    report: Callable[[dict[str, Any]], None] = lambda _: None,
) -> dict[str, Any]:
    """Delete the versions that the user may delete; how many they were, and which stay and why.

    One that is gone already is passed over.
    """
    n_deleted, n_kept = 0, 0
    kept: list[dict[str, str]] = []
    for done, (name, version) in enumerate(versions):
        report({"done": done, "of": len(versions), "deleted": n_deleted})
        try:
            delete_version(user=user, name=name, version=version)
            n_deleted += 1
        except NotFound:
            pass
        except Forbidden as error:
            n_kept += 1
            if len(kept) < _MOST_REASONS:
                kept.append({"version": f"{name}/{version}", "reason": error.message})
    return {
        "done": len(versions),
        "of": len(versions),
        "deleted": n_deleted,
        "n_kept": n_kept,
        "kept": kept,
    }


@job(JOB)
def run(context: JobContext, *, versions: list[list[str]]) -> dict[str, Any]:
    """Delete versions in a worker; what it was when it is cancelled stays deleted."""

    def report(progress: dict[str, Any]) -> None:
        context.raise_if_cancelled()
        context.report(progress)

    return remove_versions(context.user, [(name, label) for name, label in versions], report)
