"""A web node that serves with TLS, and calls a compute node that demands a client certificate."""

import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from django.core.management import CommandError, call_command

from nodes import trust
from nodes.management.commands.computenode import node_config
from tests.certificates import Authority, Files
from tests.mlops.console.browser import csrf_token_in
from tests.nodes.runtime.conftest import NO_R
from tests.nodes.runtime.running import RunningNode, start_node, wait_until
from tests.nodes.web import PASSWORD, WebNode, start_web_node

pytestmark = pytest.mark.any_database

SUBJECT = "CN=mlops-web"


@dataclass
class Pair:
    """A web node and a compute node of one authority, and the files of the web node."""

    authority: Authority
    folder: Path
    web: WebNode
    compute: RunningNode


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    folder = tmp_path_factory.mktemp("pair")
    authority = Authority()
    bundle = str(authority.write(folder))
    client = authority.issue(SUBJECT, hosts=["web"]).write(folder, "client")
    compute = start_node(
        folder / "compute",
        environment={
            "MLOPS_RSCRIPT": NO_R,
            **authority.issue("CN=compute").write(folder, "compute").settings("MLOPS_TLS_COMPUTE"),
            "MLOPS_TLS_CLIENT_CA": bundle,
            "MLOPS_TLS_CLIENT_SUBJECT": SUBJECT,
            "MLOPS_TLS_CLIENT_ISSUER": authority.name,
        },
        tls=authority.trusting(client),
    )
    (folder / "web").mkdir()
    web = start_web_node(
        folder / "web",
        tls=authority.trusting(),
        MLOPS_CLUSTER_KEY=compute.cluster_key,
        MLOPS_TLS_COMPUTE_CA=bundle,
        **authority.issue("CN=web").write(folder, "web-node").settings("MLOPS_TLS_WEB"),
        **client.settings("MLOPS_TLS_CLIENT"),
    )
    web.declare(f"{compute.address}/")
    yield Pair(authority, folder, web, compute)
    web.stop()
    compute.stop()


def test_services_are_published_and_called(pair: Pair) -> None:
    service = {
        "runtimeType": "Python",
        "code": "y = x * 2",
        "inputParameterDefinitions": [{"name": "x", "type": "numeric"}],
        "outputParameterDefinitions": [{"name": "y", "type": "numeric"}],
    }
    with pair.web.sign_in() as client:
        assert client.post("/services/double/v1", json=service).status_code == 201
        for x in range(5):
            answer = client.post("/api/double/v1", json={"x": x}).json()
            assert answer["outputParameters"] == {"y": 2 * x}


def test_status_shows_when_both_certificates_expire(pair: Pair) -> None:
    with pair.web.sign_in() as client:
        status = client.get("/status").json()
    assert status["statusCode"] == "pass"
    assert status["details"]["certificateSubject"] in ("CN=web", "CN=renewed")
    assert status["details"]["certificateExpires"].endswith("Z")
    (node,) = status["components"]["backends"]["components"].values()
    assert node["details"]["certificateSubject"] == "CN=compute"
    assert node["details"]["certificateExpires"].endswith("Z")


def test_the_command_nodes_shows_it_too(pair: Pair) -> None:
    done = subprocess.run(
        pair.web.command("nodes", "test"), capture_output=True, text=True, **pair.web.surroundings()
    )
    assert done.returncode == 0, done.stderr
    assert ", certificate until 20" in done.stdout


def test_the_command_nodes_says_why_a_node_is_not_trusted(pair: Pair, tmp_path: Path) -> None:
    surroundings = pair.web.surroundings()
    other = str(Authority("CN=Another").write(tmp_path))
    surroundings["env"] = {**surroundings["env"], "MLOPS_TLS_COMPUTE_CA": other}
    done = subprocess.run(
        pair.web.command("nodes", "test"), capture_output=True, text=True, **surroundings
    )
    assert done.returncode == 1
    assert "cannot be called: The certificate of compute node 127.0.0.1:" in done.stdout
    assert "is not trusted: " in done.stdout


def test_cookies_of_the_console_are_for_tls_only(pair: Pair) -> None:
    with httpx.Client(base_url=pair.web.url, verify=pair.authority.trusting()) as browser:
        form = browser.get("/console/login/", follow_redirects=True)
        token = csrf_token_in(form.text)
        body = {"username": "admin", "password": PASSWORD, "csrfmiddlewaretoken": token}
        # A browser says where it comes from; the web node knows that it is addressed by https.
        answer = browser.post(form.url, data=body, headers={"Origin": pair.web.url})
        assert answer.status_code == 302
        cookies = [*form.headers.get_list("set-cookie"), *answer.headers.get_list("set-cookie")]
    names = {cookie.partition("=")[0] for cookie in cookies}
    # Names that browsers take from this very host only.
    assert names == {"__Host-csrftoken", "__Host-sessionid"}
    for cookie in cookies:
        assert {"Secure", "HttpOnly", "Path=/", "SameSite=Lax"} <= set(cookie.split("; "))
        assert "Domain" not in cookie


