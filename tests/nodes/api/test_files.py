"""/sessions/{id}/files (wire-api section 4): what reaches the node, and back.

The node here only records; tests/nodes/api/test_remote_sessions.py has files.
"""

from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import quote

import pytest
from rest_framework.test import APIClient

from mlops.accounts.models import User
from tests.nodes.api.test_workspace import content_of
from tests.nodes.recorder import Recorder, recording

FORM = "multipart/form-data; boundary=frontier"


@pytest.fixture
def client(alice: User, client_for: Callable[[User], APIClient]) -> APIClient:
    return client_for(alice)


@pytest.fixture
def node(alice: User) -> Iterator[Recorder]:
    with recording(alice) as node:
        yield node


def part(disposition: str, content: bytes = b"content") -> bytes:
    head = f"--frontier\r\nContent-Disposition: form-data; {disposition}\r\n\r\n"
    return head.encode() + content + b"\r\n"


def upload(
    client: APIClient, node: Recorder, *parts: bytes, end: bytes = b"--frontier--\r\n"
) -> Any:
    body = b"".join(parts) + end
    return client.generic("POST", f"{node.path}/files", body, content_type=FORM)


# POST /sessions/{id}/files


@pytest.mark.parametrize(
    "content", [b"", b"a\r\nb\0\xff", b"\r\n--frontie\r\n", bytes(range(256)) * 4096 * 8]
)
def test_a_file_reaches_the_node_byte_by_byte_under_its_name(
    client: APIClient, node: Recorder, content: bytes
) -> None:
    response = upload(client, node, part('name="file"; filename="a b.csv"', content))
    assert (response.status_code, response.content) == (201, b"")
    assert response["Content-Type"] == "text/plain"
    [(request, body)] = node.requests
    assert request == f"PUT /v1{node.path}/files/a%20b.csv"
    assert body == content


@pytest.mark.parametrize(
    ("disposition", "name"),
    [
        ('name="file"; filename="café.txt"', "café.txt"),
        ("name=file; filename=plain.txt", "plain.txt"),
        ("name=file; filename=x.txt; filename*=utf-8''caf%C3%A9.txt", "café.txt"),
        (r'name="file"; filename="say \"hi\".txt"', 'say "hi".txt'),
        ('name="file"; filename="a&amp;b%41"', "a&amp;b%41"),
        ('name="file"; filename=".Rprofile"', ".Rprofile"),
    ],
)
def test_the_file_name_is_taken_as_it_was_sent(
    client: APIClient, node: Recorder, disposition: str, name: str
) -> None:
    assert upload(client, node, part(disposition)).status_code == 201
    assert node.requests == [(f"PUT /v1{node.path}/files/{quote(name)}", b"content")]


def test_other_parts_of_the_form_do_no_harm(client: APIClient, node: Recorder) -> None:
    parts = [
        part('name="comment"'),
        part('name="other"; filename="other.txt"'),
        part('name="file"; filename="x.txt"', b"this one"),
        part('name="file"; filename="second.txt"'),
    ]
    assert upload(client, node, *parts).status_code == 201
    assert node.requests == [(f"PUT /v1{node.path}/files/x.txt", b"this one")]


@pytest.mark.parametrize(
    "name",
    ["..", ".", "../x", "/etc/passwd", "a/b", "a\\\\b", "C:\\\\x", "a\0b", "x" * 256, "é" * 200],
)
def test_hostile_names_are_refused_and_reach_no_node(
    client: APIClient, node: Recorder, name: str
) -> None:
    response = upload(client, node, part(f'name="file"; filename="{name}"'))
    assert (response.status_code, response.json()["fields"]) == (400, "name")
    assert node.requests == []


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"not a form",
        b"--frontier--\r\n",
        part('name="file"') + b"--frontier--",
        part('name="file"; filename=""') + b"--frontier--",
        part('name="other"; filename="x"') + b"--frontier--",
        part('name="file"; filename="' + "x" * 5000 + '"') + b"--frontier--",
        b'--frontier\r\nContent-Disposition: form-data; name="file"; filename="\xff"\r\n\r\nx\r\n',
    ],
)
def test_a_form_without_a_file_reaches_no_node(
    client: APIClient, node: Recorder, body: bytes
) -> None:
    response = client.generic("POST", f"{node.path}/files", body, content_type=FORM)
    assert (response.status_code, response.json()["fields"]) == (400, "file")
    assert node.requests == []


@pytest.mark.parametrize(
    "content_type", ["", "application/octet-stream", "multipart/form-data", "multipart/mixed"]
)
def test_what_is_no_form_is_refused(client: APIClient, node: Recorder, content_type: str) -> None:
    response = client.generic("POST", f"{node.path}/files", b"x", content_type=content_type)
    assert (response.status_code, response.json()["fields"]) == (400, "file")
    assert node.requests == []


def test_a_form_that_ends_in_the_middle_of_the_file_stores_nothing(
    client: APIClient, node: Recorder
) -> None:
    response = upload(client, node, part('name="file"; filename="x"', b"x" * 2**20), end=b"")
    assert response.status_code == 400
    assert "middle of the file" in response.json()["message"]
    assert node.requests == []  # it never saw the end of the body


def test_an_upload_that_the_node_refuses_says_why(client: APIClient, node: Recorder) -> None:
    node.status, node.answer = "400 Bad Request", b'{"code":"invalid-request","message":"No."}'
    response = upload(client, node, part('name="file"; filename="x"'))
    assert (response.status_code, response.json()["message"]) == (400, "No.")


# GET /sessions/{id}/files, GET and DELETE /sessions/{id}/files/{fileName}


def test_files_are_listed_by_name(client: APIClient, node: Recorder) -> None:
    node.answer = b'{"files":["a.txt","sub/b.txt"]}'
    assert client.get(f"{node.path}/files").json() == ["a.txt", "sub/b.txt"]
    assert node.requests == [(f"GET /v1{node.path}/files", b"")]


@pytest.mark.parametrize("name", ["x.txt", "sub/deeper/x.txt", "a b?#%é.txt", "...", "a..b"])
def test_a_file_is_fetched_and_deleted_by_its_name(
    client: APIClient, node: Recorder, name: str
) -> None:
    node.answer = b"\0\xff" * 100_000
    response = client.get(f"{node.path}/files/{quote(name)}", HTTP_ACCEPT="application/json")
    assert response.status_code == 200
    assert response["Content-Type"] == "application/octet-stream"
    assert response["Content-Length"] == str(len(node.answer))
    assert content_of(response) == node.answer
    address = f"{node.path}/files/{quote(name)}"
    response = client.delete(address, content_type="application/json")
    assert (response.status_code, response.content) == (200, b"")
    assert [request for request, _ in node.requests] == [
        f"{method} /v1{node.path}/files/{quote(name)}" for method in ("GET", "DELETE")
    ]


def test_an_unknown_file_is_not_found(client: APIClient, node: Recorder) -> None:
    node.status, node.answer = "404 Not Found", b'{"code":"file-unknown","message":"No such file."}'
    for method in (client.get, client.delete):
        response = method(f"{node.path}/files/x")
        assert (response.status_code, response.json()["message"]) == (404, "No such file.")


@pytest.mark.parametrize("name", ["..", "a/../b", "../x", "a//b", "a/", "/etc", "a\\b", "a\nb"])
def test_names_outside_of_the_working_directory_reach_no_node(
    client: APIClient, node: Recorder, name: str
) -> None:
    for method in (client.get, client.delete):
        response = method(f"{node.path}/files/{quote(name)}")
        assert (response.status_code, response.json()["fields"]) == (400, "name")
    assert node.requests == []
