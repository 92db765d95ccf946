"""How the console looks: the settings of django-unfold."""

from typing import Any

from django.templatetags.static import static
from django.urls import reverse_lazy

DASHBOARD = reverse_lazy("console:index")
SERVICES = reverse_lazy("console:services_version_changelist")
PUBLISH = reverse_lazy("console:publish")
SESSIONS = reverse_lazy("console:nodes_session_changelist")
BATCHES = reverse_lazy("console:services_batch_changelist")
NODES = reverse_lazy("console:nodes_nodehealth_changelist")
PEOPLE = reverse_lazy("console:accounts_user_changelist")
ACCOUNT = reverse_lazy("console:account")
AUDIT_TRAIL = reverse_lazy("console:accounts_auditentry_changelist")
NODE_ENTRIES = reverse_lazy("console:nodes_nodeentry_changelist")
API_DOCUMENTATION = reverse_lazy("docs")

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
                    {"title": "Dashboard", "icon": "monitoring", "link": DASHBOARD},
                    {"title": "Services", "icon": "deployed_code", "link": SERVICES},
                    {
                        "title": "Publish",
                        "icon": "publish",
                        "link": PUBLISH,
                        "permission": "mlops.accounts.roles.is_contributor",
                    },
                    {"title": "Batches", "icon": "stacks", "link": BATCHES},
                    {"title": "Compute nodes", "icon": "dns", "link": NODES},
                    {"title": "Sessions", "icon": "terminal", "link": SESSIONS},
                    {
                        "title": "People",
                        "icon": "group",
                        "link": PEOPLE,
                        "permission": "mlops.accounts.roles.is_owner",
                    },
                    {
                        "title": "Audit trail",
                        "icon": "history",
                        "link": AUDIT_TRAIL,
                        "permission": "mlops.accounts.roles.is_owner",
                    },
                    {"title": "API documentation", "icon": "api", "link": API_DOCUMENTATION},
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