def test_browsers_come_by_tls_only_from_then_on(pair: Pair) -> None:
    answer = httpx.get(f"{pair.web.url}/console/login/", verify=pair.authority.trusting())
    assert answer.headers["Strict-Transport-Security"] == "max-age=31536000"


def test_plain_http_is_told_to_use_https(pair: Pair) -> None:
    answer = httpx.get(pair.web.url.replace("https:", "http:") + "/ping")
    assert answer.status_code == 400
    assert answer.json()["message"] == "This port speaks TLS: its address begins with https://"


def test_a_renewed_certificate_is_served_without_a_restart(pair: Pair) -> None:
    pair.authority.issue("CN=renewed").write(pair.folder, "web-node")

    def subject() -> object:
        with httpx.stream(
            "GET", f"{pair.web.url}/ping", verify=pair.authority.trusting()
        ) as answer:
            return (
                answer.extensions["network_stream"]
                .get_extra_info("ssl_object")
                .getpeercert()["subject"]
            )

    wait_until(lambda: subject() == ((("commonName", "renewed"),),))


def test_nothing_secret_is_logged(pair: Pair) -> None:
    text = pair.web.log.read_text()
    assert pair.compute.cluster_key not in text
    assert "PRIVATE KEY" not in text
    assert "Traceback" not in text


# Half-configured.


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Authority().issue().write(tmp_path, "node")


def variables_of(files: Files) -> dict[str, dict[str, str]]:
    """What is wrong by what the refusal says."""
    compute = files.settings("MLOPS_TLS_COMPUTE")
    names = {"MLOPS_TLS_CLIENT_SUBJECT": "CN=web", "MLOPS_TLS_CLIENT_ISSUER": "CN=ca"}
    authorities = {"MLOPS_TLS_CLIENT_CA": str(files.certificate)}
    return {
        "set without MLOPS_TLS_COMPUTE_KEY": {
            "MLOPS_TLS_COMPUTE_CERTIFICATE": str(files.certificate)
        },
        "MLOPS_TLS_COMPUTE_KEY is set without MLOPS_TLS_COMPUTE_CERTIFICATE": {
            "MLOPS_TLS_COMPUTE_KEY": str(files.key)
        },
        "MLOPS_TLS_CLIENT_CA must be set too": {**compute, **names},
        "MLOPS_TLS_CLIENT_ISSUER and MLOPS_TLS_CLIENT_SUBJECT must be": {**compute, **authorities},
        "set without MLOPS_TLS_COMPUTE_CERTIFICATE: client": {**names, **authorities},
        "absent cannot be read": {
            **compute,
            **names,
            "MLOPS_TLS_CLIENT_CA": str(files.key.with_name("absent")),
        },
        "no distinguished name": {
            **compute,
            **names,
            **authorities,
            "MLOPS_TLS_CLIENT_ISSUER": "a",
        },
    }


@pytest.mark.parametrize("number", range(7))
def test_a_half_configured_compute_node_does_not_start(
    files: Files, number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    said, variables = list(variables_of(files).items())[number]
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(CommandError, match=said):
        node_config("127.0.0.1", 12805)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("TLS_WEB_KEY", "MLOPS_TLS_WEB_KEY is set without MLOPS_TLS_WEB_CERTIFICATE"),
        ("TLS_WEB_CERTIFICATE", "MLOPS_TLS_WEB_CERTIFICATE is set without MLOPS_TLS_WEB_KEY"),
        ("TLS_CLIENT_KEY", "MLOPS_TLS_CLIENT_KEY is set without MLOPS_TLS_CLIENT_CERTIFICATE"),
        ("TLS_CLIENT_CERTIFICATE", "set without MLOPS_TLS_CLIENT_KEY"),
        ("TLS_CLIENT_PASSWORD_FILE", "MLOPS_TLS_CLIENT_PASSWORD_FILE is set without"),
        ("TLS_COMPUTE_CA", "MLOPS_TLS_COMPUTE_CA: .* holds no certificates"),
    ],
)
def test_a_half_configured_web_node_does_not_start(
    files: Files, settings: object, name: str, said: str
) -> None:
    is_certificate = name.endswith("CERTIFICATE")
    setattr(settings, name, files.certificate if is_certificate else files.key)
    forget()
    try:
        with pytest.raises(CommandError, match=said):
            call_command("webnode")
    finally:
        forget()


def test_nor_does_a_half_configured_worker(pair: Pair, files: Files) -> None:
    surroundings = pair.web.surroundings()
    surroundings["env"] = {**surroundings["env"], "MLOPS_TLS_CLIENT_KEY": str(files.certificate)}
    done = subprocess.run(
        [*pair.web.command()[:1], "-m", "celery", "--app", "mlops", "--quiet", "worker"],
        capture_output=True,
        text=True,
        timeout=120,
        **surroundings,
    )
    assert done.returncode == 1
    assert "The worker does not start. MLOPS_TLS_CLIENT_KEY: " in done.stderr


def forget() -> None:
    trust.of_web_node.cache_clear()
    trust.of_client.cache_clear()
