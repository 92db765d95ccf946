"""Headers that tell browsers what answers may do, and that nobody keeps them.

Django's own middleware adds those against sniffing, framing and leaking addresses.
"""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponseBase

_View = Callable[[HttpRequest], HttpResponseBase]

# No page has inline scripts. Those of django-unfold, Swagger UI and DRF have inline styles.
_PAGE = (
    "default-src 'self'; script-src 'self'{scripts}; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; object-src 'none'; base-uri 'none'; form-action 'self'; "
    "frame-ancestors 'none'"
)
PAGE_POLICY = _PAGE.format(scripts="")
# Alpine.js, of which django-unfold is made, evaluates the expressions in attributes of the page.
CONSOLE_POLICY = _PAGE.format(scripts=" 'unsafe-eval'")
# Data: should a browser show it after all, it can do nothing.
DATA_POLICY = "default-src 'none'; frame-ancestors 'none'; sandbox"
_PERMISSIONS = "camera=(), display-capture=(), geolocation=(), microphone=(), payment=(), usb=()"


def page_headers(get_response: _View) -> _View:
    """The middleware."""

    def middleware(request: HttpRequest) -> HttpResponseBase:
        response = get_response(request)
        headers = response.headers
        headers.setdefault("Content-Security-Policy", _policy_of(request, response))
        headers.setdefault("Permissions-Policy", _PERMISSIONS)
        headers.setdefault("Cross-Origin-Resource-Policy", "same-origin")
        headers.setdefault("Cache-Control", "no-store")
        return response

    return middleware


def _policy_of(request: HttpRequest, response: HttpResponseBase) -> str:
    if not response.headers.get("Content-Type", "").startswith("text/html"):
        return DATA_POLICY
    return CONSOLE_POLICY if request.path.startswith("/console/") else PAGE_POLICY
