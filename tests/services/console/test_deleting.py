"""Deleting a version, and whole services, from the console."""

import json
import re

import pytest
from django.http import HttpResponse
from django.test import Client
from django.utils import timezone

from mlops.accounts.models import AuditEntry, User
from mlops.jobs import running
from mlops.jobs.models import Job, JobState
from mlops.usage.minutes import HOUR, minute_of
from services.actions.configure_pool import configure_pool
from services.console import deleting
from services.models import Service, Usage, Version
from services.usage import scopes
from tests.mlops.console.browser import csrf_token, signed_in
from tests.services.create import create_batch, create_version

LIST = "/console/services/service/"
PAGE = "/console/service/churn/v1/delete/"


def post(browser: Client, address: str, **form: object) -> HttpResponse:
    token = csrf_token(browser.get("/console/signed-in/"))
    return browser.post(address, {"csrfmiddlewaretoken": token, **form})


def versions() -> set[str]:
    return {str(each) for each in Version.objects.select_related("service")}


class TestOne:
    """A version, by its typed name."""

    def test_it_is_deleted_once_its_name_is_typed(self, alice: User) -> None:
        create_version(alice)
        create_version(alice, version="v2")
        browser = signed_in("alice")
        refused = post(browser, PAGE, typed_name="churn/v2")
        assert refused.status_code == 400
        assert "nothing was deleted" in refused.content.decode()
        assert versions() == {"churn/v1", "churn/v2"}
        done = post(browser, PAGE, typed_name=" churn/v1 ")
        assert done["Location"] == "/console/service/churn/"
        assert versions() == {"churn/v2"}
        assert AuditEntry.objects.filter(action="delete version", username="alice").count() == 1

    def test_the_preview_says_what_depends_on_it(self, alice: User) -> None:
        create_version(alice)
        create_batch(alice)
        configure_pool(user=alice, name="churn", version="v1", initial_size=1, max_size=2)
        of, minute = scopes.of_version("churn", "v1"), minute_of(timezone.now(), HOUR)
        Usage.objects.create(of=of, resolution=HOUR, minute=minute, calls=7)
        text = signed_in("alice").get(PAGE).content.decode()
        assert "called 7 times" in text
        assert "1 batch, 1 of them unfinished" in text
        assert "1 to 2 shells" in text
        assert "the service churn is gone with it" in text

    def test_it_says_that_grants_stay(self, alice: User) -> None:
        create_version(alice)
        Service.objects.update(grants=[{"right": "consume", "kind": "user", "name": "rita"}])
        assert "its grants stay" in signed_in("alice").get(PAGE).content.decode()

    @pytest.mark.parametrize("name", ["bob", "rita"])
    def test_others_are_refused(self, alice: User, bob: User, rita: User, name: str) -> None:
        create_version(alice)
        browser = signed_in(name)
        assert browser.get(PAGE).status_code == 403
        assert post(browser, PAGE, typed_name="churn/v1").status_code == 403
        assert versions() == {"churn/v1"}


class TestMany:
    """The services chosen in the list."""

    def choose(self, browser: Client, *names: str) -> str:
        keys = [Service.objects.get(name=name).pk for name in names]
        answer = post(browser, LIST, action="delete_chosen", _selected_action=keys)
        assert answer.status_code == 200
        return answer.content.decode()

    def chosen_in(self, text: str) -> str:
        found = re.search(r'name="chosen" value="([^"]*)"', text)
        assert found
        return found[1].replace("&quot;", '"')

    def test_what_may_be_deleted_is_shown_and_the_rest_with_its_reason(
        self, alice: User, bob: User
    ) -> None:
        create_version(alice)
        create_version(bob, version="bobs")
        create_version(alice, name="other")
        text = self.choose(signed_in("alice"), "churn", "other")
        assert json.loads(self.chosen_in(text)) == [["churn", "v1"], ["other", "v1"]]
        assert "churn/bobs: bob published it" in text
        assert "delete 2 versions" in text
        assert versions() == {"churn/v1", "churn/bobs", "other/v1"}

    def test_several_take_a_typed_sentence(self, alice: User) -> None:
        create_version(alice)
        create_version(alice, name="other")
        browser = signed_in("alice")
        chosen = self.chosen_in(self.choose(browser, "churn", "other"))
        for typed in ("", "delete 3 versions"):
            answer = post(browser, "/console/services/delete/", chosen=chosen, typed_name=typed)
            assert answer.status_code == 400
            assert len(versions()) == 2
        form = {"chosen": chosen, "typed_name": "delete 2 versions"}
        assert post(browser, "/console/services/delete/", **form)["Location"] == LIST
        assert versions() == set()

    def test_what_was_published_since_the_preview_stays(self, alice: User) -> None:
        create_version(alice)
        browser = signed_in("alice")
        chosen = self.chosen_in(self.choose(browser, "churn"))
        create_version(alice, version="v2")
        post(browser, "/console/services/delete/", chosen=chosen)
        assert versions() == {"churn/v2"}

    def test_what_one_may_not_delete_stays_whatever_the_form_says(
        self, alice: User, bob: User
    ) -> None:
        create_version(alice)
        browser = signed_in("bob")
        answer = post(browser, "/console/services/delete/", chosen='[["churn", "v1"]]')
        assert answer.status_code == 302
        assert "churn/v1 stays" in browser.get(LIST).content.decode()
        assert versions() == {"churn/v1"}

    @pytest.mark.parametrize("chosen", ["", "x", "{}", "[1]", '[["a"]]', '[["a", 1]]'])
    def test_a_broken_form_is_refused(self, alice: User, chosen: str) -> None:
        answer = post(signed_in("alice"), "/console/services/delete/", chosen=chosen)
        assert answer.status_code in (302, 400)

    def test_many_are_deleted_by_a_job_with_progress(
        self,
        alice: User,
        bob: User,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setattr(deleting, "MOST_AT_ONCE", 1)
        create_version(alice)
        create_version(alice, version="v2")
        create_version(bob, name="bobs")
        chosen = '[["churn", "v1"], ["churn", "v2"], ["bobs", "v1"], ["gone", "v1"]]'
        form = {"chosen": chosen, "typed_name": "delete 4 versions"}
        browser = signed_in("alice")
        answer = post(browser, "/console/services/delete/", **form)
        page = answer["Location"]
        assert "waits for a worker" in browser.get(page).content.decode()
        running.run(Job.objects.get().pk)
        assert Job.objects.get().state == JobState.DONE
        text = browser.get(page, headers={"HX-Request": "true"}).content.decode()
        assert "2 versions deleted" in text
        assert "bobs/v1" in text
        assert versions() == {"bobs/v1"}
        assert signed_in("bob").get(page).status_code == 404

    def test_readers_are_refused(self, alice: User, rita: User) -> None:
        create_version(alice)
        browser = signed_in("rita")
        answer = post(browser, "/console/services/delete/", chosen='[["churn", "v1"]]')
        assert answer.status_code == 403
        assert versions() == {"churn/v1"}
