"""The id that a caller has of a failed call leads to its error in the compute node's log."""

from tests.e2e.one_box import OneBox
from tests.nodes.runtime.running import wait_until


def test_a_failed_call_is_found_by_its_id(one_box: OneBox) -> None:
    service = {"code": "raise ValueError('first line\\nsecond line')", "runtimeType": "Python"}
    with one_box.client() as client:
        assert client.post("/services/failing/v1", json=service).status_code == 201
        answer = client.post("/api/failing/v1", json={})
        client.delete("/services/failing/v1")
    assert (answer.status_code, answer.json()["success"]) == (200, False)
    log = one_box.data_dir / "logs" / "computenode.log"
    call = f"Call {answer.headers['CorrelationId']} of bundle"
    wait_until(lambda: call in log.read_text())
    (line,) = [line for line in log.read_text().splitlines() if call in line]
    assert r"first line\nsecond line" in line
