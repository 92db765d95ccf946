"""Signing in to the console at a provider."""

from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit

import httpx
import pytest
from django.test import Client
from pytest_django import Settings

from mlops.accounts import break_glass
from mlops.accounts.models import AuditEntry, User
from mlops.console import provider_sign_in
from tests.conftest import PASSWORD
from tests.mlops.console.browser import SIGN_IN, csrf_token, open_browser
from tests.openid.running import (
    ANSWER,
    AUDIENCE,
    CLIENT_ID,
    OWNERS,
    PEOPLE,
    SCIENTISTS,
    OpenIdProvider,
    clients,
    person,
)
from tests.openid.walking import walk

LIST = "/console/services/service/"
BEGIN = "/console/login/provider"


@pytest.fixture
def declared_ids(settings: Settings) -> None:
    settings.ROLE_GROUPS = {"Owner": [OWNERS], "Contributor": [], "Reader": [SCIENTISTS]}


def begin(browser: Client, **query: str) -> str:
    """The address at the provider to which the browser is sent."""
    answer = browser.get(BEGIN, query)
    assert answer.status_code == 302
    return str(answer["Location"])


def path_of(address: str) -> str:
    parts = urlsplit(address)
    return f"{parts.path}?{parts.query}"


def sign_in(
    openid: OpenIdProvider, browser: Client, name: str = "carol", **query: str
) -> httpx.URL:
    """Where the browser is in the end."""
    with openid.browser() as http:
        came_back = walk(http, begin(browser, **query), name=name)
    return httpx.URL(str(browser.get(path_of(came_back))["Location"]))


def problem_of(url: httpx.URL) -> str:
    assert url.path == SIGN_IN
    return str(url.params["problem"])


def is_signed_in(browser: Client) -> bool:
    return browser.get(LIST).status_code == 200


class TestThePage:
    """What the sign-in page offers."""

    def test_it_offers_microsoft_and_no_password(self, openid: OpenIdProvider) -> None:
        page = Client().get(SIGN_IN, {"next": LIST}).content.decode()
        assert "Sign in with Microsoft" in page
        assert f"{BEGIN}?next=%2Fconsole%2Fservices%2Fservice%2F" in page
        assert 'name="password"' not in page

    def test_another_provider_has_its_own_name(
        self, plain_openid: OpenIdProvider, settings: Settings
    ) -> None:
        host = urlsplit(plain_openid.origin).netloc
        assert f"Sign in with {host}" in Client().get(SIGN_IN).content.decode()
        settings.ENTRA = plain_openid.plain(name="Our <Company>")
        assert "Sign in with Our &lt;Company&gt;" in Client().get(SIGN_IN).content.decode()

    def test_with_local_accounts_there_is_no_provider(self, db: None) -> None:
        assert "Sign in with" not in Client().get(SIGN_IN).content.decode()
        assert Client().get(BEGIN).status_code == 404
        assert Client().get(f"{BEGIN}/answer").status_code == 404

    def test_a_password_is_no_way_in(self, openid: OpenIdProvider, admin: User) -> None:
        browser = Client()
        browser.post(SIGN_IN, {"username": "admin", "password": "Quite-Secret-1"})
        assert not is_signed_in(browser)

    def test_behind_the_broken_glass_it_is(self, openid: OpenIdProvider, admin: User) -> None:
        break_glass.break_glass()
        browser = open_browser()
        page = browser.get(SIGN_IN)
        assert "Sign in with Microsoft" in page.content.decode()
        form = {"username": "admin", "password": PASSWORD, "csrfmiddlewaretoken": csrf_token(page)}
        browser.post(SIGN_IN, form)
        assert is_signed_in(browser)

    def test_nor_over_rest_which_says_what_is(self, openid: OpenIdProvider, admin: User) -> None:
        body = {"username": "admin", "password": "Quite-Secret-1"}
        answer = Client().post("/login", body, content_type="application/json")
        assert answer.status_code == 401
        message = answer.json()["message"]
        assert "People sign in with Microsoft here" in message
        assert f"--client-id {CLIENT_ID} --audience {AUDIENCE}" in message


