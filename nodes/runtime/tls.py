"""TLS contexts whose files may change: each new connection gets what they hold then.

TLS 1.2 and newer. Connections that are open go on as they are. Files that have become unusable
change nothing: what was loaded before stays, and the log says what is wrong.
"""

import logging
import ssl
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography import x509

from .certificates import Bundle, Identity, IdentityFiles, TlsError, spoken
from .client_certificates import RequiredClient

logger = logging.getLogger(__name__)

PLAIN_HTTP_CODE = "tls-required"

_LOOK_SECONDS = 1.0  # between two looks at the files
_NOTICE_SECONDS = 10  # the same where no connections are made
_WARN_BEFORE = timedelta(days=30)
_WARN_EVERY_SECONDS = 24 * 3600.0

_PLAIN_HTTP_BODY = (
    b'{"code":"%b","message":"This port speaks TLS: its address begins with https://"}'
    % PLAIN_HTTP_CODE.encode()
)
_PLAIN_HTTP_ANSWER = (
    b"HTTP/1.1 400 Bad Request\r\nContent-Type: application/json\r\nContent-Length: %d\r\n"
    b"Connection: close\r\n\r\n%b" % (len(_PLAIN_HTTP_BODY), _PLAIN_HTTP_BODY)
)


@dataclass(frozen=True)
class CertificateReport:
    """What people are told of a certificate."""

    subject: str
    expires: datetime

    @classmethod
    def of(cls, certificate: x509.Certificate) -> "CertificateReport":
        """What it says of itself."""
        return cls(certificate.subject.rfc4514_string(), certificate.not_valid_after_utc)

    def body(self) -> dict[str, str]:
        """It as JSON has it."""
        return {"subject": self.subject, "expires": f"{self.expires:%Y-%m-%dT%H:%M:%SZ}"}


class TlsContext(ssl.SSLContext):
    """Makes each connection with a context built of what the files hold.

    `build` makes one and names the own certificate, if there is one; the first time here, where its
    `TlsError` comes through. `owner` is whose certificate it is, for the log.
    """

    def __new__(cls, *_: object, **__: object) -> "TlsContext":
        """The shell of a context, whose protocol and options do not matter."""
        return super().__new__(cls, ssl.PROTOCOL_TLS_SERVER)

    def __init__(
        self,
        owner: str,
        files: Sequence[Path],
        build: Callable[[], tuple[ssl.SSLContext, Identity | None]],
    ) -> None:
        self._owner = owner
        self._files = files
        self._build = build
        self._seen = _state_of(files)
        self._looked_at = time.monotonic()
        self._warned_at: float | None = None
        self._inner, self._identity = build()
        self._warn_of_expiry()

    @property
    def certificate(self) -> CertificateReport | None:
        """The own certificate that new connections show; None when there is none."""
        return CertificateReport.of(self._identity.certificate) if self._identity else None

    def wrap_bio(
        self, incoming: ssl.MemoryBIO, outgoing: ssl.MemoryBIO, *args: Any, **options: Any
    ) -> ssl.SSLObject:
        """A new connection, as event loops make it."""
        self.look()
        connection = self._inner.wrap_bio(incoming, outgoing, *args, **options)
        if isinstance(connection, _Accepting):
            connection.outgoing = outgoing
        return connection

    def wrap_socket(self, *args: Any, **options: Any) -> ssl.SSLSocket:
        """The same for whoever waits at its sockets itself."""
        self.look()
        return self._inner.wrap_socket(*args, **options)

    def look(self) -> None:
        """Takes files that have changed, and warns of a certificate that expires soon."""
        now = time.monotonic()
        if now - self._looked_at < _LOOK_SECONDS:
            return
        self._looked_at = now
        state = _state_of(self._files)
        if state != self._seen:
            self._seen = state
            try:
                self._inner, self._identity = self._build()
            except TlsError as error:
                logger.error("TLS of the %s goes on with what it had. %s", self._owner, error)
            else:
                self._warned_at = None
                logger.warning("TLS of the %s has taken its changed files.", self._owner)
        self._warn_of_expiry()

    def _warn_of_expiry(self) -> None:
        if self._identity is None:
            return
        if self._warned_at is not None and time.monotonic() - self._warned_at < _WARN_EVERY_SECONDS:
            return
        certificate = CertificateReport.of(self._identity.certificate)
        left = certificate.expires - datetime.now(UTC)
        if left > _WARN_BEFORE:
            return
        self._warned_at = time.monotonic()
        level, word = (
            (logging.WARNING, "expires") if left > timedelta(0) else (logging.ERROR, "has expired")
        )
        logger.log(
            level,
            "The certificate of the %s (%s) %s on %s UTC: put a new one into its files.",
            *(self._owner, certificate.subject, word, f"{certificate.expires:%Y-%m-%d %H:%M}"),
        )


