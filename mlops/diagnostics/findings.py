"""What the configuration test finds, one finding per component, and what it all comes to.

A check is a function that yields its findings; one that fails itself is a finding as well, so that
a test always comes to its end.
"""

import logging
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

from django.db import Error

from mlops.database import explanation
from mlops.errors import MlopsError

logger = logging.getLogger(__name__)

Outcome = Literal["PASS", "WARN", "FAIL"]
PASS: Outcome = "PASS"  # noqa: S105 - not a password
WARN: Outcome = "WARN"
FAIL: Outcome = "FAIL"


@dataclass(frozen=True, slots=True)
class Finding:
    """How it is with one component, and what to do when it is not well."""

    component: str
    outcome: Outcome
    message: str
    advice: str = ""
    elapsed: float = 0.0  # milliseconds

    def __str__(self) -> str:
        """One line, and a second one with the advice if there is one."""
        line = f"{self.outcome}  {self.component}: {self.message} ({self.elapsed:.0f} ms)"
        return f"{line}\n      {self.advice}" if self.advice else line


@dataclass(frozen=True, slots=True)
class Check:
    """Something to look at; `component` names it when the check itself fails."""

    component: str
    look: Callable[[], Iterable[Finding]]


def findings_of(checks: Iterable[Check]) -> Iterator[Finding]:
    """The findings as they come, each with the time that it took."""
    for check in checks:
        began = time.perf_counter()
        try:
            for finding in check.look():
                now = time.perf_counter()
                yield replace(finding, elapsed=finding.elapsed or (now - began) * 1000)
                began = time.perf_counter()
        except MlopsError as error:
            yield _failure(check, error.message, "", began)
        except Error as error:
            yield _failure(check, explanation(error), "See to the database first.", began)
        except Exception as error:
            logger.exception("The check of %s failed.", check.component)
            advice = "This is a fault of the test itself: its log has more."
            yield _failure(check, f"{type(error).__name__}: {error}", advice, began)


def _failure(check: Check, message: str, advice: str, began: float) -> Finding:
    elapsed = (time.perf_counter() - began) * 1000
    return Finding(check.component, FAIL, message, advice, elapsed)


def totals(findings: Sequence[Finding]) -> dict[str, int]:
    """How many findings there are of each outcome."""
    counts = Counter(finding.outcome for finding in findings)
    return {outcome: counts[outcome] for outcome in (PASS, WARN, FAIL)}


def summary(findings: Sequence[Finding]) -> str:
    """All in a line, as in "12 PASS, 1 WARN, 0 FAIL in 3.1 s"."""
    counts = ", ".join(f"{number} {outcome}" for outcome, number in totals(findings).items())
    return f"{counts} in {sum(finding.elapsed for finding in findings) / 1000:.1f} s"


def worst(findings: Sequence[Finding]) -> Outcome:
    """The outcome of the whole, which is that of its worst part."""
    outcomes = {finding.outcome for finding in findings}
    return FAIL if FAIL in outcomes else WARN if WARN in outcomes else PASS


def as_json(findings: Sequence[Finding]) -> dict[str, Any]:
    """The whole report."""
    return {
        "outcome": worst(findings),
        "totals": totals(findings),
        "elapsed": round(sum(finding.elapsed for finding in findings), 1),
        "findings": [
            asdict(finding) | {"elapsed": round(finding.elapsed, 1)} for finding in findings
        ],
    }
