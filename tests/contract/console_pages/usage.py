"""Recorded figures."""

from tests.contract.console_pages import Page

PAGES = {
    "": Page(),
}
