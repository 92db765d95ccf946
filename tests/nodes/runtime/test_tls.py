"""TLS contexts on real connections: whom they refuse, what they say, and files that change."""

import asyncio
import contextlib
import logging
import ssl
import warnings
from collections.abc import AsyncIterator, Callable, Coroutine
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import uvloop

from mlops.errors import NodeUnreachable, NodeUntrusted
from nodes import hop
from nodes.runtime import tls
from nodes.runtime.certificates import Bundle, IdentityFiles
from nodes.runtime.client_certificates import RequiredClient
from nodes.runtime.tls import TlsContext, client_context, server_context
from tests.certificates import Authority, Files, Issued

Run = Callable[[Coroutine[Any, Any, Any]], Any]
NAMES = {"issuer": "CN=Authority of the tests", "subject": "CN=web"}


@pytest.fixture(params=["asyncio", "uvloop"])
def run(request: pytest.FixtureRequest) -> Run:
    """Runs a coroutine to its end on a loop of its own."""
    factory = uvloop.new_event_loop if request.param == "uvloop" else asyncio.new_event_loop

    async def closing(main: Coroutine[Any, Any, Any]) -> Any:
        try:
            return await main
        finally:
            await hop.close_idle()

    def run_it(main: Coroutine[Any, Any, Any]) -> Any:
        with asyncio.Runner(loop_factory=factory) as runner:
            return runner.run(closing(main))

    return run_it


@pytest.fixture(autouse=True)
def look_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tls, "_LOOK_SECONDS", 0.0)


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority()


@pytest.fixture
def files(authority: Authority, tmp_path: Path) -> Files:
    return authority.issue().write(tmp_path, "node")


def serving(files: Files, client: RequiredClient | None = None) -> TlsContext:
    identity = IdentityFiles("MLOPS_TLS_WEB", files.certificate, files.key, None)
    return server_context("web node", identity, client)


def calling(authority: Authority, folder: Path, own: Files | None = None) -> TlsContext:
    identity = IdentityFiles("MLOPS_TLS_CLIENT", own.certificate, own.key, None) if own else None
    bundle = Bundle("MLOPS_TLS_COMPUTE_CA", authority.write(folder, "trusted"))
    return client_context("client", identity, bundle)


@contextlib.asynccontextmanager
async def server(context: ssl.SSLContext) -> AsyncIterator[str]:
    """A server that answers every request with the number of the connection; its address."""
    n_connections = 0
    tasks = set()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal n_connections
        n_connections += 1
        tasks.add(asyncio.current_task())
        text = str(n_connections).encode()
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            while await reader.readuntil(b"\r\n\r\n"):
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(text), text))
        writer.transport.abort()

    listener = await asyncio.start_server(handle, "127.0.0.1", 0, ssl=context)
    try:
        yield f"https://localhost:{listener.sockets[0].getsockname()[1]}/"
    finally:
        await hop.close_idle()
        listener.close()
        if tasks:
            await asyncio.wait(tasks, timeout=20)


async def ask(url: str, context: ssl.SSLContext) -> bytes:
    answer = await hop.request("GET", url, deadline_seconds=20, ssl_context=context)
    return answer.body


def refused(run: Run, server_side: ssl.SSLContext, client_side: ssl.SSLContext) -> str:
    """What the caller is told; the call cannot have run."""

    async def main() -> str:
        async with server(server_side) as url:
            with pytest.raises(NodeUntrusted) as refusal:
                await ask(url, client_side)
            return refusal.value.message

    said: str = run(main())
    assert "localhost:" in said
    return said


# The certificate of the server.


def test_a_certificate_of_the_authority_is_trusted(
    run: Run, authority: Authority, files: Files, tmp_path: Path
) -> None:
    async def main() -> None:
        async with server(serving(files)) as url:
            assert await ask(url, calling(authority, tmp_path)) == b"1"

    run(main())


def test_one_of_another_authority_is_not(run: Run, files: Files, tmp_path: Path) -> None:
    said = refused(run, serving(files), calling(Authority("CN=Another"), tmp_path))
    assert "is not trusted: " in said
    assert "certificate" in said.partition("is not trusted: ")[2]


def test_nor_is_one_for_another_host(run: Run, authority: Authority, tmp_path: Path) -> None:
    files = authority.issue(hosts=["127.0.0.1", "elsewhere"]).write(tmp_path, "node")
    said = refused(run, serving(files), calling(authority, tmp_path))
    assert "is not trusted: Hostname mismatch, certificate is not valid for 'localhost'." in said


def test_nor_is_one_that_has_expired(run: Run, authority: Authority, tmp_path: Path) -> None:
    files = authority.issue(lifetime=timedelta(days=-1)).write(tmp_path, "node")
    said = refused(run, serving(files), calling(authority, tmp_path))
    assert "is not trusted: certificate has expired." in said


