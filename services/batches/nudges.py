"""Telling workers that there are batches to run."""

from mlops.nudging import nudge
from services.tasks import run_batches


def nudge_workers() -> None:
    """Have some worker look for batches at once, if the broker can be reached."""
    nudge(run_batches, harm="a batch starts later")
