"""Staged uploads, which answer scripts: those of others do not exist."""

from mlops.accounts.roles import Role
from tests.contract.console_pages import Page

_NOBODYS = "00000000-0000-4000-8000-000000000000"

PAGES = {
    "uploads/": Page(role=Role.CONTRIBUTOR, posts=Role.CONTRIBUTOR, is_data=True),
    "uploads/{}/": Page(
        role=Role.CONTRIBUTOR,
        posts=Role.CONTRIBUTOR,
        address=f"uploads/{_NOBODYS}/",
        status=404,
    ),
}
