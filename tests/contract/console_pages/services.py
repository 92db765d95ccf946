"""Services and their versions."""

from mlops.accounts.roles import Role
from tests.contract.console_pages import Page

CONTRIBUTOR = Role.CONTRIBUTOR
_VERSION = "service/{name}/{version}/"

PAGES = {
    "services/delete/": Page(
        role=CONTRIBUTOR,
        posts=CONTRIBUTOR,
        status=302,
        form={"chosen": '[["churn", "v1"]]', "confirmed": "yes"},
    ),
    "services/deleting/{}/": Page(
        role=CONTRIBUTOR,
        address="services/deleting/00000000-0000-0000-0000-000000000000/",
        status=404,
    ),
    "services/version/": Page(status=302),
    "services/version/{}/change/": Page(
        address="services/version/{version_id}/change/", status=302
    ),
    "service/{}/": Page(address="service/{name}/", status=302),
    "service/{}/{}/": Page(address=_VERSION),
    "service/{}/{}/diff/": Page(address=f"{_VERSION}diff/"),
    "service/{}/{}/try/": Page(posts=Role.READER, address=f"{_VERSION}try/", status=302),
    "service/{}/{}/pool/": Page(
        posts=CONTRIBUTOR,
        address=f"{_VERSION}pool/",
        status=302,
        form={"initial_size": "1", "max_size": "1"},
    ),
    "service/{}/{}/delete/": Page(
        role=Role.OWNER,  # or the publisher, who is nobody of the cast
        posts=Role.OWNER,
        address=f"{_VERSION}delete/",
        form={"typed_name": "churn/v1"},
    ),
    "grants/{}/": Page(
        role=CONTRIBUTOR,
        posts=Role.OWNER,  # or the publisher
        address="grants/{name}/",
        status=302,
        form={"right": "consume", "kind": "user", "name": "rita"},
    ),
}