class TestTheWayThere:
    """What the browser is sent to the provider with."""

    def test_it_has_pkce_state_and_nonce(self, openid: OpenIdProvider) -> None:
        address = begin(Client())
        assert address.startswith(f"{openid.origin}/tenant/v2.0/auth?")
        query = {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()}
        assert query["client_id"] == AUDIENCE
        assert query["redirect_uri"] == ANSWER
        assert query["response_type"] == "code"
        assert query["code_challenge_method"] == "S256"
        assert min(len(query[name]) for name in ("code_challenge", "state", "nonce")) >= 20

    def test_behind_a_proxy_the_settings_say_where_it_comes_back_to(
        self, openid: OpenIdProvider, settings: Settings
    ) -> None:
        settings.ENTRA = openid.tenant(base_url="https://mlops.example.com")
        assert (
            "redirect_uri=https%3A%2F%2Fmlops.example.com%2Fconsole%2Flogin%2Fprovider%2Fanswer"
            in begin(Client())
        )

    def test_nobody_else_says_where_it_comes_back_to(self, openid: OpenIdProvider) -> None:
        answer = Client().get(BEGIN, headers={"X-Forwarded-Host": "evil.example"})
        assert "evil.example" not in answer["Location"]

    def test_it_is_no_address_to_post_to(self, openid: OpenIdProvider) -> None:
        assert Client().post(BEGIN).status_code == 405
        assert Client().post(f"{BEGIN}/answer").status_code == 405


class TestComingIn:
    """Coming back from the provider."""

    def test_people_come_in_and_where_they_wanted_to_go(self, openid: OpenIdProvider) -> None:
        browser = Client()
        there = "/console/nodes/nodeentry/"
        assert str(sign_in(openid, browser, next=there)) == there
        assert is_signed_in(browser)
        user = User.objects.get()
        assert (user.username, user.sign_in_method) == ("carol@example.com", "entra")
        assert user.directory_groups == [SCIENTISTS]

    def test_at_any_other_provider_too(self, plain_openid: OpenIdProvider) -> None:
        browser = Client()
        assert str(sign_in(plain_openid, browser)) == "/console/"
        assert is_signed_in(browser)

    def test_it_is_in_the_audit_trail(self, openid: OpenIdProvider) -> None:
        sign_in(openid, Client())
        entry = AuditEntry.objects.get(action="sign in")
        assert (entry.username, entry.outcome) == ("carol@example.com", "success")
        assert entry.login_session_id

    def test_too_many_groups_are_asked_of_the_directory(
        self, openid: OpenIdProvider, declared_ids: None
    ) -> None:
        browser = Client()
        sign_in(openid, browser, "many")
        assert is_signed_in(browser)
        assert OWNERS in User.objects.get().directory_groups

    @pytest.mark.parametrize(
        "elsewhere", ["https://evil.example/", "//evil.example/", "/\\evil.example", "javascript:1"]
    )
    def test_it_leads_nowhere_else(self, openid: OpenIdProvider, elsewhere: str) -> None:
        assert str(sign_in(openid, Client(), next=elsewhere)) == "/console/"

    def test_the_session_has_another_key_than_before(self, openid: OpenIdProvider) -> None:
        browser = Client()
        address = begin(browser)
        before = browser.cookies["sessionid"].value
        with openid.browser() as http:
            browser.get(path_of(walk(http, address, name="carol")))
        assert browser.cookies["sessionid"].value != before
        browser.cookies["sessionid"] = before
        assert not is_signed_in(browser)

    def test_several_tabs_come_in(self, openid: OpenIdProvider) -> None:
        browser = Client()
        first, second = begin(browser, next=LIST), begin(browser)
        with openid.browser() as http:
            answer = browser.get(path_of(walk(http, first, name="carol")))
            assert answer["Location"] == LIST
            assert is_signed_in(browser)
            answer = browser.get(path_of(walk(http, second, name="carol")))
        assert "problem=stale" in answer["Location"]
        assert is_signed_in(browser)

    def test_secrets_are_in_no_address(self, openid: OpenIdProvider) -> None:
        browser = Client()
        address = begin(browser)
        (begun,) = browser.session["provider_flows"].values()
        assert begun["flow"]["code_verifier"] not in address
        assert begun["flow"]["nonce"] not in address


