"""Batches: the one that is asked for is somebody else's, so that only Owners see it."""

from mlops.accounts.roles import Role
from tests.contract.console_pages import Page

_OTHERS = {"role": Role.OWNER, "others": 404}
_CONFIRMED = {"confirmed": "yes"}

PAGES = {
    "batch/{}/": Page(address="batch/{batch}/", **_OTHERS),
    "batches/cancel/": Page(
        address="batches/cancel/?batch={batch}",
        posts=Role.OWNER,
        form=_CONFIRMED,
        **_OTHERS,
    ),
    "batch/{}/retry/": Page(
        address="batch/{batch}/retry/", posts=Role.OWNER, form=_CONFIRMED, **_OTHERS
    ),
    "batch/{}/results.json/": Page(address="batch/{batch}/results.json/", is_data=True, **_OTHERS),
    "batch/{}/results.csv/": Page(address="batch/{batch}/results.csv/", is_data=True, **_OTHERS),
    "batch/{}/{}/{}/": Page(address="batch/{batch}/0/no-such-file/", status=404, others=404),
    "batch/start/": Page(posts=Role.READER, form={"version": "churn/v1", "rows": "[{}]"}),
    "batch/storing/{}/": Page(
        address="batch/storing/00000000-0000-4000-8000-000000000000/", status=404, others=404
    ),
}
