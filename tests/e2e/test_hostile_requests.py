"""What wrong, broken and hostile requests get from a one-box: right status, right error body."""

import base64
import json
import socket
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import httpx
import jwt
import pytest

from tests.contract.exchanges import CHECKED
from tests.contract.operations import ERROR

pytestmark = pytest.mark.any_database


def assert_error(response: httpx.Response, status: int) -> str:
    """The message of the one error object; fails unless status and shape are right."""
    assert response.status_code == status, response.text[:500]
    body = response.json()
    assert list(body) == list(ERROR)
    assert body["code"] == status
    assert body["message"]
    return str(body["message"])


@pytest.fixture(scope="module")
def session(one_box: Any) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=one_box.url, timeout=60, event_hooks=CHECKED) as client:
        answer = client.post(
            "/login", json={"username": "admin", "password": one_box.admin_password}
        )
        client.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"
        yield client


@pytest.fixture(scope="module")
def service(session: httpx.Client) -> Iterator[str]:
    """The address of a service that wants a number, a text and a frame."""
    name = f"strict-{uuid.uuid4().hex[:8]}"
    definition = {
        "runtimeType": "Python",
        "code": "answer = x",
        "inputParameterDefinitions": [
            {"name": "x", "type": "numeric"},
            {"name": "label", "type": "character"},
            {"name": "frame", "type": "data.frame"},
        ],
        "outputParameterDefinitions": [{"name": "answer", "type": "numeric"}],
    }
    assert session.post(f"/services/{name}/v1", json=definition).status_code == 201
    yield f"/api/{name}/v1"
    session.delete(f"/services/{name}/v1")


GOOD: dict[str, Any] = {"x": 1.5, "label": "a", "frame": {"c": [1, 2]}}


@pytest.fixture(autouse=True)
def still_in_service(session: httpx.Client, service: str) -> Iterator[None]:
    """Whatever the test sent, the next honest request is answered."""
    yield
    answer = session.post(service, json=GOOD).json()
    assert (answer["success"], answer["outputParameters"]) == (True, {"answer": 1.5})


# -- bodies --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"nonsense",
        b'{"x": 1,}',
        b"\xff\xfe\x00",
        b'{"x": "\xc3\x28"}',
        b'{"x": 1} trailing',
        b"[" * 100_000,
        b'{"x":' * 50_000,
    ],
    ids=["open", "word", "comma", "utf16", "bad-utf8", "trailing", "deep-array", "deep-object"],
)
def test_malformed_json_is_400(session: httpx.Client, service: str, body: bytes) -> None:
    assert_error(session.post(service, content=body), 400)


@pytest.mark.parametrize("body", [[1], "text", 5, True, None], ids=repr)
def test_a_body_that_is_no_object_is_400(session: httpx.Client, service: str, body: Any) -> None:
    assert_error(session.post(service, json=body), 400)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("x", "text"),
        ("x", True),
        ("x", {"a": 1}),
        ("x", [[1]]),
        ("label", 5),
        ("label", {"a": 1}),
        ("frame", "text"),
        ("frame", 5),
        ("frame", {"a": [1, 2], "b": [1]}),
        ("frame", [1, 2]),
        ("frame", {"a": {"b": 1}}),
    ],
    ids=repr,
)
def test_a_wrong_kind_is_400_and_names_the_field(
    session: httpx.Client, service: str, field: str, value: Any
) -> None:
    assert field in assert_error(session.post(service, json={**GOOD, field: value}), 400)


@pytest.mark.parametrize("field", ["x", "label", "frame"])
def test_a_missing_input_is_400_and_named(session: httpx.Client, service: str, field: str) -> None:
    body = {name: value for name, value in GOOD.items() if name != field}
    assert field in assert_error(session.post(service, json=body), 400)


def test_undeclared_inputs_are_ignored(session: httpx.Client, service: str) -> None:
    answer = session.post(service, json={**GOOD, "extra": [1], "__builtins__": {}})
    assert answer.json()["outputParameters"] == {"answer": 1.5}


def test_a_byte_order_mark_and_nan_are_tolerated(session: httpx.Client, service: str) -> None:
    body = b'\xef\xbb\xbf{"x":NaN,"label":"a","frame":{"c":[Infinity,-Infinity]}}'
    assert session.post(service, content=body).json()["outputParameters"] == {"answer": None}


