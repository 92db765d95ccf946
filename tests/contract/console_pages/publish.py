"""The Publish page; drafts are their owners' alone, and to others they do not exist."""

from mlops.accounts.roles import Role
from tests.contract.console_pages import Page

_WRITER = Role.CONTRIBUTOR
_NOBODYS = "00000000-0000-4000-8000-000000000000"


def _of_drafts(page: str, *, status: int = 404, posts: Role | None = _WRITER) -> Page:
    address = f"publish/{_NOBODYS}/{page}"
    return Page(role=_WRITER, posts=posts, address=address, status=status)


PAGES = {
    "publish/": Page(role=_WRITER, posts=_WRITER),
    "publish/{}/": _of_drafts("", posts=None),
    "publish/{}/save/": _of_drafts("save/", status=405),
    "publish/{}/discard/": _of_drafts("discard/", status=405),
    "publish/{}/run/": _of_drafts("run/", status=405),
    "publish/{}/publish/": _of_drafts("publish/"),
    "publish/names/": Page(role=_WRITER, is_data=True),
    "publish/sample/": Page(role=_WRITER, posts=_WRITER, status=405),
    "publish/inspect/": Page(role=_WRITER, posts=_WRITER, status=405),
    "publish/job/": Page(role=_WRITER, posts=_WRITER, status=404),
    # Of who published it, which nobody here has.
    "edit/{}/{}/": Page(role=Role.OWNER, posts=Role.OWNER, address="edit/{name}/{version}/"),
    "published/{}/{}/": Page(address="published/{name}/{version}/"),
}
