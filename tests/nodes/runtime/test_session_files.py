"""The files of a session's working directory over the compute node API."""

import http.client
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.nodes.runtime.open_sessions import OpenSession, open_session
from tests.nodes.runtime.running import RunningNode


def test_a_file_comes_back_as_it_was_put_and_is_the_one_that_code_sees(
    shared: OpenSession,
) -> None:
    content = bytes(range(256)) * 8192
    answer = shared.put_file("data.bin", content)
    assert (answer.status_code, answer.json()) == (200, {})
    assert shared.get_file("data.bin").content == content
    assert shared.run("n = len(open('data.bin', 'rb').read())", outputs=["n"]) == {"n": 2097152}
    shared.put_file("data.bin", b"")
    answer = shared.get_file("data.bin")
    assert (answer.content, answer.headers["content-type"]) == (b"", "application/octet-stream")


def test_files_are_listed_with_their_folders_and_without_what_is_no_file(
    shared: OpenSession,
) -> None:
    shared.run(
        "import os\nos.makedirs('b/c')\nos.mkdir('empty')\nopen('b/c/d', 'w')\n"
        "open('.hidden', 'w')\nos.mkfifo('pipe')\nos.symlink('b/c/d', 'link')\nopen(b'\\xff', 'w')"
    )
    assert set(shared.files()) >= {".hidden", "b/c/d"}
    assert shared.files() == sorted(shared.files())
    assert not {"empty", "pipe", "link", "b", "b/c"} & set(shared.files())
    for name in ("empty", "pipe", "link"):
        assert shared.get_file(name).status_code == 404


def test_names_may_have_any_characters_and_folders(shared: OpenSession) -> None:
    name = "new folder/ü #?%.txt"
    assert shared.put_file(quote(name), b"x").status_code == 200
    assert name in shared.files()
    assert shared.get_file(quote(name)).content == b"x"
    assert shared.delete_file(quote(name)).status_code == 200
    assert name not in shared.files()


def test_a_deleted_file_is_gone(shared: OpenSession) -> None:
    shared.put_file("old.txt", b"x")
    assert shared.delete_file("old.txt").json() == {}
    for answer in (shared.get_file("old.txt"), shared.delete_file("old.txt")):
        assert (answer.status_code, answer.json()["code"]) == (404, "file-unknown")


@pytest.mark.parametrize(
    "path",
    [
        "../escaped",
        "a/../../escaped",
        "%2e%2e/escaped",
        "..",
        ".",
        "",
        "%2Fescaped",
        "a//b",
        "a%00",
    ],
)
@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_names_that_lead_elsewhere_are_refused(shared: OpenSession, path: str, method: str) -> None:
    before = shared.files()
    connection = http.client.HTTPConnection("127.0.0.1", shared.node.port)  # leaves paths alone
    headers = {"Authorization": f"Bearer {shared.node.cluster_key}"}
    body = b"x" if method == "PUT" else None
    connection.request(method, f"{shared.path}/files/{path}", body, headers)
    answer = connection.getresponse()
    assert answer.status == 400, answer.read()
    connection.close()
    assert shared.files() == before


def test_no_link_is_followed_out_of_the_directory(shared: OpenSession, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret")
    code = (
        "import os\n"
        f"os.symlink({str(tmp_path)!r}, 'folder')\nos.symlink({str(tmp_path / 'secret')!r}, 'file')"
    )
    shared.run(code)
    assert shared.get_file("folder/secret").status_code == 404
    assert shared.get_file("file").status_code == 404
    assert shared.put_file("folder/new", b"x").status_code == 400
    assert shared.delete_file("folder/secret").status_code == 404
    assert shared.put_file("file", b"mine").status_code == 200  # in place of the link
    assert shared.get_file("file").content == b"mine"
    assert [path.name for path in tmp_path.iterdir()] == ["secret"]
    assert (tmp_path / "secret").read_text() == "secret"
    shared.run("os.symlink('/nowhere', 'dead')")
    assert shared.delete_file("dead").status_code == 200


def test_a_file_does_not_replace_a_folder_nor_a_folder_a_file(shared: OpenSession) -> None:
    shared.put_file("taken/inside", b"x")
    shared.put_file("plain", b"x")
    for name in ("taken", "plain/inside"):
        answer = shared.put_file(name, b"y")
        assert (answer.status_code, answer.json()["code"]) == (400, "invalid-request")
    assert shared.delete_file("taken").status_code == 404
    assert shared.get_file("taken/inside").content == b"x"
    assert shared.get_file("plain").content == b"x"


@pytest.mark.parametrize("name", [".dill", ".RData", ".packages/x", ".library/x"])
def test_names_that_the_server_needs_itself_are_refused(shared: OpenSession, name: str) -> None:
    assert shared.put_file(name, b"x").status_code == 400
    assert shared.get_file(name).status_code == 404
    assert name not in shared.files()


def test_files_of_an_unknown_session_are_unknown(node: RunningNode) -> None:
    for method, path in (("GET", ""), ("GET", "/a"), ("PUT", "/a"), ("DELETE", "/a")):
        answer = node.http.request(method, f"/v1/sessions/none/files{path}")
        assert (answer.status_code, answer.json()["code"]) == (404, "session-unknown")


def test_a_session_without_its_working_directory_has_no_files(node: RunningNode) -> None:
    with open_session(node) as session:
        session.put_file("a", b"x")
        session.run("import os, shutil\nshutil.rmtree(os.getcwd())")
        assert session.files() == []
        assert session.get_file("a").status_code == 404
        assert session.put_file("a", b"x").status_code == 400
        assert session.printed("1") == "1\n"
