"""The page of a version."""

import re

import pytest
from django.db import connection
from django.http import HttpResponse
from django.test import Client
from django.test.utils import CaptureQueriesContext
from pytest_django import DjangoAssertNumQueries

from mlops.accounts.models import AuditEntry, User
from services.models import Service, Version
from services.schema import Parameter
from tests.conftest import READERS
from tests.mlops.console.browser import csrf_token, signed_in
from tests.services.create import create_realtime, create_version

PAGE = "/console/service/churn/v1/"
MAYS = ("Delete", "Edit", "Give it a pool", "Save access")


def text_of(browser: Client, address: str = PAGE) -> str:
    response = browser.get(address)
    assert response.status_code == 200, address
    return response.content.decode()


def post(browser: Client, address: str, **form: object) -> HttpResponse:
    token = csrf_token(browser.get("/console/signed-in/"))
    return browser.post(address, {"csrfmiddlewaretoken": token, **form})


def test_it_shows_the_definition(alice: User, rita: User) -> None:
    create_version(
        alice,
        description="Who will leave",
        operation_id="predict",
        inputs=[Parameter("age", "integer")],
        outputs=[Parameter("leaves", "logical")],
        output_files=["plot.png"],
        example={"age": 33},
    )
    text = text_of(signed_in("rita"))
    shown = ("Who will leave", "predict", "age", "integer", "leaves", "plot.png", "33", "alice")
    for each in (*shown, "/api/churn/v1/swagger.json", "requests.post"):
        assert each in text


def test_readers_see_no_code_and_no_control(alice: User, rita: User, bob: User) -> None:
    create_version(alice, code="secret_recipe = 1", init_code="secret_start = 1")
    for name in ("rita", "bob"):
        text = text_of(signed_in(name))
        assert "secret_" not in text
        for control in MAYS:
            assert f">{control}<" not in text
        assert "New version from this one" not in text


@pytest.mark.parametrize("name", ["alice", "admin"])
def test_who_may_change_it_sees_code_and_controls(alice: User, admin: User, name: str) -> None:
    create_version(alice, code="secret_recipe = 1", init_code="secret_start = 1")
    text = text_of(signed_in(name))
    assert "secret_recipe" in text
    assert "secret_start" in text
    assert "New version from this one" in text
    for control in MAYS:
        assert f">{control}<" in text


def test_a_publisher_who_became_a_reader_sees_no_code(alice: User, rita: User) -> None:
    create_version(alice, code="secret_recipe = 1")
    Version.objects.update(published_by="rita")
    assert "secret_recipe" not in text_of(signed_in("rita"))


def test_a_realtime_version_has_neither_code_nor_pool(admin: User) -> None:
    create_realtime(admin)
    text = text_of(signed_in("admin"))
    assert "a model without code" in text
    assert 'id="pool"' not in text


def test_hostile_text_stays_text(alice: User) -> None:
    create_version(
        alice,
        description="<script>alert(1)",
        code="</pre><script>alert(2)",
        inputs=[Parameter('"><script>alert(3)', "character")],
        example={"x": "</script><script>alert(4)"},
    )
    assert "<script>alert" not in text_of(signed_in("alice"))


def test_the_name_of_a_service_leads_to_its_latest_version(alice: User) -> None:
    create_version(alice, version="v1")
    create_version(alice, version="été 2")
    answer = signed_in("alice").get("/console/service/churn/", follow=True)
    assert answer.redirect_chain[-1][0].endswith("/churn/%C3%A9t%C3%A9%202/")
    assert answer.status_code == 200


def test_an_older_version_names_the_latest_one(alice: User) -> None:
    create_version(alice, version="v1")
    create_version(alice, version="v2")
    browser = signed_in("alice")
    assert "The latest version of churn is" in text_of(browser)
    assert "The latest version of churn is" not in text_of(browser, "/console/service/churn/v2/")


def test_the_timeline_is_bounded_until_all_is_asked_for(alice: User) -> None:
    for number in range(12):
        create_version(alice, version=f"v{number}")
    browser = signed_in("alice")
    assert "Show all 12" in text_of(browser, "/console/service/churn/v0/")
    assert ">v5<" in text_of(browser, "/console/service/churn/v11/")
    assert ">v2<" not in text_of(browser, "/console/service/churn/v11/")
    everything = text_of(browser, "/console/service/churn/v11/?all=1")
    assert all(f'/console/service/churn/v{number}/"' in everything for number in range(11))


