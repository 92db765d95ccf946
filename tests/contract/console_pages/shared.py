"""Pages that belong to no area."""

from tests.contract.console_pages import Page

PAGES = {
    "csrf/": Page(is_data=True),
    "search/": Page(is_data=True),
    "signed-in/": Page(),
}