@pytest.mark.parametrize(
    "content_type",
    ["application/json", "application/json; charset=utf-8", "text/plain", "application/xml", ""],
)
def test_the_content_type_does_not_matter_for_scoring(
    session: httpx.Client, service: str, content_type: str
) -> None:
    answer = session.post(service, content=json.dumps(GOOD), headers={"Content-Type": content_type})
    assert answer.json()["success"] is True


def test_an_announced_body_above_the_limit_is_413_before_it_is_sent(
    one_box: Any, session: httpx.Client, service: str
) -> None:
    address = urlsplit(one_box.url)
    with socket.create_connection((address.hostname, address.port), timeout=30) as raw:
        raw.sendall(
            f"POST {service} HTTP/1.1\r\nHost: box\r\nContent-Length: {10**13}\r\n"
            f"Authorization: {session.headers['Authorization']}\r\n\r\n".encode()
        )
        assert raw.recv(65536).startswith(b"HTTP/1.1 413")


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", "TRACE"])
def test_a_method_that_scoring_lacks_is_405(
    session: httpx.Client, service: str, method: str
) -> None:
    assert_error(session.request(method, service), 405)


# -- names ---------------------------------------------------------------------------------------

HOSTILE_NAMES = ["..", ".", "a\x00b", "a\nb", "a\\b", "a?b", "a#b", "a%b", "x" * 10_000, "\x7f"]


@pytest.mark.parametrize("name", HOSTILE_NAMES, ids=lambda name: repr(name[:12]))
@pytest.mark.parametrize("place", ["name", "version"])
def test_publishing_a_hostile_name_is_refused(session: httpx.Client, name: str, place: str) -> None:
    before = session.get("/services").json()
    # httpx would tidy "..", so the dots are escaped, as an attacker would do.
    segment = quote(name, safe="").replace(".", "%2E")
    path = f"/services/{segment}/v1" if place == "name" else f"/services/probe/{segment}"
    answer = session.post(path, json={"runtimeType": "Python", "code": "a = 1"})
    assert_error(answer, 400)
    assert session.get("/services").json() == before


@pytest.mark.parametrize("path", ["/services/a%2Fb/v1", "/services/..%2F..%2Fetc/passwd"])
def test_an_escaped_slash_publishes_nothing(session: httpx.Client, path: str) -> None:
    before = session.get("/services").json()
    answer = session.post(path, json={"runtimeType": "Python", "code": "a = 1"})
    assert answer.status_code in {400, 404}
    assert_error(answer, answer.status_code)
    assert session.get("/services").json() == before


@pytest.mark.parametrize(
    "path",
    ["/api/nobody/v1", "/api/strict/%00", "/api/" + "x" * 10_000 + "/v1", "/api/ü/%F0%9F%92%A9"],
    ids=lambda path: path[:20],
)
def test_scoring_an_unknown_name_is_404(session: httpx.Client, path: str) -> None:
    assert_error(session.post(path, json={}), 404)


def test_an_unknown_address_is_404_with_the_error_body(session: httpx.Client) -> None:
    assert_error(session.get("/no/such/thing"), 404)


@pytest.mark.parametrize("name", ["../../etc/passwd", "a\x00b", ".."], ids=repr)
def test_a_hostile_object_name_is_refused(session: httpx.Client, name: str) -> None:
    created = session.post("/sessions", json={"runtimeType": "Python"}).json()["sessionId"]
    path = f"/sessions/{created}/workspace/{quote(name, safe='').replace('.', '%2E')}"
    answer = session.post(path, content=b"")
    assert answer.status_code in {400, 404}
    assert_error(answer, answer.status_code)
    assert session.get(f"/sessions/{created}/workspace").json() == []
    assert session.delete(f"/sessions/{created}").status_code == 200


def test_an_object_that_is_no_pickle_is_400_and_harmless(session: httpx.Client) -> None:
    created = session.post("/sessions", json={"runtimeType": "Python"}).json()["sessionId"]
    answer = session.post(f"/sessions/{created}/workspace/thing", content=b"not a pickle")
    assert_error(answer, 400)
    assert session.get(f"/sessions/{created}/workspace").json() == []
    assert session.delete(f"/sessions/{created}").status_code == 200


# -- tokens --------------------------------------------------------------------------------------


