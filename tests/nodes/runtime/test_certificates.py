"""Certificates and keys from files, and what is said of those that cannot be used."""

import logging
import ssl
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import x25519
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from nodes.runtime.certificates import Bundle, IdentityFiles, TlsError
from nodes.runtime.tls import client_context, server_context
from tests.certificates import Authority, Files, Issued

PASSWORD = b"the secret of the key"


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority()


@pytest.fixture(scope="module")
def issued(authority: Authority) -> Issued:
    return authority.issue()


@pytest.fixture
def files(issued: Issued, tmp_path: Path) -> Files:
    return issued.write(tmp_path, "node")


def identity(
    certificate: Path | None, key: Path | None = None, password: Path | None = None
) -> IdentityFiles:
    found = IdentityFiles.of("MLOPS_TLS_WEB", certificate=certificate, key=key, password=password)
    assert found
    return found


def private(path: Path, content: bytes) -> Path:
    path.touch(mode=0o600)
    path.write_bytes(content)
    return path


def refusal_of(
    certificate: Path | None, key: Path | None = None, password: Path | None = None
) -> str:
    """Why a server does not start with them; no secret is in it."""
    with pytest.raises(TlsError) as refusal:
        server_context("web node", identity(certificate, key, password))
    text = str(refusal.value)
    assert PASSWORD.decode() not in text
    assert refusal.value.__cause__ is None
    assert refusal.value.__suppress_context__ or refusal.value.__context__ is None
    return text


# What serves.


def handshake(server: ssl.SSLContext, client: ssl.SSLContext) -> ssl.SSLObject:
    """The client's side after a handshake in memory."""
    to_client, to_server = ssl.MemoryBIO(), ssl.MemoryBIO()
    serving = server.wrap_bio(to_server, to_client, server_side=True)
    calling = client.wrap_bio(to_client, to_server, server_hostname="127.0.0.1")
    waiting = [calling, serving]
    while waiting:
        for side in list(waiting):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
            waiting.remove(side)
    return calling


@pytest.mark.parametrize("form", ["pem", "encrypted pem", "one pem", "pfx", "encrypted pfx"])
def test_every_form_of_the_files_serves(
    form: str, authority: Authority, issued: Issued, files: Files, tmp_path: Path
) -> None:
    password = private(tmp_path / "password", PASSWORD + b"\n")
    encrypted = private(tmp_path / "encrypted.key", issued.key_pem(PASSWORD))
    one = private(tmp_path / "one.pem", issued.pem + issued.key_pem())
    pfx = private(tmp_path / "node.pfx", issued.pfx())
    encrypted_pfx = private(tmp_path / "encrypted.pfx", issued.pfx(PASSWORD))
    forms = {
        "pem": identity(files.certificate, files.key),
        "encrypted pem": identity(files.certificate, encrypted, password),
        "one pem": identity(one, one),
        "pfx": identity(pfx),
        "encrypted pfx": identity(encrypted_pfx, None, password),
    }
    server = server_context("web node", forms[form])
    connection = handshake(server, authority.trusting())
    assert connection.getpeercert(binary_form=True) == issued.certificate.public_bytes(Encoding.DER)


def test_nothing_decrypted_stays_behind(issued: Issued, tmp_path: Path) -> None:
    pfx = private(tmp_path / "node.pfx", issued.pfx(PASSWORD))
    password = private(tmp_path / "password", PASSWORD)
    descriptors = len(list(Path("/proc/self/fd").iterdir()))
    server_context("web node", identity(pfx, None, password))
    assert len(list(Path("/proc/self/fd").iterdir())) == descriptors
    assert sorted(path.name for path in tmp_path.iterdir()) == ["node.pfx", "password"]


def test_a_key_that_everybody_can_read_is_warned_of(
    files: Files, caplog: pytest.LogCaptureFixture
) -> None:
    server_context("web node", identity(files.certificate, files.key))
    assert not caplog.records
    files.key.chmod(0o644)
    server_context("web node", identity(files.certificate, files.key))
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert f"MLOPS_TLS_WEB_KEY: every account of this machine can read {files.key}" in caplog.text


# What is refused.


def test_nothing_set_is_no_identity() -> None:
    assert IdentityFiles.of("MLOPS_TLS_WEB", certificate=None, key=None, password=None) is None


def test_a_key_without_certificate_is_refused(files: Files) -> None:
    with pytest.raises(TlsError, match="MLOPS_TLS_WEB_KEY is set without MLOPS_TLS_WEB_CERTIFI"):
        identity(None, files.key)


def test_a_password_without_certificate_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TlsError, match="MLOPS_TLS_WEB_PASSWORD_FILE is set without"):
        identity(None, None, tmp_path)


def test_a_certificate_without_key_is_refused(files: Files) -> None:
    said = refusal_of(files.certificate)
    assert "MLOPS_TLS_WEB_CERTIFICATE is set without MLOPS_TLS_WEB_KEY" in said


def test_a_key_beside_a_pfx_is_refused(issued: Issued, files: Files, tmp_path: Path) -> None:
    pfx = private(tmp_path / "node.pfx", issued.pfx())
    assert "unset MLOPS_TLS_WEB_KEY if it is a PFX" in refusal_of(pfx, files.key)


