"""Compute nodes and sessions."""

from mlops.accounts.roles import Role
from tests.contract.console_pages import Page

_ENTRY = {"entry": "http://10.0.0.1:12805/", "confirmed": "yes"}
_NEW = "http://10.0.0.2:12805/"

PAGES = {
    "node/{}/": Page(address="node/{node}/"),
    "nodes/declare/": Page(
        role=Role.OWNER, posts=Role.OWNER, form={"entries": _NEW, "previewed": _NEW}
    ),
    "nodes/drain/": Page(
        role=Role.OWNER,
        posts=Role.OWNER,
        address="nodes/drain/?entry=http://10.0.0.1:12805/",
        form=_ENTRY,
    ),
    "nodes/resume/": Page(
        role=Role.OWNER,
        posts=Role.OWNER,
        address="nodes/resume/?entry=http://10.0.0.1:12805/",
        form=_ENTRY,
    ),
    "nodes/remove/": Page(
        role=Role.OWNER,
        posts=Role.OWNER,
        address="nodes/remove/?entry=http://10.0.0.1:12805/",
        form=_ENTRY,
    ),
    "sessions/end/": Page(status=400, posts=Role.READER, form={"confirmed": "yes"}),
}