def encode(part: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode()


@pytest.fixture(scope="module")
def claims(session: httpx.Client) -> dict[str, Any]:
    token = str(session.headers["Authorization"]).removeprefix("Bearer ")
    decoded: dict[str, Any] = jwt.decode(token, options={"verify_signature": False})
    return decoded


@pytest.fixture(scope="module")
def signing_key(one_box: Any) -> str:
    return Path(one_box.data_dir, "secrets", "token_signing_key.pem").read_text()


def public_pem(private_pem: str) -> bytes:
    from cryptography.hazmat.primitives import serialization

    key = serialization.load_pem_private_key(private_pem.encode(), password=None)
    return key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )


def unsigned(claims: dict[str, Any], key: str) -> str:
    return f"{encode({'alg': 'none', 'typ': 'JWT'})}.{encode(claims)}."


def signed_with_the_public_key(claims: dict[str, Any], key: str) -> str:
    import hashlib
    import hmac

    head = f"{encode({'alg': 'HS512', 'typ': 'JWT'})}.{encode(claims)}"
    mac = hmac.new(public_pem(key), head.encode(), hashlib.sha512).digest()
    return f"{head}.{base64.urlsafe_b64encode(mac).rstrip(b'=').decode()}"


def signed_with_another_key(claims: dict[str, Any], key: str) -> str:
    from cryptography.hazmat.primitives.asymmetric import rsa

    return jwt.encode(claims, rsa.generate_private_key(65537, 2048), algorithm="RS512")


def expired(claims: dict[str, Any], key: str) -> str:
    return jwt.encode({**claims, "exp": int(time.time()) - 600}, key, algorithm="RS512")


def of_another_algorithm(claims: dict[str, Any], key: str) -> str:
    return jwt.encode(claims, key, algorithm="RS256")


def for_another_audience(claims: dict[str, Any], key: str) -> str:
    return jwt.encode({**claims, "aud": "somebody-else"}, key, algorithm="RS512")


def of_an_unknown_family(claims: dict[str, Any], key: str) -> str:
    return jwt.encode({**claims, "sid": "0" * 128, "jti": str(uuid.uuid4())}, key, "RS512")


def with_altered_claims(claims: dict[str, Any], key: str) -> str:
    head, _, signature = jwt.encode(claims, key, algorithm="RS512").split(".")
    return f"{head}.{encode({**claims, 'sub': 'root'})}.{signature}"


FORGERIES = [
    unsigned,
    signed_with_the_public_key,
    signed_with_another_key,
    expired,
    of_another_algorithm,
    for_another_audience,
    of_an_unknown_family,
    with_altered_claims,
]


@pytest.mark.parametrize("path", ["/services", "scoring"])
@pytest.mark.parametrize("forge", FORGERIES, ids=lambda forge: forge.__name__)
def test_a_forged_token_is_401(
    one_box: Any,
    service: str,
    claims: dict[str, Any],
    signing_key: str,
    forge: Callable[[dict[str, Any], str], str],
    path: str,
) -> None:
    headers = {"Authorization": f"Bearer {forge(claims, signing_key)}"}
    with httpx.Client(base_url=one_box.url, headers=headers, timeout=120) as stranger:
        answer = (
            stranger.post(service, json=GOOD) if path == "scoring" else stranger.get("/services")
        )
        assert_error(answer, 401)


@pytest.mark.parametrize(
    "header", [None, "", "Bearer", "Bearer x.y.z", "Basic YTpi", "Token abc", "Bearer ü"]
)
def test_no_proper_token_is_401(one_box: Any, service: str, header: str | None) -> None:
    headers = {} if header is None else {"Authorization": header.encode("latin-1")}
    assert_error(httpx.post(one_box.url + service, json=GOOD, headers=headers, timeout=120), 401)
    assert_error(httpx.get(one_box.url + "/services", headers=headers, timeout=120), 401)


def test_a_revoked_token_is_401_at_once(one_box: Any, session: httpx.Client, service: str) -> None:
    pair = httpx.post(
        one_box.url + "/login",
        json={"username": "admin", "password": one_box.admin_password},
        timeout=120,
    ).json()
    headers = {"Authorization": f"Bearer {pair['access_token']}"}
    assert (
        httpx.post(one_box.url + service, json=GOOD, headers=headers, timeout=120).status_code
        == 200
    )
    revoked = httpx.delete(
        one_box.url + "/login/refreshToken",
        params={"refreshToken": pair["refresh_token"]},
        timeout=120,
    )
    assert revoked.status_code == 200
    assert_error(httpx.post(one_box.url + service, json=GOOD, headers=headers, timeout=120), 401)
    assert_error(httpx.get(one_box.url + "/services", headers=headers, timeout=120), 401)