def test_a_key_of_another_certificate_is_refused(
    authority: Authority, files: Files, tmp_path: Path
) -> None:
    other = authority.issue().write(tmp_path, "other")
    assert "does not belong to the first certificate" in refusal_of(files.certificate, other.key)


def test_a_chain_in_the_wrong_order_is_refused(
    authority: Authority, issued: Issued, files: Files
) -> None:
    files.certificate.write_bytes(authority.pem + issued.pem)
    assert "The own certificate comes first" in refusal_of(files.certificate, files.key)


@pytest.mark.parametrize("which", ["certificate", "key", "password"])
def test_a_file_that_is_not_there_is_named(which: str, files: Files, tmp_path: Path) -> None:
    absent = tmp_path / "absent"
    given = {"certificate": files.certificate, "key": files.key, "password": None, which: absent}
    setting = {"certificate": "CERTIFICATE", "key": "KEY", "password": "PASSWORD_FILE"}[which]
    said = refusal_of(given["certificate"], given["key"], given["password"])
    assert said == f"MLOPS_TLS_WEB_{setting}: {absent} cannot be read: No such file or directory."


def test_a_folder_in_place_of_a_file_is_refused(files: Files, tmp_path: Path) -> None:
    assert "cannot be read: Is a directory" in refusal_of(files.certificate, tmp_path)


def test_an_encrypted_key_without_password_is_refused_and_nobody_is_asked(
    issued: Issued, files: Files, tmp_path: Path
) -> None:
    encrypted = private(tmp_path / "encrypted.key", issued.key_pem(PASSWORD))
    said = refusal_of(files.certificate, encrypted)
    assert said.endswith(
        "is encrypted; name a file with its password in MLOPS_TLS_WEB_PASSWORD_FILE."
    )


def test_a_password_for_a_key_without_one_is_refused(files: Files, tmp_path: Path) -> None:
    password = private(tmp_path / "password", PASSWORD)
    said = refusal_of(files.certificate, files.key, password)
    assert "is not encrypted; unset MLOPS_TLS_WEB_PASSWORD_FILE" in said


def test_a_wrong_password_of_a_key_is_refused(issued: Issued, files: Files, tmp_path: Path) -> None:
    encrypted = private(tmp_path / "encrypted.key", issued.key_pem(PASSWORD))
    wrong = private(tmp_path / "password", b"another")
    said = refusal_of(files.certificate, encrypted, wrong)
    assert "cannot be read as a private key in PEM with the password in the file given" in said
    assert "another" not in said


@pytest.mark.parametrize("content", [b"another", None])
def test_a_pfx_with_a_wrong_or_no_password_is_refused(
    issued: Issued, tmp_path: Path, content: bytes | None
) -> None:
    pfx = private(tmp_path / "node.pfx", issued.pfx(PASSWORD))
    password = private(tmp_path / "password", content) if content else None
    said = refusal_of(pfx, None, password)
    assert "MLOPS_TLS_WEB_PASSWORD_FILE names the file with its password" in said
    assert "another" not in said


def test_an_empty_password_file_is_refused(issued: Issued, tmp_path: Path) -> None:
    pfx = private(tmp_path / "node.pfx", issued.pfx(PASSWORD))
    assert "is empty" in refusal_of(pfx, None, private(tmp_path / "password", b"\n"))


@pytest.mark.parametrize("content", [b"", b"no certificate", b"-----BEGIN NONSENSE-----"])
def test_a_certificate_that_is_none_is_refused(files: Files, content: bytes) -> None:
    files.certificate.write_bytes(content)
    assert str(files.certificate) in refusal_of(files.certificate, files.key)


@pytest.mark.parametrize("content", [b"", b"no key", b"-----BEGIN PRIVATE KEY-----"])
def test_a_key_that_is_none_is_refused(files: Files, content: bytes) -> None:
    files.key.write_bytes(content)
    said = refusal_of(files.certificate, files.key)
    assert said == f"MLOPS_TLS_WEB_KEY: {files.key} cannot be read as a private key in PEM."


def test_a_key_that_cannot_sign_is_refused(files: Files) -> None:
    key = x25519.X25519PrivateKey.generate()
    files.key.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    assert "no use for this kind of key" in refusal_of(files.certificate, files.key)


@pytest.mark.parametrize("content", [b"", b"no certificate"])
def test_authorities_that_are_none_are_refused(tmp_path: Path, content: bytes) -> None:
    path = private(tmp_path / "ca.pem", content)
    with pytest.raises(TlsError, match=f"MLOPS_TLS_COMPUTE_CA: {path} holds no certificates"):
        client_context("client", None, Bundle("MLOPS_TLS_COMPUTE_CA", path))


def test_authorities_that_are_not_there_are_refused(tmp_path: Path) -> None:
    with pytest.raises(TlsError, match=r"MLOPS_TLS_COMPUTE_CA: .*absent cannot be read"):
        client_context("client", None, Bundle("MLOPS_TLS_COMPUTE_CA", tmp_path / "absent"))