def server_context(
    owner: str, identity: IdentityFiles, client: RequiredClient | None = None
) -> TlsContext:
    """For whoever serves; with `client`, connections without a certificate of its authorities fail.

    Its names are left to `RequiredClient.objection`. Raises `TlsError`.
    """

    def build() -> tuple[ssl.SSLContext, Identity]:
        own = identity.read()
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.sslobject_class = _Accepting
        own.load_into(context)
        if client is not None:
            context.sslobject_class = _Demanding
            context.verify_mode = ssl.CERT_REQUIRED
            client.authorities.load_into(context)
        return context, own

    files = [*identity.paths, *([client.authorities.path] if client else [])]
    return TlsContext(owner, files, build)


def client_context(
    owner: str,
    identity: IdentityFiles | None,
    authorities: Bundle | None,
    *,
    is_verifying: bool = True,
) -> TlsContext:
    """For whoever calls: trusts the authorities, or the system's where there are none.

    `identity` is shown to servers that ask for it. Raises `TlsError`.
    """

    def build() -> tuple[ssl.SSLContext, Identity | None]:
        own = identity.read() if identity else None
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        if not is_verifying:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        elif authorities is None:
            context.load_default_certs()
        else:
            authorities.load_into(context)
        if own is not None:
            own.load_into(context)
        return context, own

    files = [*(identity.paths if identity else []), *([authorities.path] if authorities else [])]
    return TlsContext(owner, files, build)


def tls_options(*contexts: TlsContext | None) -> dict[str, Any]:
    """What uvicorn is told to serve with the first one, and to have an eye on all of them."""
    first, *_ = contexts
    watched = [each for each in contexts if each]

    async def look() -> None:
        for each in watched:
            each.look()

    options: dict[str, Any] = {}
    if first is not None:
        options["ssl_context_factory"] = lambda *_: first
    if watched:
        options |= {"callback_notify": look, "timeout_notify": _NOTICE_SECONDS}
    return options


class _Accepting(ssl.SSLObject):
    """The server's side of a connection, which tells the other side why it is refused.

    Event loops drop a connection whose handshake has failed, and what TLS has to say about it. So
    they are told first that it goes on, which makes them send that; the failure comes when there is
    more to read, or when the other side, which knows enough, hangs up.
    """

    outgoing: ssl.MemoryBIO
    _level = logging.INFO
    _failure: ssl.SSLError | None = None

    def do_handshake(self) -> None:
        """Part of ssl.SSLObject."""
        if self._failure is not None:
            raise self._failure
        try:
            super().do_handshake()
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            raise
        except ssl.SSLError as error:
            self._failure = error
            logger.log(self._level, "A TLS connection is refused: %s.", spoken(error))
            if error.reason == "HTTP_REQUEST":
                self.outgoing.write(_PLAIN_HTTP_ANSWER)
            if not self.outgoing.pending:
                raise
            raise ssl.SSLWantReadError from None


class _Demanding(_Accepting):
    """The same where a client certificate is demanded: who is refused is worth knowing."""

    _level = logging.WARNING


def _state_of(files: Sequence[Path]) -> list[tuple[int, ...] | None]:
    """Something that differs when a file has changed."""
    return [_state_of_one(path) for path in files]


def _state_of_one(path: Path) -> tuple[int, ...] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino
