import asyncio
import base64
import json
from collections.abc import AsyncIterator, Coroutine
from typing import Any

import httpx
import pytest
from asgiref.sync import async_to_sync
from django.contrib.auth.models import Group
from pytest_django import Settings

from mlops.accounts import changes, tokens
from mlops.accounts.api_keys.actions import create_api_key, revoke_api_key
from mlops.accounts.models import User
from mlops.asgi import application
from nodes.compute_node import close_connections
from services.actions.set_grants import set_grants
from services.grants import Grant
from services.lane import ScoringLane
from services.models import Version
from tests.conftest import create_user
from tests.services.api.exchange import ERROR_KEYS
from tests.services.create import create_version
from tests.services.scripted_node import ScriptedNode, declared, refusal

# The lane reads the database from several threads.
pytestmark = pytest.mark.django_db(transaction=True)

RESULT = (
    b'{"success":true,"errorMessage":"","consoleOutput":"","changedFiles":[],'
    b'"outputParameters":{"answer": 1.50},"outputFiles":{}}'
)


async def succeed(node: ScriptedNode, body: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(RESULT), RESULT)


def run(main: Coroutine[Any, Any, Any]) -> Any:
    async def wait() -> Any:
        try:
            return await main
        finally:
            await close_connections()

    return async_to_sync(wait)()


def token_of(user: User) -> str:
    return tokens.issue(user).access_token


def post(
    path: str,
    *,
    token: str = "",
    body: Any = b"{}",
    node: ScriptedNode | None = None,
    headers: dict[str, str] | None = None,
    method: str = "POST",
) -> httpx.Response:
    """The answer of a web node to one request, with `node` as its only compute node."""

    async def main() -> httpx.Response:
        transport = httpx.ASGITransport(app=application)
        sent = {"Authorization": f"Bearer {token}"} if token else {}
        async with (
            declared(*([node] if node else [])),
            httpx.AsyncClient(transport=transport, base_url="http://web") as client,
        ):
            return await client.request(
                method, path, content=body, headers={**sent, **(headers or {})}
            )

    response: httpx.Response = run(main())
    return response


