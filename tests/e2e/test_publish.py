"""From a model on somebody's laptop to a scored request, in a real browser on a real box."""

import re
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, StorageState, expect

from tests.e2e.browsing import sign_in
from tests.e2e.one_box import OneBox
from tests.nodes.runtime.realtime.models import adding
from tests.services.inference.models import dumped, forest

pytestmark = pytest.mark.any_database

PATIENTLY = 60_000  # milliseconds: for what waits for a worker or a shell


@pytest.fixture(scope="module")
def session(browser: Browser, one_box: OneBox) -> StorageState:
    """The cookies of the signed-in administrator."""
    context = browser.new_context()
    sign_in(context.new_page(), one_box.url, "admin", one_box.admin_password)
    cookies = context.storage_state()
    context.close()
    return cookies


@pytest.fixture
def page(browser: Browser, session: StorageState) -> Iterator[Page]:
    """A page of the signed-in administrator, on which no script fails."""
    context = browser.new_context(storage_state=session)
    page = context.new_page()
    said: list[str] = []
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("console", lambda message: said.append(message.text))
    yield page
    context.close()
    assert [text for text in said if "the server responded with a status" not in text] == []


@pytest.fixture
def name() -> str:
    """Of a service that no other test has."""
    return f"test-{uuid.uuid4().hex[:8]}"


def begin(page: Page, box: OneBox, kind: str) -> None:
    page.goto(f"{box.url}/console/publish/")
    page.get_by_role("button", name=re.compile(f"^{kind}")).click()
    expect(page.locator("#files")).to_be_attached()


def declare(page: Page, side: str, name: str, kind: str = "numeric") -> None:
    page.locator(f"#add-{side}").click()
    page.get_by_label(f"Name of {side[:-1]}").last.fill(name)
    page.locator(f"select[id^='{side}.']").last.select_option(kind)


def run(page: Page) -> None:
    page.locator("#run").click()
    expect(page.get_by_text("It works.")).to_be_visible(timeout=PATIENTLY)


def publish(page: Page, box: OneBox, name: str, **inputs: Any) -> dict[str, Any]:
    """Publishes what is on the page; the outputs of a call of it."""
    page.locator("#name").fill(name)
    expect(page.locator("#name-help")).to_contain_text("1.0")
    page.locator("#publish").click()
    page.wait_for_url("**/published/**", timeout=PATIENTLY)
    expect(page.get_by_text(f"{box.url}/api/{name}/1.0").first).to_be_visible()
    return score(box, name, **inputs)


def score(box: OneBox, name: str, **inputs: Any) -> dict[str, Any]:
    with box.client() as client:
        result = client.post(f"/api/{name}/1.0", json=inputs).json()
    assert result["errorMessage"] == ""
    outputs: dict[str, Any] = result["outputParameters"]
    return outputs


def test_python_that_is_typed(one_box: OneBox, page: Page, name: str) -> None:
    begin(page, one_box, "Python")
    page.locator("#code").fill("print('hello')\nanswer = x * 2")
    declare(page, "inputs", "x")
    declare(page, "outputs", "answer")
    run(page)
    expect(page.locator("#outputs")).to_have_text('{"answer":3}')
    expect(page.get_by_text("hello", exact=True)).to_be_visible()
    assert publish(page, one_box, name, x=4) == {"answer": 8}


@pytest.mark.r
def test_r_that_is_typed(one_box: OneBox, page: Page, name: str) -> None:
    begin(page, one_box, "R")
    page.locator("#code").fill("answer <- sum(frame$a)")
    declare(page, "outputs", "answer")
    page.get_by_text("Read the inputs off a sample").click()
    page.locator("#sample").fill('{"frame": [{"a": 1, "b": "x"}, {"a": 2, "b": "y"}]}')
    page.get_by_role("button", name="Set the inputs").click()
    page.get_by_label("a, row 2").fill("5")
    run(page)
    expect(page.locator("#outputs")).to_have_text('{"answer":6}')
    assert publish(page, one_box, name, frame=[{"a": 7}]) == {"answer": 7}


