"""What one box needs for itself alone."""

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from mlops.onebox.claims import ClaimError, check_ports, claim_data_dir, local_url
from tests.ports import free_port


@pytest.fixture
def taken_port() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


def test_a_second_box_on_the_same_directory_is_told_who_has_it(tmp_path: Path) -> None:
    expected = f"process {os.getpid()}.*MLOPS_DATA_DIR"
    with claim_data_dir(tmp_path), pytest.raises(ClaimError, match=expected):
        claim_data_dir(tmp_path)


def test_a_directory_is_free_again_when_its_box_has_ended(tmp_path: Path) -> None:
    claim_data_dir(tmp_path).close()
    claim_data_dir(tmp_path).close()


def test_a_directory_that_is_new_is_private(tmp_path: Path) -> None:
    claim_data_dir(tmp_path / "new").close()
    assert (tmp_path / "new").stat().st_mode & 0o777 == 0o700


def test_free_ports_are_fine() -> None:
    check_ports("127.0.0.1", {"MLOPS_PORT": free_port()})


def test_a_port_in_use_is_named_with_its_variable(taken_port: int) -> None:
    with pytest.raises(ClaimError, match=f"Port {taken_port} .* in use.* MLOPS_COMPUTE_PORT"):
        check_ports("127.0.0.1", {"MLOPS_PORT": free_port(), "MLOPS_COMPUTE_PORT": taken_port})


def test_one_port_for_both_nodes_is_refused() -> None:
    with pytest.raises(ClaimError, match="MLOPS_PORT and MLOPS_COMPUTE_PORT"):
        check_ports("127.0.0.1", {"MLOPS_PORT": 12800, "MLOPS_COMPUTE_PORT": 12800})


def test_a_port_beyond_the_last_is_refused() -> None:
    with pytest.raises(ClaimError, match="MLOPS_PORT=65536"):
        check_ports("127.0.0.1", {"MLOPS_PORT": 65536})


def test_an_address_of_another_machine_is_refused() -> None:
    with pytest.raises(ClaimError, match="MLOPS_HOST"):
        check_ports("192.0.2.1", {"MLOPS_PORT": free_port()})


def test_an_ipv6_address_is_refused_because_nodes_cannot_be_declared_with_one() -> None:
    with pytest.raises(ClaimError, match="MLOPS_HOST=::1"):
        check_ports("::1", {"MLOPS_PORT": free_port()})


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.1", "http://127.0.0.1:80"),
        ("0.0.0.0", "http://127.0.0.1:80"),  # noqa: S104 - nothing is bound
        ("10.0.0.7", "http://10.0.0.7:80"),
    ],
)
def test_a_machine_reaches_itself_at(host: str, url: str) -> None:
    assert local_url(host, 80) == url
    assert local_url(host, 80, is_tls=True) == url.replace("http:", "https:")
