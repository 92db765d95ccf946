"""Diagnostics and capacity evaluation: for Owners alone."""

from mlops.accounts.roles import Role
from tests.contract.console_pages import Page

_OWNER = Role.OWNER
_RUN = "{}/"

PAGES = {
    "diagnostics/": Page(_OWNER, posts=_OWNER),
    f"diagnostics/runs/{_RUN}": Page(_OWNER, address="diagnostics/runs/{diagnostics}/"),
    f"diagnostics/runs/{_RUN}cancel/": Page(
        _OWNER, posts=_OWNER, address="diagnostics/runs/{diagnostics}/cancel/", status=302
    ),
    "diagnostics/code/": Page(_OWNER, posts=_OWNER, form={"runtime": "Python", "code": "print(1)"}),
    "diagnostics/service/": Page(
        _OWNER, posts=_OWNER, form={"service": "churn/v1", "inputs": "{}"}
    ),
    f"diagnostics/traces/{_RUN}": Page(_OWNER, address="diagnostics/traces/{trace}/"),
    "capacity/": Page(
        _OWNER,
        posts=_OWNER,
        form={
            "strategy": "thread",
            "latency": "250",
            "min_threads": "1",
            "max_threads": "2",
            "increment": "1",
            "seconds": "1",
            "service": "",
            "inputs": "{}",
        },
    ),
    "capacity/compare/": Page(_OWNER, status=400),
    f"capacity/{_RUN}": Page(_OWNER, address="capacity/{capacity}/"),
    f"capacity/{_RUN}cancel/": Page(
        _OWNER, posts=_OWNER, address="capacity/{capacity}/cancel/", status=302
    ),
    f"capacity/{_RUN}report/": Page(_OWNER, address="capacity/{capacity}/report/", status=409),
}