def test_without_a_bundle_those_of_the_system_are_trusted(run: Run, files: Files) -> None:
    assert "is not trusted" in refused(run, serving(files), client_context("client", None, None))


# The certificate of the client.


@pytest.fixture
def client(authority: Authority, tmp_path: Path) -> RequiredClient:
    found = RequiredClient.of(
        "MLOPS_TLS_CLIENT", authorities=authority.write(tmp_path, "clients"), **NAMES
    )
    assert found
    return found


def test_a_client_without_a_certificate_is_told_that_it_needs_one(
    run: Run,
    authority: Authority,
    files: Files,
    client: RequiredClient,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    said = refused(run, serving(files, client), calling(authority, tmp_path))
    assert "refuses the client certificate of this web node" in said
    assert "certificate required" in said
    assert "refused: peer did not return a certificate." in caplog.text


def test_a_client_certificate_of_another_authority_is_refused(
    run: Run,
    authority: Authority,
    files: Files,
    client: RequiredClient,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    # Even when that one has the same name.
    own = Authority().issue("CN=web").write(tmp_path, "own")
    said = refused(run, serving(files, client), calling(authority, tmp_path, own))
    assert "refuses the client certificate of this web node" in said
    assert "A TLS connection is refused: " in caplog.text


def test_an_expired_client_certificate_is_refused(
    run: Run, authority: Authority, files: Files, client: RequiredClient, tmp_path: Path
) -> None:
    own = authority.issue("CN=web", lifetime=timedelta(days=-1)).write(tmp_path, "own")
    said = refused(run, serving(files, client), calling(authority, tmp_path, own))
    assert "certificate expired" in said


def test_a_client_certificate_of_the_authority_comes_through(
    run: Run, authority: Authority, files: Files, client: RequiredClient, tmp_path: Path
) -> None:
    own = authority.issue("CN=web").write(tmp_path, "own")

    async def main() -> None:
        async with server(serving(files, client)) as url:
            assert await ask(url, calling(authority, tmp_path, own)) == b"1"

    run(main())


# What is no TLS, or too old.


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1])
def test_older_versions_of_tls_are_refused(
    run: Run,
    authority: Authority,
    files: Files,
    version: ssl.TLSVersion,
    caplog: pytest.LogCaptureFixture,
) -> None:
    old = authority.trusting()
    old.set_ciphers("DEFAULT:@SECLEVEL=0")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        old.minimum_version = old.maximum_version = version
    caplog.set_level(logging.INFO, "nodes.runtime.tls")
    assert "protocol version" in refused(run, serving(files), old)
    assert "A TLS connection is refused: unsupported protocol." in caplog.text


def test_a_server_that_is_too_old_is_refused(
    run: Run, authority: Authority, files: Files, tmp_path: Path
) -> None:
    old = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    old.load_cert_chain(files.certificate, files.key)
    old.set_ciphers("DEFAULT:@SECLEVEL=0")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        old.minimum_version = ssl.TLSVersion.TLSv1
        old.maximum_version = ssl.TLSVersion.TLSv1_1

    async def main() -> None:
        async with server(old) as url:
            with pytest.raises(NodeUnreachable, match="before TLS was agreed on"):
                await ask(url, calling(authority, tmp_path))

    run(main())


def test_tls_1_2_is_spoken(run: Run, authority: Authority, files: Files) -> None:
    context = authority.trusting()
    context.maximum_version = ssl.TLSVersion.TLSv1_2

    async def main() -> None:
        async with server(serving(files)) as url:
            assert await ask(url, context) == b"1"

    run(main())


def test_plain_http_is_told_that_tls_is_spoken_here(run: Run, files: Files) -> None:
    async def main() -> None:
        async with server(serving(files)) as url:
            plain = url.replace("https:", "http:")
            answer = await hop.request("POST", plain, body=b"x" * 1000, deadline_seconds=20)
            assert answer.status == 400
            assert b"This port speaks TLS" in answer.body

    run(main())


def test_what_is_neither_is_dropped(run: Run, files: Files) -> None:
    async def main() -> None:
        async with server(serving(files)) as url:
            port = int(url.rpartition(":")[2].rstrip("/"))
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"SSH-2.0-OpenSSH_9.2\r\n" * 100)
            writer.write_eof()
            async with asyncio.timeout(20):
                with contextlib.suppress(ConnectionError):
                    await reader.read()
            writer.transport.abort()

    run(main())


# Files that change.


