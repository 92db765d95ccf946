"""Which client certificate a compute node takes: one of a known authority, issuer and subject."""

import re
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.x509.oid import NameOID

from .certificates import Bundle, TlsError

_BLANKS_AFTER_COMMAS = re.compile(r"(?<!\\),\s+")
# Short forms beyond those of RFC 4514, as OpenSSL and Windows print them.
_SHORT_FORMS = {
    "emailAddress": NameOID.EMAIL_ADDRESS,
    "E": NameOID.EMAIL_ADDRESS,
    "S": NameOID.STATE_OR_PROVINCE_NAME,
    "serialNumber": NameOID.SERIAL_NUMBER,
}


@dataclass(frozen=True)
class RequiredClient:
    """The one client to be let in; names are compared part by part, as they were issued."""

    authorities: Bundle
    issuer: x509.Name
    subject: x509.Name

    @classmethod
    def of(
        cls, prefix: str, *, authorities: Path | None, issuer: str, subject: str
    ) -> "RequiredClient | None":
        """None when nothing is set; `TlsError` when something is and not all of it."""
        settings = {"CA": authorities, "ISSUER": issuer, "SUBJECT": subject}
        missing = [f"{prefix}_{name}" for name, value in settings.items() if not value]
        if len(missing) == len(settings):
            return None
        if missing or authorities is None:
            raise TlsError(
                f"{' and '.join(missing)} must be set too: a client certificate is known by its"
                f" authority, its issuer and its subject ({prefix}_CA, _ISSUER and _SUBJECT)."
            )
        return cls(
            Bundle(f"{prefix}_CA", authorities),
            _name(issuer, f"{prefix}_ISSUER"),
            _name(subject, f"{prefix}_SUBJECT"),
        )

    def objection(self, certificate: bytes | None) -> str:
        """What is wrong with a certificate, given as DER, that TLS has verified; "" for nothing."""
        if certificate is None:
            return "it shows no certificate"
        shown = x509.load_der_x509_certificate(certificate)
        if shown.subject != self.subject:
            return f"the subject of its certificate is {shown.subject.rfc4514_string()}"
        if shown.issuer != self.issuer:
            return f"the issuer of its certificate is {shown.issuer.rfc4514_string()}"
        return ""


def _name(text: str, setting: str) -> x509.Name:
    try:
        name = x509.Name.from_rfc4514_string(_BLANKS_AFTER_COMMAS.sub(",", text), _SHORT_FORMS)
    except ValueError:
        name = x509.Name([])
    if not list(name):
        raise TlsError(
            f"{setting} is no distinguished name, as in CN=mlops-web,O=Example; this shows it:"
            " openssl x509 -noout -subject -issuer -nameopt RFC2253 -in CERTIFICATE"
        )
    return name
