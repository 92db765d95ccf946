"""Which client certificate a compute node takes."""

from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from nodes.runtime.certificates import TlsError
from nodes.runtime.client_certificates import RequiredClient
from tests.certificates import Authority

ISSUER = "CN=Authority,O=Example"


def required(
    subject: str = "CN=web,O=Example",
    issuer: str = ISSUER,
    *,
    authorities: Path | None = Path("ca"),
) -> RequiredClient:
    found = RequiredClient.of(
        "MLOPS_TLS_CLIENT", authorities=authorities, issuer=issuer, subject=subject
    )
    assert found
    return found


def objection(client: RequiredClient, subject: str, issuer: str = ISSUER) -> str:
    issued = Authority(issuer).issue(subject)
    return client.objection(issued.certificate.public_bytes(Encoding.DER))


@pytest.mark.parametrize(
    ("configured", "subject"),
    [
        ("CN=web,O=Example", "CN=web,O=Example"),
        ("CN=web, O=Example", "CN=web,O=Example"),
        ("2.5.4.3=web,O=Example", "CN=web,O=Example"),
        (r"CN=web,O=Example\, Inc.", r"CN=web,O=Example\, Inc."),
        ("E=a@b.c,CN=web", "1.2.840.113549.1.9.1=a@b.c,CN=web"),
        ("emailAddress=a@b.c, S=Bavaria", "1.2.840.113549.1.9.1=a@b.c,ST=Bavaria"),
        (r"CN=J\C3\BCrgen", "CN=Jürgen"),
    ],
)
def test_the_same_name_is_taken_however_it_is_written(configured: str, subject: str) -> None:
    assert objection(required(configured), subject) == ""


@pytest.mark.parametrize(
    "subject",
    [
        "CN=web",
        "CN=web2,O=Example",
        "CN=web,O=Example2",
        "O=Example,CN=web",
        "CN=WEB,O=Example",
        "OU=web,O=Example",
        "CN=web,OU=x,O=Example",
        "CN=web,O=Example,C=DE",
        r"CN=web\,O=Example",
        r"CN=CN\=web\,O\=Example",
    ],
)
def test_another_subject_is_not(subject: str) -> None:
    assert objection(required(), subject).startswith("the subject of its certificate is ")


def test_another_issuer_is_not() -> None:
    said = objection(required(), "CN=web,O=Example", "CN=Another,O=Example")
    assert said == "the issuer of its certificate is CN=Another,O=Example"


def test_no_certificate_is_not() -> None:
    assert required().objection(None) == "it shows no certificate"


def test_nothing_set_requires_nothing() -> None:
    nothing = {"authorities": None, "issuer": "", "subject": ""}
    assert RequiredClient.of("MLOPS_TLS_CLIENT", **nothing) is None


@pytest.mark.parametrize(
    ("given", "missing"),
    [
        ({"issuer": "", "subject": ""}, "MLOPS_TLS_CLIENT_ISSUER and MLOPS_TLS_CLIENT_SUBJECT"),
        ({"issuer": ""}, "MLOPS_TLS_CLIENT_ISSUER"),
        ({"subject": ""}, "MLOPS_TLS_CLIENT_SUBJECT"),
        ({"authorities": None}, "MLOPS_TLS_CLIENT_CA"),
        ({"authorities": None, "issuer": ""}, "MLOPS_TLS_CLIENT_CA and MLOPS_TLS_CLIENT_ISSUER"),
    ],
)
def test_half_of_it_is_refused_with_what_is_missing(given: dict[str, str], missing: str) -> None:
    with pytest.raises(TlsError, match=f"^{missing} must be set too"):
        required(**given)


@pytest.mark.parametrize(
    "text", ["web", "CN", "CN=web;O=x", "C = DE, CN = web", 'O="A, B",CN=c', "=x"]
)
def test_what_is_no_name_is_refused_with_how_to_get_one(text: str) -> None:
    with pytest.raises(TlsError, match="MLOPS_TLS_CLIENT_SUBJECT is no distinguished name") as said:
        required(text)
    assert "openssl x509 -noout -subject" in str(said.value)
