"""TLS of this web node: what it serves with, whom it trusts and what it shows to compute nodes."""

import re
import ssl
from functools import cache

from django.conf import settings

from mlops.errors import NodeUntrusted
from nodes.runtime.certificates import Bundle, IdentityFiles, spoken
from nodes.runtime.tls import TlsContext, client_context, server_context

# By which a compute node refuses the client certificate, or the lack of one. It does so before it
# reads what is sent; other alerts may come when a call has run.
_REFUSAL = re.compile(r"ALERT_(\w+_)?(CERTIFICATE(_\w+)?|UNKNOWN_CA|DECRYPT_ERROR|ACCESS_DENIED)$")
_NO_TLS = ("WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE")  # what it answers is not TLS


@cache
def of_web_node() -> TlsContext | None:
    """What the web node serves with; None without TLS. Raises `TlsError`."""
    identity = IdentityFiles.of(
        "MLOPS_TLS_WEB",
        certificate=settings.TLS_WEB_CERTIFICATE,
        key=settings.TLS_WEB_KEY,
        password=settings.TLS_WEB_PASSWORD_FILE,
    )
    return server_context("web node", identity) if identity else None


@cache
def of_client() -> TlsContext:
    """What compute nodes are called with. Raises `TlsError`."""
    return _client_context(is_verifying=True)


def of_probe() -> TlsContext:
    """The same for the supervisor, which knows whom it calls: it started them itself."""
    return _client_context(is_verifying=False)


def _client_context(*, is_verifying: bool) -> TlsContext:
    identity = IdentityFiles.of(
        "MLOPS_TLS_CLIENT",
        certificate=settings.TLS_CLIENT_CERTIFICATE,
        key=settings.TLS_CLIENT_KEY,
        password=settings.TLS_CLIENT_PASSWORD_FILE,
    )
    path = settings.TLS_COMPUTE_CA
    authorities = Bundle("MLOPS_TLS_COMPUTE_CA", path) if path else None
    return client_context("client", identity, authorities, is_verifying=is_verifying)


def is_refusal_of_client(error: Exception | None) -> bool:
    """Whether an open connection broke because the node does not take our certificate."""
    return isinstance(error, ssl.SSLError) and bool(_REFUSAL.search(error.reason or ""))


def untrusted(node: str, error: ssl.SSLError) -> NodeUntrusted:
    """Why there is no TLS connection to the node."""
    why = spoken(error)
    if isinstance(error, ssl.SSLCertVerificationError):
        return NodeUntrusted(f"The certificate of compute node {node} is not trusted: {why}.")
    if is_refusal_of_client(error):
        return NodeUntrusted(
            f"Compute node {node} refuses the client certificate of this web node: {why}."
        )
    if error.reason in _NO_TLS:
        return NodeUntrusted(
            f"Compute node {node} does not speak TLS, but is declared with https://."
        )
    return NodeUntrusted(f"No TLS connection to compute node {node} comes about: {why}.")
