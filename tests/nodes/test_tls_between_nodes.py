"""A web node and a compute node that speak TLS and know each other by certificates."""

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pytest_django import Settings

from mlops.errors import MlopsError, NodeFailure, NodeUntrusted
from nodes import hop, multiplex, trust
from nodes.compute_node import ComputeNode, close_connections
from nodes.runtime.multiplex import PREFACE
from tests.certificates import Authority, Files
from tests.nodes.runtime.conftest import NO_R
from tests.nodes.runtime.running import (
    CLUSTER_KEY,
    Published,
    start_node,
    wait_until,
)

SUBJECT, ISSUER = "CN=mlops-web,O=Example", "CN=Clients,O=Example"
DOUBLE = {"inputs": [("x", "numeric")], "outputs": [("y", "numeric")]}


class Party:
    """Authorities for both sides, a compute node that demands a client certificate, and its log."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.nodes, self.clients = Authority("CN=Nodes,O=Example"), Authority(ISSUER)
        self.nodes_bundle = self.nodes.write(folder, "nodes")
        clients = self.clients.write(folder, "clients")
        self.own = self.client(SUBJECT)
        self.log = folder / "log"
        files = self.nodes.issue("CN=compute").write(folder, "compute")
        self.environment = {
            "MLOPS_RSCRIPT": NO_R,
            **files.settings("MLOPS_TLS_COMPUTE"),
            "MLOPS_TLS_CLIENT_CA": str(clients),
            "MLOPS_TLS_CLIENT_SUBJECT": SUBJECT,
            "MLOPS_TLS_CLIENT_ISSUER": ISSUER,
        }
        self.node = start_node(
            folder / "data",
            environment=self.environment,
            tls=self.nodes.trusting(self.own),
            log=self.log,
        )

    def client(self, subject: str, authority: Authority | None = None) -> Files:
        """The files of a client certificate."""
        issued = (authority or self.clients).issue(subject, hosts=["web"])
        return issued.write(self.folder, f"client-{len(list(self.folder.iterdir()))}")


@pytest.fixture(scope="module")
def party(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Party]:
    party = Party(tmp_path_factory.mktemp("party"))
    yield party
    party.node.stop()


@pytest.fixture
def published(party: Party) -> Published:
    return party.node.publish("y = x * 2", **DOUBLE)


@pytest.fixture
def showing(party: Party, settings: Settings) -> Iterator[Callable[[Files | None], None]]:
    """Has this web node trust the node's authority, and show the files given."""
    settings.CLUSTER_KEY = CLUSTER_KEY
    settings.TLS_COMPUTE_CA = party.nodes_bundle

    def show(files: Files | None) -> None:
        settings.TLS_CLIENT_CERTIFICATE = files and files.certificate
        settings.TLS_CLIENT_KEY = files and files.key
        forget()

    def forget() -> None:
        trust.of_client.cache_clear()
        hop._target.cache_clear()

    show(party.own)
    yield show
    forget()


def ask(party: Party, call: Callable[[ComputeNode], Awaitable[Any]]) -> Any:
    async def main() -> Any:
        try:
            return await call(ComputeNode(party.node.address))
        finally:
            await close_connections()

    return asyncio.run(main())


async def health(node: ComputeNode) -> dict[str, Any]:
    return await node.health(seconds=20)


def refused(party: Party) -> str:
    with pytest.raises(NodeUntrusted) as refusal:
        ask(party, health)
    assert isinstance(refusal.value, MlopsError)
    return refusal.value.message


Show = Callable[[Files | None], None]


def test_the_right_certificate_is_accepted(party: Party, showing: Show) -> None:
    certificate = ask(party, health)["certificate"]
    assert certificate["subject"] == "CN=compute"
    assert certificate["expires"].endswith("Z")


def test_small_calls_share_a_connection_over_tls(
    party: Party, published: Published, showing: Show
) -> None:
    async def score(node: ComputeNode) -> None:
        assert b'"y":42' in (await node.score(published.id, b'{"x":21}')).body
        async with asyncio.timeout(20):
            while multiplex.connection_to(node.address) is None:
                await asyncio.sleep(0.001)
        connection = multiplex.connection_to(node.address)
        assert connection
        assert connection._transport.get_extra_info("ssl_object").version() == "TLSv1.3"
        calls = [node.score(published.id, b'{"x":%d}' % x) for x in range(50)]
        for x, answer in enumerate(await asyncio.gather(*calls)):
            assert b'"y":%d' % (2 * x) in answer.body

    ask(party, score)


def test_a_large_body_passes(party: Party, showing: Show) -> None:
    bundle = party.node.publish(
        "n = len(text)", inputs=[("text", "character")], outputs=[("n", "integer")]
    )

    async def score(node: ComputeNode) -> None:
        body = b'{"text":"%b"}' % (b"x" * 5_000_000)
        assert b'"n":5000000' in (await node.score(bundle.id, body)).body

    ask(party, score)