def assert_error(response: httpx.Response, status: int) -> str:
    """The message of the error object."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/json"
    body = response.json()
    assert list(body) == ERROR_KEYS
    assert body["code"] == status
    return str(body["message"])


@pytest.fixture
def version(alice: User) -> Version:
    return create_version(alice)


def test_the_nodes_answer_is_passed_on_byte_for_byte(version: Version, bob: User) -> None:
    response = post("/api/churn/v1", token=token_of(bob), node=ScriptedNode(score=succeed))
    assert response.status_code == 200
    assert response.content == RESULT
    assert response.headers["content-type"] == "application/json"
    assert response.headers["content-length"] == str(len(RESULT))


def test_the_body_arrives_byte_for_byte_in_whatever_pieces(version: Version, bob: User) -> None:
    bodies: list[bytes] = []

    async def keep(node: ScriptedNode, body: bytes) -> bytes:
        bodies.append(body)
        return await succeed(node, body)

    async def pieces() -> AsyncIterator[bytes]:
        for piece in (b'{"x"', b"", b": NaN, ", b'"\xc3', b'\xa9":1} '):
            yield piece

    post("/api/churn/v1", token=token_of(bob), body=pieces(), node=ScriptedNode(score=keep))
    assert bodies == [b'{"x": NaN, "\xc3\xa9":1} ']


def test_a_reader_may_score(version: Version, rita: User) -> None:
    node = ScriptedNode(score=succeed)
    assert post("/api/churn/v1", token=token_of(rita), node=node).status_code == 200


@pytest.mark.parametrize("scheme", ["bearer", "BEARER"])
def test_the_scheme_is_known_in_any_case(version: Version, bob: User, scheme: str) -> None:
    response = post(
        "/api/churn/v1",
        headers={"Authorization": f"{scheme} {token_of(bob)}"},
        node=ScriptedNode(score=succeed),
    )
    assert response.status_code == 200


def test_names_are_percent_decoded(bob: User) -> None:
    create_version(bob, name="мой сервис", version="v 1+2")
    path = "/api/%D0%BC%D0%BE%D0%B9%20%D1%81%D0%B5%D1%80%D0%B2%D0%B8%D1%81/v%201+2"
    node = ScriptedNode(score=succeed)
    assert post(path, token=token_of(bob), node=node).status_code == 200


@pytest.mark.parametrize(
    "path",
    [
        "churn/v2",
        "Churn/v1",
        "churn%2Fv1/x",
        "%2E%2E/%2E%2E",
        "%00/v1",
        "churn/v1%0A",
        "%FF/v1",
        "%ED%A0%80/v1",
        "x" * 10_000 + "/v1",
    ],
)
def test_an_unknown_or_hostile_name_is_404(version: Version, bob: User, path: str) -> None:
    node = ScriptedNode()
    assert_error(post(f"/api/{path}", token=token_of(bob), node=node), 404)
    assert node.n_scores == 0


def forged() -> str:
    header = base64.urlsafe_b64encode(b'{"alg":"none","typ":"JWT"}').rstrip(b"=").decode()
    claims = base64.urlsafe_b64encode(b'{"sub":"admin","upn":"admin"}').rstrip(b"=").decode()
    return f"{header}.{claims}."


@pytest.mark.parametrize("token", ["x", "a.b.c", forged(), "é", "x" * 5000], ids=range(5))
def test_a_bad_token_is_401(version: Version, bob: User, token: str) -> None:
    node = ScriptedNode()
    response = post(
        "/api/churn/v1",
        headers={"Authorization": f"Bearer {token}".encode("latin-1")},
        node=node,  # type: ignore[dict-item]
    )
    assert_error(response, 401)
    assert response.headers["www-authenticate"] == "Bearer"
    assert node.n_scores == 0


def test_a_revoked_token_is_401(version: Version, bob: User) -> None:
    pair = tokens.issue(bob)
    tokens.revoke(pair.refresh_token)
    assert_error(post("/api/churn/v1", token=pair.access_token), 401)


def test_a_bad_token_does_not_tell_whether_a_name_exists(db: None) -> None:
    assert_error(post("/api/unknown/v1", token="x"), 401)


def test_without_a_role_it_is_403(version: Version, declared_groups: None) -> None:
    node = ScriptedNode()
    message = assert_error(
        post("/api/churn/v1", token=token_of(create_user("mallory")), node=node), 403
    )
    assert "no role" in message
    assert node.n_scores == 0


@pytest.mark.parametrize("is_announced", [True, False])
def test_a_body_above_the_limit_is_413(
    version: Version, bob: User, settings: Settings, is_announced: bool
) -> None:
    settings.MAX_JSON_BYTES = 1000

    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(11):
            yield b"x" * 100

    node = ScriptedNode()
    body = b"x" * 1100 if is_announced else pieces()
    message = assert_error(post("/api/churn/v1", token=token_of(bob), body=body, node=node), 413)
    assert "1000 bytes" in message
    assert node.n_scores == 0


def test_a_body_at_the_limit_passes(version: Version, bob: User, settings: Settings) -> None:
    settings.MAX_JSON_BYTES = 1000
    node = ScriptedNode(score=succeed)
    body = b" " * 998 + b"{}"
    assert post("/api/churn/v1", token=token_of(bob), body=body, node=node).status_code == 200


def test_a_refused_input_is_400_with_its_name(version: Version, bob: User) -> None:
    async def refuse(node: ScriptedNode, body: bytes) -> bytes:
        return refusal("400 Bad Request", "invalid-input", "x must be a number.", fields="x")

    response = post("/api/churn/v1", token=token_of(bob), node=ScriptedNode(score=refuse))
    assert assert_error(response, 400) == "x must be a number."
    assert response.json()["fields"] == "x"


def test_busy_nodes_are_503_and_say_when_to_retry(version: Version, bob: User) -> None:
    async def refuse(node: ScriptedNode, body: bytes) -> bytes:
        return refusal("503 Service Unavailable", "busy", "No shell is free.")

    response = post("/api/churn/v1", token=token_of(bob), node=ScriptedNode(score=refuse))
    assert_error(response, 503)
    assert response.headers["retry-after"] == "1"


def test_no_node_is_503(version: Version, bob: User) -> None:
    response = post("/api/churn/v1", token=token_of(bob))
    assert_error(response, 503)
    assert response.headers["retry-after"] == "1"


def test_a_node_that_breaks_off_is_500(version: Version, bob: User) -> None:
    async def break_off(node: ScriptedNode, body: bytes) -> bytes:
        raise ConnectionError

    response = post("/api/churn/v1", token=token_of(bob), node=ScriptedNode(score=break_off))
    assert "closed the connection" in assert_error(response, 500)


def test_a_node_that_takes_too_long_is_504(version: Version, bob: User, settings: Settings) -> None:
    settings.NODE_REQUEST_SECONDS = 0.2

    async def hang(node: ScriptedNode, body: bytes) -> bytes:
        await asyncio.Event().wait()
        return b""

    assert_error(post("/api/churn/v1", token=token_of(bob), node=ScriptedNode(score=hang)), 504)


def test_a_fault_of_our_own_is_500_and_logged(
    version: Version, bob: User, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    settings.NODE_REQUEST_SECONDS = None  # not a number: as good a fault as any
    message = assert_error(post("/api/churn/v1", token=token_of(bob), node=ScriptedNode()), 500)
    assert "log says more" in message
    assert "Scoring failed." in caplog.text


class Client:
    """The ASGI side of a client that sends a body and goes away when told to."""

    def __init__(self, path: str, token: str) -> None:
        self.scope = {
            "type": "http",
            "method": "POST",
            "path": path,
            "raw_path": path.encode(),
            "headers": [(b"authorization", b"Bearer " + token.encode())],
        }
        self.sent: list[Any] = []
        self.leave = asyncio.Event()
        self._has_sent_body = False

    async def receive(self) -> dict[str, Any]:
        if not self._has_sent_body:
            self._has_sent_body = True
            return {"type": "http.request", "body": b"{}", "more_body": False}
        await self.leave.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Any) -> None:
        self.sent.append(message)


def test_a_client_that_leaves_breaks_off_the_run(version: Version, bob: User) -> None:
    token = token_of(bob)

    async def main() -> None:
        running = asyncio.Event()

        async def hang(node: ScriptedNode, body: bytes) -> bytes:
            running.set()
            await asyncio.Event().wait()
            return b""

        client, node = Client("/api/churn/v1", token), ScriptedNode(score=hang)
        async with declared(node):
            call = asyncio.create_task(application(client.scope, client.receive, client.send))
            await running.wait()
            client.leave.set()
            await call
            await node.closed.wait()
        assert client.sent == []

    run(main())


def test_a_client_that_leaves_before_its_body_is_whole_runs_nothing(
    version: Version, bob: User
) -> None:
    token = token_of(bob)

    async def main() -> None:
        client, node = Client("/api/churn/v1", token), ScriptedNode()
        client._has_sent_body = True
        client.leave.set()
        async with declared(node):
            await application(client.scope, client.receive, client.send)  # type: ignore[arg-type]
        assert client.sent == []
        assert node.n_scores == 0

    run(main())


def test_a_server_that_stops_breaks_off_the_run_and_says_so(version: Version, bob: User) -> None:
    token = token_of(bob)

    async def main() -> None:
        running = asyncio.Event()

        async def hang(node: ScriptedNode, body: bytes) -> bytes:
            running.set()
            await asyncio.Event().wait()
            return b""

        client, node = Client("/api/churn/v1", token), ScriptedNode(score=hang)
        async with declared(node):
            call = asyncio.create_task(application(client.scope, client.receive, client.send))
            await running.wait()
            call.cancel()
            await call
            await node.closed.wait()
        assert client.sent[0]["status"] == 503

    run(main())


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/api/churn/v1"),
        ("POST", "/ping"),
        ("POST", "/api/churn"),
        ("POST", "/api/churn/v1/batch"),
        ("POST", "/api//v1"),
        ("POST", "/api/churn/"),
        ("POST", "/xapi/churn/v1"),
        ("POST", "//api/churn/v1"),
    ],
)
def test_everything_else_falls_through_to_django(method: str, path: str, bob: User) -> None:
    seen: list[Any] = []

    async def django(scope: Any, receive: Any, send: Any) -> None:
        seen.append(scope["path"])

    async def main() -> None:
        scope = {
            "type": "http",
            "method": method,
            "path": path,
            "raw_path": path.encode(),
            "headers": [(b"authorization", b"Bearer x")],
        }
        await ScoringLane(django)(scope, None, None)  # type: ignore[arg-type]

    run(main())
    assert seen == [path]


@pytest.mark.parametrize("authorization", [b"", b"Basic eDp5", b"Negotiate x"])
def test_without_a_bearer_token_django_answers(version: Version, authorization: bytes) -> None:
    response = post("/api/churn/v1", headers={"Authorization": authorization})  # type: ignore[dict-item]
    assert_error(response, 401)


def test_other_protocols_fall_through() -> None:
    seen: list[str] = []

    async def django(scope: Any, receive: Any, send: Any) -> None:
        seen.append(scope["type"])

    run(ScoringLane(django)({"type": "lifespan"}, None, None))  # type: ignore[arg-type]
    assert seen == ["lifespan"]


def test_who_is_not_granted_is_403_at_once_and_reaches_no_node(
    version: Version, alice: User, bob: User
) -> None:
    token = token_of(bob)
    assert post("/api/churn/v1", token=token).status_code == 503  # it asked for a node
    set_grants(user=alice, name="churn", grants=[Grant("consume", "group", "Team")])
    node = ScriptedNode(score=succeed)
    message = assert_error(post("/api/churn/v1", token=token, node=node), 403)
    assert "ask its publisher or an Owner for a grant" in message
    assert node.n_scores == 0
    bob.groups.add(Group.objects.create(name="TEAM"))
    changes.note()
    assert post("/api/churn/v1", token=token).status_code == 503


def test_a_new_version_and_its_end_are_seen_at_once(alice: User) -> None:
    token = token_of(alice)  # of a name that no other test has put into the lane's catalogue
    assert_error(post("/api/brand-new/v1", token=token), 404)
    create_version(alice, name="brand-new")
    node = ScriptedNode(score=succeed)
    assert post("/api/brand-new/v1", token=token, node=node).status_code == 200


def test_what_a_caller_sends_and_gets_is_in_no_log(
    version: Version, bob: User, caplog: pytest.LogCaptureFixture
) -> None:
    async def break_off(node: ScriptedNode, body: bytes) -> bytes:
        raise ConnectionError

    token = token_of(bob)
    body = json.dumps({"x": "very private"}).encode()
    post("/api/churn/v1", token=token, body=body, node=ScriptedNode(score=break_off))
    assert "churn/v1" in caplog.text
    assert "very private" not in caplog.text
    assert token not in caplog.text


class TestApiKeys:
    """API keys on the lane."""

    def key(self, user: User, services: list[str] | None = None) -> str:
        return create_api_key(user=user, name="x", services=services).text

    @pytest.mark.parametrize("services", [None, ["churn"], ["churn", "iris"]])
    def test_a_key_scores_as_a_token_does(
        self, version: Version, bob: User, services: list[str] | None
    ) -> None:
        key = self.key(bob, services)
        response = post("/api/churn/v1", token=key, node=ScriptedNode(score=succeed))
        assert response.content == RESULT

    def test_a_service_whose_name_needs_encoding_is_known(self, alice: User, bob: User) -> None:
        create_version(alice, name="größe 1")
        key = self.key(bob, ["größe 1"])
        node = ScriptedNode(score=succeed)
        assert post("/api/gr%C3%B6%C3%9Fe%201/v1", token=key, node=node).status_code == 200

    @pytest.mark.parametrize("path", ["/api/churn/v1", "/api/unknown/v1", "/api/chur%6E/v1"])
    def test_other_services_are_403_whether_they_are_there_or_not(
        self, version: Version, bob: User, path: str
    ) -> None:
        node = ScriptedNode(score=succeed)
        response = post(path, token=self.key(bob, ["iris"]), node=node)
        assert assert_error(response, 403) == "This API key is for other services only."
        assert node.n_scores == 0

    def test_a_revoked_key_is_a_401_with_the_next_call(self, version: Version, bob: User) -> None:
        made = create_api_key(user=bob, name="x")
        node = ScriptedNode(score=succeed)
        assert post("/api/churn/v1", token=made.text, node=node).status_code == 200
        revoke_api_key(user=bob, key_id=made.key.pk)
        response = post("/api/churn/v1", token=made.text, node=node)
        assert made.text not in assert_error(response, 401)
        assert response.headers["www-authenticate"] == "Bearer"

    def test_a_key_without_a_role_is_403(self, version: Version, settings: Settings) -> None:
        key = self.key(create_user("mallory"))
        settings.ROLE_GROUPS = {"Owner": [], "Contributor": [], "Reader": ["some"]}
        assert_error(post("/api/churn/v1", token=key), 403)