def test_a_version_that_is_gone_says_so_and_names_others(alice: User) -> None:
    create_version(alice, version="v2")
    for address in (PAGE, f"{PAGE}diff/", f"{PAGE}delete/"):
        answer = signed_in("alice").get(address)
        assert answer.status_code == 404
        text = answer.content.decode()
        assert "churn/v1 does not exist" in text
        assert "/console/service/churn/v2/" in text
        assert "/console/services/service/" in text


@pytest.mark.parametrize("address", ["nothing/", "nothing/v1/", "%00/", "%00/v1/"])
def test_a_service_that_is_gone_says_so(alice: User, address: str) -> None:
    answer = signed_in("alice").get(f"/console/service/{address}")
    assert answer.status_code == 404
    assert "/console/services/service/" in answer.content.decode()


def test_a_closed_service_is_refused_with_what_to_do(alice: User, bob: User) -> None:
    create_version(alice)
    Service.objects.update(grants=[{"right": "consume", "kind": "group", "name": READERS}])
    for address in (PAGE, "/console/service/churn/", f"{PAGE}diff/", f"{PAGE}pool/"):
        answer = signed_in("bob").get(address)
        assert answer.status_code == 403
        assert "ask its publisher or an Owner" in answer.content.decode()


def test_the_page_takes_the_same_queries_however_many_versions_there_are(
    alice: User, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    create_version(alice)
    create_version(alice, version="v2")
    browser = signed_in("alice")
    with CaptureQueriesContext(connection) as for_two:
        browser.get(PAGE)
    for number in range(3, 20):
        create_version(alice, version=f"v{number}")
    with django_assert_num_queries(len(for_two)):
        browser.get(PAGE)


def test_former_addresses_lead_to_the_new_ones(alice: User, bob: User) -> None:
    version = create_version(alice)
    address = f"/console/services/version/{version.pk}/change/"
    assert signed_in("alice").get(address)["Location"] == PAGE
    listed = signed_in("alice").get("/console/services/version/")["Location"]
    assert listed == "/console/services/service/"
    Service.objects.update(grants=[{"right": "consume", "kind": "user", "name": "alice"}])
    assert signed_in("bob").get(address)["Location"] == listed


class TestComparing:
    """Two versions of a service."""

    @pytest.fixture(autouse=True)
    def versions(self, alice: User) -> None:
        create_version(alice, version="v1", code="a = 1\nanswer = x\n")
        create_version(alice, version="v2", code="a = 2\nanswer = x\n", description="Better")

    @pytest.mark.parametrize("view", ["unified", "split"])
    def test_what_differs_is_marked_by_signs(self, alice: User, view: str) -> None:
        address = f"/console/service/churn/v2/diff/?with=v1&view={view}"
        text = re.sub(r"<[^>]*>", "|", text_of(signed_in("alice"), address))
        assert re.search(r"\N{MINUS SIGN}\|+a = 1\|", text)
        assert re.search(r"\+\|+a = 2\|", text)
        assert "Better" in text

    def test_the_version_before_it_is_compared_unless_another_is_named(self, alice: User) -> None:
        text = text_of(signed_in("alice"), "/console/service/churn/v2/diff/")
        assert "<option selected>v1</option>" in text

    def test_others_see_no_code(self, rita: User) -> None:
        text = text_of(signed_in("rita"), "/console/service/churn/v2/diff/?with=v1")
        assert "a = 2" not in text
        assert "The code is left out" in text
        assert "Better" in text

    def test_a_version_that_is_not_there_is_none(self, alice: User) -> None:
        answer = signed_in("alice").get("/console/service/churn/v2/diff/?with=v9")
        assert answer.status_code == 404


class TestGrants:
    """Who may call and manage the service."""

    @pytest.fixture(autouse=True)
    def version(self, alice: User) -> Version:
        return create_version(alice)

    def revision(self, browser: Client, address: str = PAGE) -> str:
        found = re.search(r'name="revision" value="(\w+)"', text_of(browser, address))
        assert found
        return found[1]

    def test_they_are_set_as_typed(self, alice: User, rita: User) -> None:
        browser = signed_in("alice")
        form = {
            "right": ["consume", "consume", "manage"],
            "kind": ["group", "user", "user"],
            "name": ["Readers", "", " alice "],
            "revision": self.revision(browser),
            "on": "v1",
        }
        answer = post(browser, "/console/grants/churn/", **form)
        assert answer["Location"] == f"{PAGE}#access"
        assert Service.objects.get().grants == [
            {"right": "consume", "kind": "group", "name": "Readers"},
            {"right": "manage", "kind": "user", "name": "alice"},
        ]
        assert AuditEntry.objects.filter(action="set grants", username="alice").exists()

    def test_who_comes_second_keeps_what_was_typed(self, alice: User, admin: User) -> None:
        first, second = signed_in("admin"), signed_in("alice")
        revision = self.revision(second)
        form = {"right": "consume", "kind": "user", "revision": revision, "on": "v1"}
        post(first, "/console/grants/churn/", **form, name="rita")
        answer = post(second, "/console/grants/churn/", **form, name="bob")
        assert answer.status_code == 409
        text = answer.content.decode()
        assert "Somebody else changed the grants meanwhile" in text
        assert "consume: user rita" in text
        assert 'value="bob"' in text
        assert Service.objects.get().grants[0]["name"] == "rita"
        found = re.search(r'name="revision" value="(\w+)"', text)
        assert found
        again = post(second, "/console/grants/churn/", **{**form, "revision": found[1]}, name="bob")
        assert again.status_code == 302
        assert Service.objects.get().grants[0]["name"] == "bob"

    def test_what_cannot_be_right_is_said_at_the_form(self, alice: User) -> None:
        browser = signed_in("alice")
        form = {"right": "manage", "kind": "user", "revision": self.revision(browser), "on": "v1"}
        answer = post(browser, "/console/grants/churn/", **form, name="bob")
        assert answer.status_code == 400
        text = answer.content.decode()
        assert "you could not set them again" in text
        assert 'value="bob"' in text
        assert Service.objects.get().grants == []

    def test_others_are_refused(self, bob: User, rita: User) -> None:
        for name in ("bob", "rita"):
            form = {"right": "consume", "kind": "user", "name": name}
            assert post(signed_in(name), "/console/grants/churn/", **form).status_code == 403
        assert Service.objects.get().grants == []

    def test_a_name_that_waits_for_a_version_has_a_page_too(self, alice: User) -> None:
        grants = [{"right": "manage", "kind": "user", "name": "alice"}]
        Service.objects.create(name="waiting", grants=grants)
        browser = signed_in("alice")
        address = "/console/service/waiting/"
        assert "has no version at the moment" in text_of(browser, address)
        revision = self.revision(browser, address)
        answer = post(browser, "/console/grants/waiting/", revision=revision)
        assert answer["Location"] == "/console/services/service/"
        assert not Service.objects.filter(name="waiting").exists()


class TestPool:
    """The dedicated pool."""

    @pytest.fixture(autouse=True)
    def version(self, alice: User) -> Version:
        return create_version(alice)

    def test_it_is_given_resized_and_removed(self, alice: User) -> None:
        browser = signed_in("alice")
        for sizes in (("1", "2"), ("0", "3")):
            form = {"initial_size": sizes[0], "max_size": sizes[1]}
            answer = post(browser, f"{PAGE}pool/", **form)
            assert answer["Location"] == f"{PAGE}#pool"
            pool = Version.objects.get().pool
            assert (str(pool.initial_size), str(pool.max_size)) == sizes
        assert "Resize" in text_of(browser)
        post(browser, f"{PAGE}pool/", remove="yes", initial_size="0", max_size="3")
        assert not Version.objects.get().has_pool

    @pytest.mark.parametrize(
        ("initial", "most"), [("3", "2"), ("", "1"), ("-1", "1"), ("1", "1e9"), ("1", "9" * 30)]
    )
    def test_sizes_that_cannot_be_right_are_said_at_the_form(
        self, alice: User, initial: str, most: str
    ) -> None:
        form = {"initial_size": initial, "max_size": most}
        answer = post(signed_in("alice"), f"{PAGE}pool/", **form)
        assert answer.status_code == 400
        assert f'value="{most}"' in answer.content.decode()
        assert not Version.objects.get().has_pool

    def test_others_see_how_far_it_is_and_change_nothing(self, rita: User, bob: User) -> None:
        for name in ("rita", "bob"):
            browser = signed_in(name)
            part = browser.get(f"{PAGE}pool/", headers={"HX-Request": "true"})
            assert part.status_code == 200
            form = {"initial_size": "1", "max_size": "2"}
            assert post(browser, f"{PAGE}pool/", **form).status_code == 403
        assert not Version.objects.get().has_pool