def test_an_onnx_model(one_box: OneBox, page: Page, name: str) -> None:
    begin(page, one_box, "Model file")
    model = {"name": "adding.onnx", "mimeType": "", "buffer": adding()}
    page.locator("#files").set_input_files([model])  # type: ignore[list-item]
    page.get_by_label("x, row 1").fill("2", timeout=PATIENTLY)
    run(page)
    outputs = publish(page, one_box, name, inputData=[{"x": 4.0}])
    assert outputs == {"outputData": {"y": [5.0]}}


def test_a_scikit_learn_model_gets_its_code_written(one_box: OneBox, page: Page, name: str) -> None:
    begin(page, one_box, "Model file")
    model = {"name": "species.joblib", "mimeType": "", "buffer": dumped(forest())}
    page.locator("#files").set_input_files([model])  # type: ignore[list-item]
    expect(page.locator("#code")).to_have_value(re.compile("predict"), timeout=PATIENTLY)
    expect(page.get_by_text("species.joblib").first).to_be_visible()
    run(page)
    publish(page, one_box, name, inputData=[{"length": 5.1, "width": 3.5}])


def test_an_output_that_the_code_never_sets_is_pointed_out(one_box: OneBox, page: Page) -> None:
    begin(page, one_box, "Python")
    page.locator("#code").fill("anser = 42")
    declare(page, "outputs", "answer")
    run(page)
    expect(page.get_by_text("answer: without a value.")).to_be_visible()


def test_an_error_is_shown_at_its_line(one_box: OneBox, page: Page) -> None:
    begin(page, one_box, "Python")
    page.locator("#code").fill("x = 1\nanswer = 1 / 0")
    page.locator("#run").click()
    said = page.get_by_text("It failed in line 2 of the code")
    expect(said).to_be_visible(timeout=PATIENTLY)
    expect(page.locator(".editor-gutter .is-marked").first).to_have_text("2")


def test_with_the_keyboard_alone(one_box: OneBox, page: Page, name: str) -> None:
    page.goto(f"{one_box.url}/console/publish/")
    page.get_by_role("button", name=re.compile("^Python")).focus()
    page.keyboard.press("Enter")
    expect(page.locator("#code")).to_be_visible()
    tab_to(page, "code")
    page.keyboard.type("if x > 0:\n")
    page.keyboard.type("answer = x\n")  # the editor indents
    page.keyboard.press("Shift+Tab")
    page.keyboard.type("else:\nanswer = -x")
    page.keyboard.press("Escape")
    tab_to(page, "add-inputs")
    page.keyboard.press("Enter")
    expect(page.get_by_label("Name of input 1")).to_be_focused()
    page.keyboard.type("x")
    tab_to(page, "add-outputs")
    page.keyboard.press("Enter")
    expect(page.get_by_label("Name of output 1")).to_be_focused()
    page.keyboard.type("answer")
    tab_to(page, "run")
    page.keyboard.press("Enter")
    expect(page.get_by_text("It works.")).to_be_visible(timeout=PATIENTLY)
    tab_to(page, "name")
    page.keyboard.type(name)
    expect(page.locator("#name-help")).to_contain_text("1.0")
    tab_to(page, "publish")
    page.keyboard.press("Enter")
    page.wait_for_url("**/published/**", timeout=PATIENTLY)
    assert score(one_box, name, x=-3) == {"answer": 3}


def tab_to(page: Page, element: str) -> None:
    for _ in range(60):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.id") == element:
            return
    pytest.fail(f"Tab does not lead to {element}")


def test_what_is_typed_outlasts_the_session(one_box: OneBox, page: Page, name: str) -> None:
    begin(page, one_box, "Python")
    page.locator("#code").fill("answer = 1")
    expect(page.get_by_text("Saved", exact=True)).to_be_visible()
    page.context.clear_cookies(name="sessionid")
    page.locator("#code").fill("answer = 2")
    expect(page.get_by_text("Your session has ended")).to_be_visible()
    with page.context.expect_page() as opened:
        page.get_by_role("link", name="Sign in").click()
    other = opened.value
    other.locator("input[name=username]").fill("admin")
    other.locator("input[name=password]").fill(one_box.admin_password)
    other.locator("input[name=password]").press("Enter")
    other.wait_for_url("**/signed-in/")
    other.close()
    page.get_by_role("button", name="I have signed in").click()
    expect(page.get_by_text("Your session has ended")).to_be_hidden()
    expect(page.get_by_text("Saved", exact=True)).to_be_visible()
    page.reload()
    expect(page.locator("#code")).to_have_value("answer = 2")


