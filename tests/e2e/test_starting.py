"""Starting and stopping a box: what it says, keeps, refuses and leaves behind."""

import contextlib
import os
import signal
import subprocess
from pathlib import Path

import httpx
import pytest

from tests.e2e.one_box import OneBox, generated_password, read_process

pytestmark = pytest.mark.any_database

DEMOS = [("iris", "1.0.0"), ("bos-rf", "1.0.0")]


def published(box: OneBox) -> list[tuple[str, str]]:
    return [(service["name"], service["version"]) for service in box.services()]


def test_the_first_start_publishes_and_scores_the_demo_services(one_box: OneBox) -> None:
    assert 'iris/1.0.0 answers {"species":["setosa","virginica"]' in one_box.output
    assert 'bos-rf/1.0.0 answers {"answer":[' in one_box.output
    assert published(one_box)[:2] == DEMOS


def test_the_printed_command_really_works(one_box: OneBox) -> None:
    lines = one_box.lines
    begin = next(number for number, line in enumerate(lines) if line.startswith("printf"))
    end = next(number for number, line in enumerate(lines) if line.startswith("Console:"))
    done = subprocess.run(
        ["bash", "-c", "\n".join(lines[begin:end])],
        input=one_box.admin_password + "\n",
        capture_output=True,
        text=True,
        check=True,
    )
    answers = done.stdout.splitlines()[1:]
    assert len(answers) == 2
    assert all(answer.startswith('{"success":true,') for answer in answers)


def files_with(text: str, folder: Path) -> list[Path]:
    """A box at work deletes messages and answers meanwhile; those are passed over."""
    found = []
    for parent, _, names in os.walk(folder):
        for path in (Path(parent, name) for name in names):
            with contextlib.suppress(FileNotFoundError):
                if path.is_file() and text.encode() in path.read_bytes():
                    found.append(path)
    return found


def test_the_given_password_reaches_neither_files_nor_processes(one_box: OneBox) -> None:
    assert one_box.admin_password not in one_box.output
    assert files_with(one_box.admin_password, one_box.data_dir) == []
    pids = [process.pid for process in one_box.processes()]
    assert pids
    for pid in pids:
        assert one_box.admin_password not in read_process(pid, "environ")
        assert one_box.admin_password not in read_process(pid, "cmdline")


def test_secrets_and_data_are_private(one_box: OneBox) -> None:
    names = ["secrets", "logs", "secrets/token_signing_key.pem"]
    for name in names if one_box.database else [*names, "mlops.sqlite3"]:
        assert (one_box.data_dir / name).stat().st_mode & 0o077 == 0, name


def test_a_box_keeps_its_data_over_a_restart_and_another_runs_beside_it(
    one_box: OneBox, new_box: OneBox
) -> None:
    new_box.start(MLOPS_ADMIN_PASSWORD="")
    new_box.admin_password = generated_password(new_box)
    assert files_with(new_box.admin_password, new_box.data_dir) == []
    assert one_box.pid("web node") != new_box.pid("web node")
    with new_box.client() as client:
        client.post("/services/own/1", json={"code": "x = 1", "runtimeType": "Python"})
        authorization = client.headers["Authorization"]
    assert published(new_box) == [*DEMOS, ("own", "1")]
    assert ("own", "1") not in published(one_box)
    with new_box.client() as client:
        client.delete("/services/iris/1.0.0")

    new_box.stop(signal.SIGINT)
    new_box.start(MLOPS_ADMIN_PASSWORD="Another-Password-1")
    assert "Created" not in new_box.output
    assert "Training" not in new_box.output
    assert published(new_box) == [("bos-rf", "1.0.0"), ("own", "1")]
    headers = {"Authorization": authorization}
    assert httpx.get(f"{new_box.url}/services", headers=headers, timeout=120).status_code == 200


def test_a_first_start_that_was_killed_is_completed_by_the_next(new_box: OneBox) -> None:
    new_box.begin()
    new_box.says("publishing the demo bos-rf")
    new_box.kill_supervisor()
    new_box.start()
    assert "Created" not in new_box.output
    assert published(new_box) == DEMOS


def test_without_r_only_python_is_published_until_r_is_there(new_box: OneBox) -> None:
    new_box.start(MLOPS_RSCRIPT="/nonexistent/Rscript")
    assert "bos-rf/1.0.0 is left out: /nonexistent/Rscript is not installed" in new_box.output
    assert published(new_box) == DEMOS[:1]
    new_box.stop()
    new_box.start()
    assert published(new_box) == DEMOS


def test_a_weak_administrator_password_is_refused_with_a_reason(new_box: OneBox) -> None:
    new_box.begin(MLOPS_ADMIN_PASSWORD="secret")
    assert new_box.end() == 1
    assert "MLOPS_ADMIN_PASSWORD cannot be used" in new_box.output
    assert "an upper-case letter" in new_box.output
    assert "secret" not in new_box.output.replace("secrets", "")
    assert new_box.processes() == []
    new_box.process = None


def test_ports_in_use_are_refused_by_name_before_anything_starts(
    one_box: OneBox, new_box: OneBox
) -> None:
    new_box.port = one_box.port
    new_box.begin()
    assert new_box.end() == 1
    assert f"Port {one_box.port} of 127.0.0.1 is in use" in new_box.output
    assert "MLOPS_PORT" in new_box.output
    assert not (new_box.data_dir / "mlops.sqlite3").exists()
    new_box.process = None


def test_a_second_box_on_the_same_directory_is_refused(one_box: OneBox) -> None:
    assert one_box.process
    second = OneBox(one_box.data_dir)
    second.begin()
    assert second.end() == 1
    assert f"process {one_box.process.pid}" in second.output
    assert "MLOPS_DATA_DIR" in second.output
    with one_box.client() as client:
        assert client.get("/services").status_code == 200
