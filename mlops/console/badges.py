"""Coloured labels in the cells of lists, as on pages."""

from django.utils.html import format_html
from django.utils.safestring import SafeString


def badge(text: str, colour: str, why: str = "") -> SafeString:
    """The label with the reason beside it, as `console/components/badge.html`."""
    label = format_html('<span class="badge badge-{}">{}</span>', colour, text)
    if not why:
        return label
    return format_html('{} <span class="badge-why">{}</span>', label, why)
