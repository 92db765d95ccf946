"""People and roles, and one's own account."""

from mlops.accounts.roles import Role
from tests.contract.console_pages import Page

OWNER = Role.OWNER

PAGES = {
    "account/": Page(posts=Role.READER, form={"do": "create-key", "name": "k"}),
    "people/": Page(role=OWNER),
    "people/sign-in/": Page(role=OWNER, is_data=True),
    "people/unblock/": Page(role=OWNER, posts=OWNER, status=302),
    "people/new/": Page(
        role=OWNER,
        posts=OWNER,
        form={"name": "nina", "password": "Brand-New-7", "password_again": "Brand-New-7"},
    ),
    "people/new-service-account/": Page(
        role=OWNER, posts=OWNER, form={"name": "robot", "role": "Owner"}
    ),
    "people/{}/": Page(
        role=OWNER,
        posts=OWNER,
        address="people/{person}/",
        form={"do": "deactivate", "confirmed": "yes"},
    ),
    "accounts/user/csv/": Page(role=OWNER, is_data=True),
}