def test_what_is_typed_outlasts_the_tab(one_box: OneBox, page: Page, name: str) -> None:
    begin(page, one_box, "Python")
    page.locator("#name").fill(name)
    expect(page.get_by_text("Saved", exact=True)).to_be_visible()
    page.goto(f"{one_box.url}/console/publish/")
    page.get_by_role("link", name=name).click()
    expect(page.locator("#name")).to_have_value(name)
    page.get_by_role("button", name="Discard draft").click()
    page.wait_for_url("**/console/publish/")
    expect(page.get_by_role("link", name=name)).to_have_count(0)


def test_a_name_that_is_taken_is_offered_its_next_version(one_box: OneBox, page: Page) -> None:
    begin(page, one_box, "Python")
    page.locator("#code").fill("answer = 1")
    page.locator("#name").fill("iris")
    expect(page.locator("#name-help")).to_contain_text("iris has 1.0.0")
    expect(page.locator("#version")).to_have_value("1.0.1")
    page.locator("#version").fill("1.0.0")
    page.locator("#publish").click()
    expect(page.locator("#name-help")).to_contain_text("iris has a version 1.0.0 already.")
    page.get_by_role("button", name="Publish as 1.0.1").click()
    expect(page.locator("#version")).to_have_value("1.0.1")
    expect(page.locator("#code")).to_have_value("answer = 1")


def test_two_tabs_ask_which_one_counts(one_box: OneBox, page: Page) -> None:
    begin(page, one_box, "Python")
    other = page.context.new_page()
    other.goto(page.url)
    page.locator("#code").fill("answer = 1")
    expect(page.get_by_text("Saved", exact=True)).to_be_visible()
    other.locator("#code").fill("answer = 2")
    other.get_by_role("button", name="Keep what is on this page").click()
    expect(other.get_by_text("Saved", exact=True)).to_be_visible()
    page.reload()
    expect(page.locator("#code")).to_have_value("answer = 2")


def test_a_version_is_changed_where_it_is(one_box: OneBox, page: Page, name: str) -> None:
    path = f"/services/{name}/1.0"
    with one_box.client() as client:
        body = {"code": "a = 1", "runtimeType": "Python"}
        body["outputParameterDefinitions"] = [{"name": "a", "type": "numeric"}]  # type: ignore[assignment]
        client.post(path, json=body).raise_for_status()
        page.goto(f"{one_box.url}/console/edit/{name}/1.0/")
        page.get_by_role("button", name=f"Change {name}/1.0").click()
        page.locator("#code").fill("a = 2")
        client.patch(path, json={"code": "a = 3"}).raise_for_status()
        page.locator("#publish").click()
        expect(page.get_by_text("Somebody else changed it since you began.")).to_be_visible()
        expect(page.get_by_text("+a = 3")).to_be_visible()
        page.get_by_role("button", name="Publish mine all the same").click()
        page.wait_for_url("**/published/**", timeout=PATIENTLY)
    assert score(one_box, name) == {"a": 2}


def test_a_large_file_goes_up_with_its_progress(one_box: OneBox, page: Page) -> None:
    begin(page, one_box, "Python")
    page.locator("#code").fill("answer = 1")
    page.evaluate(
        """() => {
            const file = new File([new Uint8Array(40 * 1024 * 1024)], "weights.bin");
            const dropped = new DataTransfer();
            dropped.items.add(file);
            document.querySelector(".drop").dispatchEvent(
                new DragEvent("drop", { dataTransfer: dropped, bubbles: true, cancelable: true }));
        }"""
    )
    expect(page.locator("progress").first).to_be_visible()
    expect(page.get_by_role("button", name="Remove weights.bin")).to_be_visible(timeout=PATIENTLY)
