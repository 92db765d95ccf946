import pytest
from django.test import Client

from mlops.accounts.models import User
from tests.services.create import create_version


@pytest.fixture
def browser(alice: User) -> Client:
    create_version(alice)
    client = Client(headers={"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"})
    client.force_login(alice)
    return client


@pytest.mark.parametrize("path", ["/services", "/services/churn", "/services/churn/v1"])
def test_a_browser_gets_a_page_with_what_the_call_answers(browser: Client, path: str) -> None:
    response = browser.get(path)
    assert response.status_code == 200
    assert response["Content-Type"].startswith("text/html")
    assert b"versionPublishedBy" in response.content


def test_the_page_of_a_version_has_a_form_to_call_it(browser: Client) -> None:
    response = browser.get("/api/churn/v1")
    assert response.status_code == 405
    assert b'name="_content"' in response.content