def test_new_files_serve_new_connections_and_open_ones_go_on(
    run: Run, authority: Authority, files: Files, tmp_path: Path
) -> None:
    context = serving(files)
    other = Authority("CN=The next one")
    old, new = calling(authority, tmp_path), calling(other, tmp_path / "..")

    async def main() -> None:
        async with server(context) as url:
            assert await ask(url, old) == b"1"
            other.issue("CN=renewed").write(tmp_path, "node")
            assert await ask(url, new) == b"2"
            assert await ask(url, old) == b"1"  # over the connection that is open
            await hop.close_idle()
            with pytest.raises(NodeUntrusted):
                await ask(url, old)

    run(main())
    assert context.certificate
    assert context.certificate.subject == "CN=renewed"


@pytest.mark.parametrize("broken", ["certificate", "key"])
def test_broken_files_change_nothing_but_the_log(
    run: Run,
    authority: Authority,
    files: Files,
    tmp_path: Path,
    broken: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    context, client = serving(files), calling(authority, tmp_path)
    secret = "MC4CAQAwBQYDK2VwBCIEI"

    async def main() -> None:
        async with server(context) as url:
            path: Path = getattr(files, broken)
            right = path.read_bytes()
            path.write_text(f"-----BEGIN PRIVATE KEY-----\n{secret}\n")
            assert await ask(url, client) == b"1"
            await hop.close_idle()
            assert await ask(url, client) == b"2"
            await hop.close_idle()
            assert caplog.text.count("goes on with what it had") == 1
            path.write_bytes(right)
            assert await ask(url, client) == b"3"

    run(main())
    assert secret not in caplog.text
    assert "TLS of the web node has taken its changed files." in caplog.text


def test_a_certificate_whose_key_comes_later_is_taken_when_both_are_there(
    authority: Authority, files: Files, tmp_path: Path
) -> None:
    context = serving(files)
    (tmp_path / "next").mkdir()
    renewed = authority.issue("CN=renewed").write(tmp_path / "next", "node")
    for path in (renewed.certificate, renewed.key):
        assert subject_of(context) == "CN=node"
        path.replace(tmp_path / path.name)
        context.look()
    assert subject_of(context) == "CN=renewed"


def test_a_client_takes_its_new_certificate(
    run: Run, authority: Authority, files: Files, client: RequiredClient, tmp_path: Path
) -> None:
    own = Authority("CN=Wrong").issue("CN=web").write(tmp_path, "own")
    context = calling(authority, tmp_path, own)

    async def main() -> None:
        async with server(serving(files, client)) as url:
            with pytest.raises(NodeUntrusted):
                await ask(url, context)
            authority.issue("CN=web").write(tmp_path, "own")
            assert await ask(url, context) == b"1"

    run(main())


def test_authorities_of_clients_are_taken_anew(
    run: Run, authority: Authority, files: Files, client: RequiredClient, tmp_path: Path
) -> None:
    own = authority.issue("CN=web").write(tmp_path, "own")
    context = calling(authority, tmp_path, own)

    async def main() -> None:
        async with server(serving(files, client)) as url:
            assert await ask(url, context) == b"1"
            await hop.close_idle()
            Authority("CN=Another").write(tmp_path, "clients")
            with pytest.raises(NodeUntrusted):
                await ask(url, context)

    run(main())


def test_files_are_looked_at_once_a_second(
    monkeypatch: pytest.MonkeyPatch, authority: Authority, files: Files, tmp_path: Path
) -> None:
    context = serving(files)
    monkeypatch.setattr(tls, "_LOOK_SECONDS", 1.0)
    authority.issue("CN=renewed").write(tmp_path, "node")
    context.look()
    assert subject_of(context) == "CN=node"


def subject_of(context: TlsContext) -> str:
    assert context.certificate
    return context.certificate.subject


# Expiry.


@pytest.mark.parametrize(
    ("days", "said", "level"),
    [
        (29, "(CN=node) expires on ", logging.WARNING),
        (-1, "(CN=node) has expired on ", logging.ERROR),
    ],
)
def test_a_certificate_that_expires_soon_is_warned_of_once_a_day(
    authority: Authority,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    days: int,
    said: str,
    level: int,
) -> None:
    context = serving(issued(authority, days).write(tmp_path, "node"))
    context.look()
    (record,) = caplog.records
    assert record.levelno == level
    assert f"The certificate of the web node {said}" in record.getMessage()
    monkeypatch.setattr(tls, "_WARN_EVERY_SECONDS", 0.0)  # a day later
    context.look()
    assert len(caplog.records) == 2


def test_no_word_is_said_of_one_that_has_time(
    authority: Authority, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    serving(issued(authority, 31).write(tmp_path, "node")).look()
    assert not caplog.records


def issued(authority: Authority, days: int) -> Issued:
    return authority.issue(lifetime=timedelta(days=days))
