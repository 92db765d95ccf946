"""The purpose-built pages of the console, a table for each area; see test_console_pages."""

import pkgutil
from dataclasses import dataclass
from importlib import import_module

from mlops.accounts.roles import Role


@dataclass(frozen=True, slots=True)
class Page:
    """Who may see a page, and who may send a form to it.

    The address of the route is used as it is; `address` says another one where the route has parts
    to fill in, which may name `{version}`-like things of `test_console_pages.THINGS`. `status` is
    what who may see it gets, `posts` the role that a form takes (None: nobody's form is taken),
    and `form` what is sent. A page that shows everybody only what is theirs, and answers 404 for
    what is others', says `others=404`. `is_data`: it answers scripts or is a download, no page.
    """

    role: Role = Role.READER
    posts: Role | None = None
    address: str = ""
    status: int = 200
    form: dict[str, str] | None = None
    others: int = 403
    is_data: bool = False


def all_pages() -> dict[str, Page]:
    """The pages of all areas by their routes below /console/."""
    tables: dict[str, Page] = {}
    for module in pkgutil.iter_modules(__path__):
        tables |= import_module(f"{__name__}.{module.name}").PAGES
    return tables
