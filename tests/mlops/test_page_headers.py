"""What browsers are told about answers."""

import pytest
from django.test import Client

from mlops.accounts.models import User
from mlops.page_headers import CONSOLE_POLICY, DATA_POLICY, PAGE_POLICY
from tests.mlops.console.browser import SIGN_IN, signed_in

LIST = "/console/services/service/"


def test_no_policy_allows_inline_scripts_framing_or_other_hosts() -> None:
    for policy in (CONSOLE_POLICY, PAGE_POLICY, DATA_POLICY):
        scripts = [part for part in policy.split("; ") if part.startswith("script-src")]
        assert "unsafe-inline" not in "".join(scripts)
        assert "frame-ancestors 'none'" in policy
        assert "http" not in policy
        assert "*" not in policy
    assert "unsafe-eval" not in PAGE_POLICY + DATA_POLICY


@pytest.mark.parametrize(
    ("address", "policy"),
    [
        (LIST, CONSOLE_POLICY),
        ("/docs", PAGE_POLICY),
        ("/services", PAGE_POLICY),
        ("/docs?script=", DATA_POLICY),
        ("/nothing", DATA_POLICY),
    ],
)
def test_each_answer_has_the_policy_of_its_kind(alice: User, address: str, policy: str) -> None:
    response = signed_in("alice").get(address, HTTP_ACCEPT="text/html")
    assert response["Content-Security-Policy"] == policy


@pytest.mark.parametrize("address", ["/", SIGN_IN, LIST, "/services", "/ping", "/nothing", "/docs"])
def test_all_answers_are_guarded_and_kept_by_nobody(alice: User, address: str) -> None:
    response = signed_in("alice").get(address)
    assert response["X-Content-Type-Options"] == "nosniff"
    assert response["X-Frame-Options"] == "DENY"
    assert response["Referrer-Policy"] == "same-origin"
    assert response["Cross-Origin-Opener-Policy"] == "same-origin"
    assert response["Cross-Origin-Resource-Policy"] == "same-origin"
    assert "camera=()" in response["Permissions-Policy"]
    assert "no-store" in response["Cache-Control"]


def test_the_sign_in_page_is_not_kept_either(client: Client, db: None) -> None:
    assert "no-store" in client.get(SIGN_IN)["Cache-Control"]


def test_without_tls_nobody_is_told_to_use_it(client: Client, db: None) -> None:
    response = client.get(SIGN_IN)
    assert response.status_code == 200
    assert "Strict-Transport-Security" not in response
