"""Connections to the servers of the directory."""

import logging
import socket
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any
from urllib.parse import urlsplit

import ldap

from mlops.accounts.sign_in.ldap_config import LdapConfig

logger = logging.getLogger(__name__)

# The extended request for TLS in BER, its message id 1, and the result code of success.
_START_TLS = b"\x30\x1d\x02\x01\x01\x77\x18\x80\x161.3.6.1.4.1.1466.20037"
_DONE = b"\x0a\x01\x00"
_NO_TRUST = "(unknown error code)"  # all that the library, built on GnuTLS, says of a certificate

# The server that answered last is asked first, so that a dead one costs its timeout only once.
_answered_last: str | None = None


def options(config: LdapConfig) -> dict[int, Any]:
    """What every connection is made with; the order counts."""
    found: dict[int, Any] = {
        ldap.OPT_PROTOCOL_VERSION: ldap.VERSION3,
        # Referrals would be followed without the query user's rights, into nowhere.
        ldap.OPT_REFERRALS: ldap.OPT_OFF,
        ldap.OPT_NETWORK_TIMEOUT: float(config.timeout_seconds),
        ldap.OPT_TIMEOUT: float(config.timeout_seconds),
    }
    if config.is_encrypted:
        found[ldap.OPT_X_TLS_REQUIRE_CERT] = ldap.OPT_X_TLS_DEMAND
        if config.ca:
            found[ldap.OPT_X_TLS_CACERTFILE] = str(config.ca)
        found[ldap.OPT_X_TLS_NEWCTX] = 0  # takes over the other options of TLS
    return found


@contextmanager
def connected(config: LdapConfig, uri: str) -> Iterator[Any]:
    """A connection to one server, bound as the query user; raises ldap.LDAPError."""
    connection = ldap.initialize(uri)
    try:
        for option, value in options(config).items():
            connection.set_option(option, value)
        if config.start_tls:
            connection.start_tls_s()
        connection.simple_bind_s(config.query_user_dn, config.query_user_password)
        yield connection
    finally:
        with suppress(ldap.LDAPError):
            connection.unbind_s()


def answering(config: LdapConfig) -> str:
    """The URI of a server that answers; raises the ldap.LDAPError of the last one if none does."""
    global _answered_last
    error: ldap.LDAPError = ldap.SERVER_DOWN()
    for uri in sorted(config.uris, key=lambda uri: uri != _answered_last):
        try:
            if len(config.uris) > 1:
                try_out(config, uri)
            elif config.is_encrypted:
                _speak_tls(config, uri)
        except ldap.LDAPError as failure:
            logger.warning("%s does not serve: %s", uri, explanation(failure))
            error = failure
        else:
            _answered_last = uri
            return uri
    raise error


def try_out(config: LdapConfig, uri: str) -> None:
    """See that a server lets the query user in; raises ldap.LDAPError."""
    if config.is_encrypted:
        _speak_tls(config, uri)
    with connected(config, uri):
        pass


def _speak_tls(config: LdapConfig, uri: str) -> None:
    """See that a server answers in TLS at all; raises ldap.LDAPError.

    The library keeps its time limits everywhere but there: built on GnuTLS, as in Debian, it would
    ask a server that says nothing again and again, for ever. Who answers is checked by it later.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    address = urlsplit(uri)
    trouble = "Can't contact LDAP server"
    try:
        with socket.create_connection(
            (address.hostname, address.port), config.timeout_seconds
        ) as plain:
            trouble = "No TLS"
            if config.start_tls:
                _ask_for_tls(plain)
            with context.wrap_socket(plain, server_hostname=address.hostname):
                pass
    except (OSError, ValueError) as error:  # ValueError is of names that are none
        raise ldap.SERVER_DOWN({"desc": trouble, "info": str(error)}) from None


def _ask_for_tls(plain: socket.socket) -> None:
    """Have the server begin TLS on this connection; OSError when it will not (RFC 4511, 4.14)."""
    plain.sendall(_START_TLS)
    if _DONE not in plain.recv(4096):
        raise OSError("The server does not agree to StartTLS.")


def explanation(error: ldap.LDAPError) -> str:
    """What to tell an administrator."""
    details: Mapping[str, Any] = next((arg for arg in error.args if isinstance(arg, dict)), {})
    name, info = details.get("desc") or type(error).__name__, details.get("info")
    if info == _NO_TRUST:
        info = "its certificate must be by an authority in MLOPS_LDAP_CA and name this host"
    return f"{name} ({info})" if info else str(name)