class TestStayingOut:
    """Answers that sign nobody in."""

    def test_declining_is_said(self, openid: OpenIdProvider) -> None:
        browser = Client()
        with openid.browser() as http:
            came_back = walk(http, begin(browser, next=LIST), name="", is_declined=True)
        url = httpx.URL(str(browser.get(path_of(came_back))["Location"]))
        assert (problem_of(url), url.params["next"]) == ("denied", LIST)
        page = browser.get(str(url)).content.decode()
        assert "declined at Microsoft" in page
        assert f"{BEGIN}?next=%2Fconsole%2Fservices%2Fservice%2F&amp;again=1" in page

    def test_an_answer_serves_once(self, openid: OpenIdProvider) -> None:
        browser = Client()
        with openid.browser() as http:
            came_back = walk(http, begin(browser), name="carol")
        assert browser.get(path_of(came_back))["Location"] == "/console/"
        browser.post("/console/logout/")
        again = browser.get(path_of(came_back))
        assert "problem=stale" in again["Location"]
        assert not is_signed_in(browser)

    def test_it_serves_no_other_browser(self, openid: OpenIdProvider) -> None:
        with openid.browser() as http:
            came_back = walk(http, begin(Client()), name="carol")
        victim = Client()
        assert "problem=stale" in victim.get(path_of(came_back))["Location"]
        assert not is_signed_in(victim)
        assert not User.objects.exists()

    def test_a_code_of_another_sign_in_is_refused(self, openid: OpenIdProvider) -> None:
        """Its PKCE verifier and nonce are not this browser's."""
        with openid.browser() as http:
            stolen = dict(parse_qsl(urlsplit(walk(http, begin(Client()), name="olga")).query))
        browser = Client()
        own = parse_qs(urlsplit(begin(browser)).query)["state"][0]
        answer = browser.get(f"{BEGIN}/answer?{urlencode(stolen | {'state': own})}")
        assert "problem=refused" in answer["Location"]
        assert not is_signed_in(browser)
        assert not User.objects.exists()

    @pytest.mark.parametrize("query", ["", "code=x&state=y", "state=", "error=access_denied"])
    def test_an_answer_to_nothing_is_refused(self, openid: OpenIdProvider, query: str) -> None:
        browser = Client()
        begin(browser)
        assert "problem=stale" in browser.get(f"{BEGIN}/answer?{query}")["Location"]
        assert not is_signed_in(browser)

    def test_an_answer_of_another_provider_is_refused(self, openid: OpenIdProvider) -> None:
        browser = Client()
        with openid.browser() as http:
            answer = dict(parse_qsl(urlsplit(walk(http, begin(browser), name="carol")).query))
        mixed_up = urlencode(answer | {"iss": "https://evil.example"})
        assert "problem=stale" in browser.get(f"{BEGIN}/answer?{mixed_up}")["Location"]
        assert not is_signed_in(browser)

    def test_one_that_took_too_long_is_refused(
        self, openid: OpenIdProvider, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(provider_sign_in, "FLOW_SECONDS", 0)
        browser = Client()
        with openid.browser() as http:
            came_back = walk(http, begin(browser), name="carol")
        assert "problem=stale" in browser.get(path_of(came_back))["Location"]
        assert not User.objects.exists()

    def test_a_wrong_key_of_this_server_is_for_its_administrator(
        self, openid: OpenIdProvider, settings: Settings, caplog: pytest.LogCaptureFixture
    ) -> None:
        settings.ENTRA = openid.tenant(key="wrong")
        browser = Client()
        url = sign_in(openid, browser)
        assert problem_of(url) == "refused"
        assert "tell its administrator" in browser.get(str(url)).content.decode()
        assert "invalid_client" in caplog.text
        assert "wrong" not in caplog.text

    def test_somebody_without_a_role_is_told_whom_to_ask(
        self, openid: OpenIdProvider, declared_ids: None
    ) -> None:
        openid.configure(people=PEOPLE | {"dave": person("dave")})
        browser = Client()
        url = sign_in(openid, browser, "dave")
        assert problem_of(url) == "no-role"
        assert "You have no role here" in browser.get(str(url)).content.decode()
        assert not is_signed_in(browser)
        entry = AuditEntry.objects.get(action="sign in")
        assert (entry.username, entry.outcome) == ("dave@example.com", "refused")

    def test_somebody_without_a_name_is_refused(self, openid: OpenIdProvider) -> None:
        assert problem_of(sign_in(openid, Client(), "nobody")) == "no-user"
        assert not User.objects.exists()

    def test_the_name_of_another_kind_of_account_is_taken(
        self, openid: OpenIdProvider, admin: User
    ) -> None:
        openid.configure(people=PEOPLE | {"admin": person("admin", upn="ADMIN")})
        browser = Client()
        assert problem_of(sign_in(openid, browser, "admin")) == "name-taken"
        assert not is_signed_in(browser)
        admin.refresh_from_db()
        assert admin.sign_in_method == "local"

    def test_an_unknown_problem_says_nothing(self, openid: OpenIdProvider) -> None:
        page = Client().get(SIGN_IN, {"problem": "<b>pwned</b>"}).content.decode()
        assert "pwned" not in page


class TestOutages:
    """While the provider is away."""

    def test_it_is_said_on_the_way_there(self, openid: OpenIdProvider) -> None:
        openid.stop()
        browser = Client()
        url = httpx.URL(begin(browser, next=LIST))
        assert (problem_of(url), url.params["next"]) == ("unavailable", LIST)
        page = browser.get(str(url)).content.decode()
        assert "Microsoft cannot be reached" in page
        assert "nothing about your account" in page

    def test_and_on_the_way_back(self, openid: OpenIdProvider) -> None:
        browser = Client()
        with openid.browser() as http:
            came_back = walk(http, begin(browser), name="carol")
        openid.configure(is_out=True)
        assert "problem=unavailable" in browser.get(path_of(came_back))["Location"]
        assert not is_signed_in(browser)

    def test_whoever_is_in_stays_in(self, openid: OpenIdProvider) -> None:
        browser = Client()
        sign_in(openid, browser)
        openid.stop()
        assert is_signed_in(browser)

    def test_the_state_of_the_whole_names_the_provider(self, openid: OpenIdProvider) -> None:
        headers = {"Authorization": f"Bearer {openid.token()}"}

        def authentication() -> dict[str, object]:
            found: dict[str, object] = Client().get("/status", headers=headers).json()
            parts = found["components"]
            assert isinstance(parts, dict)
            return dict(parts["authentication"])

        details = {"authority": f"{openid.origin}/tenant", "audience": AUDIENCE}
        child = {"statusCode": "pass", "details": details, "components": None}
        assert authentication() == {
            "statusCode": "pass",
            "details": {},
            "components": {"azureActiveDirectory": child},
        }
        openid.stop()
        assert authentication()["statusCode"] == "fail"


class TestSessions:
    """How long a browser stays in."""

    def test_without_a_key_it_is_sent_to_the_provider_again_in_time(
        self, openid: OpenIdProvider, settings: Settings
    ) -> None:
        settings.ENTRA = openid.tenant(key="")
        settings.ROLE_CACHE_SECONDS = 1800
        openid.configure(
            clients=[
                {
                    **client,
                    "token_endpoint_auth_method": "none",
                    "grant_types": client["grant_types"][:1],
                }
                if client["client_id"] == AUDIENCE
                else client
                for client in clients(ANSWER)
            ]
        )
        browser = Client()
        sign_in(openid, browser)
        assert is_signed_in(browser)
        left = browser.session.get_expiry_age()
        assert 1790 < left <= 1800
        session = browser.session
        session["used"] = True  # which makes it last no longer
        session.save()
        assert browser.session.get_expiry_age() <= left

    def test_with_a_key_it_stays_as_others_do(
        self, openid: OpenIdProvider, settings: Settings
    ) -> None:
        browser = Client()
        sign_in(openid, browser)
        assert browser.session.get_expiry_age() == settings.SESSION_COOKIE_AGE

    def test_one_whose_session_ran_out_goes_to_the_provider_unasked(
        self, openid: OpenIdProvider
    ) -> None:
        browser = Client()
        with openid.browser() as http:
            came_back = walk(http, begin(browser), name="carol")
            browser.get(path_of(came_back))
            browser.session.delete()
            page = browser.get(LIST, follow=False)
            for _ in range(2):  # the sign-in page, and the way to the provider
                page = browser.get(page["Location"])
            came_back = walk(http, page["Location"], name="nobody is asked")
        assert browser.get(path_of(came_back))["Location"] == LIST
        assert is_signed_in(browser)

    def test_whoever_signed_out_is_asked(self, openid: OpenIdProvider) -> None:
        browser = open_browser()
        sign_in(openid, browser)
        page = browser.get(LIST)
        answer = browser.post("/console/logout/", {"csrfmiddlewaretoken": csrf_token(page)})
        assert answer.status_code == 302
        assert "Sign in with Microsoft" in browser.get(SIGN_IN).content.decode()
