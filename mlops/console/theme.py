"""How the console looks: the settings of django-unfold."""

from typing import Any

from django.http import HttpRequest
from django.templatetags.static import static
from django.urls import reverse_lazy
from django.utils.functional import Promise

DASHBOARD = reverse_lazy("console:index")
SERVICES = reverse_lazy("console:services_service_changelist")
PUBLISH = reverse_lazy("console:publish")
SESSIONS = reverse_lazy("console:nodes_session_changelist")
BATCHES = reverse_lazy("console:services_batch_changelist")
NODES = reverse_lazy("console:nodes_nodehealth_changelist")
PEOPLE = reverse_lazy("console:accounts_user_changelist")
ACCOUNT = reverse_lazy("console:account")
AUDIT_TRAIL = reverse_lazy("console:accounts_auditentry_changelist")
NODE_ENTRIES = reverse_lazy("console:nodes_nodeentry_changelist")
CAPACITY = reverse_lazy("console:capacity")
DIAGNOSTICS = reverse_lazy("console:diagnostics")
API_DOCUMENTATION = reverse_lazy("docs")


def _item(title: str, icon: str, link: Promise, *sections: str, to: str = "") -> dict[str, Any]:
    """An entry of the navigation; it is marked on the pages below `link`, and on those of
    `sections`. It is for everybody, or those of whom the function `to` of roles holds."""

    def is_active(request: HttpRequest) -> bool:
        if str(link) == str(DASHBOARD):
            return request.path == str(DASHBOARD)
        return request.path.startswith((str(link), *(f"/console/{each}/" for each in sections)))

    entry = {"title": title, "icon": icon, "link": link, "active": is_active}
    return entry | ({"permission": f"mlops.accounts.roles.{to}"} if to else {})


UNFOLD: dict[str, Any] = {
    "SITE_TITLE": "mlops",
    "SITE_HEADER": "mlops",
    "SITE_SUBHEADER": "R and Python web services",
    "SITE_SYMBOL": "deployed_code",
    "SITE_FAVICONS": [
        {
            "rel": "icon",
            "type": "image/svg+xml",
            "href": lambda request: static("console/favicon.svg"),  # noqa: ARG005
        }
    ],
    "STYLES": [
        lambda request: static("console/console.css"),  # noqa: ARG005
        lambda request: static("console/palette.css"),  # noqa: ARG005
        lambda request: static("accounts/people.css"),  # noqa: ARG005
    ],
    "SCRIPTS": [
        lambda request: static("console/console.js"),  # noqa: ARG005
        lambda request: static("console/charts.js"),  # noqa: ARG005
        lambda request: static("console/keyboard.js"),  # noqa: ARG005
    ],
    "SITE_URL": None,  # the console is all there is to see
    "SHOW_HISTORY": False,
    "SHOW_VIEW_ON_SITE": False,
    "COLORS": {
        "primary": {
            "50": "oklch(97% .014 230)",
            "100": "oklch(93.5% .03 230)",
            "200": "oklch(88% .06 230)",
            "300": "oklch(80% .1 232)",
            "400": "oklch(72% .13 234)",
            "500": "oklch(64% .14 236)",
            "600": "oklch(53% .13 240)",
            "700": "oklch(46% .12 242)",
            "800": "oklch(40% .1 243)",
            "900": "oklch(35% .08 244)",
            "950": "oklch(26% .06 246)",
        },
    },
    # Replaces the link to a page for changing one's password, which the console has not.
    "ACCOUNT": {
        "navigation": [
            {"title": "My account", "link": ACCOUNT},
            {"title": "API documentation", "link": API_DOCUMENTATION},
        ]
    },
    "SIDEBAR": {
        "navigation": [
            {
                "items": [
                    _item("Dashboard", "monitoring", DASHBOARD),
                    _item("Services", "deployed_code", SERVICES, "service", "published"),
                    _item("Publish", "publish", PUBLISH, "edit", to="is_contributor"),
                    _item("Batches", "stacks", BATCHES, "batch", "batches"),
                    _item("Compute nodes", "dns", NODES, "node", "nodes/nodeentry"),
                    _item("Sessions", "terminal", SESSIONS, "session", "sessions"),
                    _item("Capacity", "speed", CAPACITY, to="is_owner"),
                    _item("Diagnostics", "stethoscope", DIAGNOSTICS, to="is_owner"),
                    _item("People", "group", PEOPLE, to="is_owner"),
                    _item("Audit trail", "history", AUDIT_TRAIL, to="is_owner"),
                    _item("API documentation", "api", API_DOCUMENTATION),
                ],
            },
        ],
    },
    "TABS": [
        {
            "models": ["nodes.nodehealth", "nodes.nodeentry"],
            "items": [
                {"title": "Health", "link": NODES},
                {"title": "Declared entries", "link": NODE_ENTRIES},
            ],
        },
    ],
}