def test_no_certificate_is_refused(party: Party, showing: Show) -> None:
    showing(None)
    assert "certificate required" in refused(party)
    assert "A TLS connection is refused: peer did not return a certificate." in logged(party)


def test_one_of_another_authority_with_the_right_names_is_refused(
    party: Party, showing: Show
) -> None:
    showing(party.client(SUBJECT, Authority(ISSUER)))
    assert "refuses the client certificate of this web node" in refused(party)


def test_a_wrong_subject_is_refused(party: Party, showing: Show) -> None:
    showing(party.client("CN=mlops-web,O=Example,C=DE"))
    said = refused(party)
    assert "refuses this web node" in said
    assert "the subject of its certificate is CN=mlops-web,O=Example,C=DE" in said
    assert "A connection from 127.0.0.1 is refused: the subject of its certificate" in logged(party)


def test_a_wrong_issuer_is_refused(tmp_path: Path, settings: Settings, party: Party) -> None:
    # Of an authority that is trusted as well.
    other = Authority("CN=Other clients,O=Example")
    bundle = Path(party.environment["MLOPS_TLS_CLIENT_CA"])
    before = bundle.read_bytes()
    bundle.write_bytes(before + other.pem)
    context = party.nodes.trusting(party.client(SUBJECT, other))
    try:
        wait_until(lambda: said(party, context).startswith(b"HTTP/1.1 403 "))
        assert b"the issuer of its certificate is CN=Other clients" in said(party, context)
    finally:
        bundle.write_bytes(before)


def said(party: Party, context: ssl.SSLContext, sent: bytes = b"GET / HTTP/1.1\r\n\r\n") -> bytes:
    """What the node answers to `sent`, however it begins."""
    address = ("127.0.0.1", party.node.port)
    try:
        with (
            socket.create_connection(address, timeout=60) as raw,
            context.wrap_socket(raw, server_hostname="localhost") as connection,
        ):
            connection.sendall(sent)
            answer = b""
            while b"}" not in answer and (piece := connection.recv(4096)):
                answer += piece
            return answer
    except (ssl.SSLError, ConnectionError):
        return b""


def test_a_wrong_subject_opens_no_shared_connection_either(party: Party) -> None:
    opening = b"%b %b\r\n" % (PREFACE, CLUSTER_KEY.encode())
    wrong = party.nodes.trusting(party.client("CN=mlops-web"))
    assert said(party, wrong, opening).startswith(b"HTTP/1.1 403 ")
    assert said(party, party.nodes.trusting(), opening) == b""


def test_a_wrong_subject_with_a_large_body_is_refused_as_clearly(
    party: Party, showing: Show
) -> None:
    showing(party.client("CN=mlops-web"))

    async def score(node: ComputeNode) -> None:
        with pytest.raises(NodeUntrusted):
            await node.score("0" * 64, b"x" * 20_000_000)

    ask(party, score)


def test_the_cluster_key_is_required_as_well(
    party: Party, settings: Settings, showing: Show
) -> None:
    settings.CLUSTER_KEY = "another"
    with pytest.raises(NodeFailure, match="cluster key"):
        ask(party, health)
    right = party.nodes.trusting(party.own)
    assert said(party, right, b"%b another\r\n" % PREFACE) == b""


def test_a_node_of_another_authority_is_not_trusted(
    party: Party, settings: Settings, showing: Show, tmp_path: Path
) -> None:
    settings.TLS_COMPUTE_CA = Authority("CN=Another").write(tmp_path)
    showing(party.own)
    assert f"The certificate of compute node 127.0.0.1:{party.node.port} is not trusted" in refused(
        party
    )


def test_plain_http_is_refused_with_the_reason(party: Party, showing: Show) -> None:
    async def main() -> None:
        node = ComputeNode(party.node.address.replace("https:", "http:"))
        try:
            with pytest.raises(NodeUntrusted, match="This port speaks TLS"):
                await node.health(seconds=20)
        finally:
            await close_connections()

    asyncio.run(main())


def test_a_certificate_is_taken_anew_while_the_node_runs(party: Party, showing: Show) -> None:
    party.nodes.issue("CN=renewed").write(party.folder, "compute")
    wait_until(lambda: ask(party, health)["certificate"]["subject"] == "CN=renewed")
    assert "TLS of the compute node has taken its changed files." in logged(party)


def test_nothing_secret_is_logged(party: Party) -> None:
    text = logged(party)
    assert CLUSTER_KEY not in text
    assert "PRIVATE KEY" not in text
    assert "Traceback" not in text


def logged(party: Party) -> str:
    return party.log.read_text()
