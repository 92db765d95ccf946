"""A box that speaks TLS on both ports."""

from pathlib import Path

import pytest

from tests.certificates import Authority
from tests.e2e.one_box import OneBox
from tests.nodes.runtime.conftest import NO_R
from tests.nodes.runtime.running import wait_until

pytestmark = pytest.mark.any_database

SUBJECT = "CN=mlops-web"


def test_a_box_with_tls_everywhere_starts_and_serves(tmp_path: Path) -> None:
    authority = Authority()
    bundle = str(authority.write(tmp_path))
    web = authority.issue("CN=web").write(tmp_path, "web")
    client = authority.issue(SUBJECT, hosts=["web"]).write(tmp_path, "client")
    compute = authority.issue("CN=compute").write(tmp_path, "compute")
    box = OneBox(tmp_path / "data", tls=authority.trusting())
    try:
        box.start(
            MLOPS_RSCRIPT=NO_R,
            MLOPS_TLS_COMPUTE_CA=bundle,
            MLOPS_TLS_CLIENT_CA=bundle,
            MLOPS_TLS_CLIENT_SUBJECT=SUBJECT,
            MLOPS_TLS_CLIENT_ISSUER=authority.name,
            **web.settings("MLOPS_TLS_WEB"),
            **compute.settings("MLOPS_TLS_COMPUTE"),
            **client.settings("MLOPS_TLS_CLIENT"),
        )
        assert "iris/1.0.0 answers" in box.output, box.output
        with box.client() as http:
            status = http.get("/status").json()
            assert status["details"]["certificateSubject"] == "CN=web"
            nodes = status["components"]["backends"]["components"]
            assert list(nodes) == [f"https://127.0.0.1:{box.compute_port}/"]
            assert nodes[f"https://127.0.0.1:{box.compute_port}/"]["statusCode"] == "pass"
            # The workers call the compute node too.
            inputs = [{"inputData": {"a": [1]}}]
            batch = http.post("/api/iris/1.0.0/batch", json=inputs).json()["batchExecutionId"]
            wait_until(lambda: '"Complete"' in http.get(f"/api/iris/1.0.0/batch/{batch}").text)
    finally:
        box.stop()


def test_a_box_whose_key_is_of_another_certificate_says_so(tmp_path: Path) -> None:
    authority = Authority()
    web = authority.issue("CN=web").write(tmp_path, "web")
    other = authority.issue("CN=web").write(tmp_path, "other")
    box = OneBox(tmp_path / "data")
    box.begin(
        MLOPS_RSCRIPT=NO_R,
        MLOPS_TLS_WEB_CERTIFICATE=str(web.certificate),
        MLOPS_TLS_WEB_KEY=str(other.key),
    )
    assert box.end() == 1
    assert "The web node does not start" in box.output
    assert "the private key does not belong to the first certificate" in box.output
