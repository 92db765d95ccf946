"""The errors of the product, each with its HTTP status and code.

    MlopsError                     500
    ├── BundleUnknown              500  push the bundle and repeat; never reaches a client
    ├── InvalidRequest             400  the caller sent something that cannot be right
    ├── NotSignedIn                401  no, an expired, a forged or a revoked token
    ├── Forbidden                  403  the caller's role or ownership does not suffice
    ├── NotFound                   404
    ├── NotAcceptable              406  the answer cannot be had in a format the caller takes
    ├── Conflict                   409  it exists already
    ├── Gone                       410  the compute node that held it is lost
    ├── TooLarge                   413
    ├── UnsupportedFormat          415  the body is in a format that is not taken here
    ├── RunFailed                  422  the code failed, and the caller takes no result object
    ├── TooManySignIns             429  too many failed of late; the password was not looked at
    ├── NodeFailure                500  a compute node broke off or answered nonsense
    │   └── NodeError              500  a compute node answered that it failed at this call
    ├── LimitReached               503  the caller has as many as allowed and must give one back
    ├── Busy                       503  no free shell or no ready node; the caller may retry
    │   ├── NodeUnreachable        503  no connection to a compute node; nothing was sent to it
    │   │   └── NodeUntrusted      503  TLS between the two sides fails; the call was not read
    │   ├── NodeStopping           503  a compute node is told to stop and takes no further calls
    │   └── PoolMissing            503  a compute node has not built the version's pool yet
    ├── DatabaseUnavailable        503  the database does not answer
    ├── DirectoryUnavailable       503  the directory that knows the users does not answer
    ├── Stopping                   503  this web node is told to stop; the call may have run
    └── NodeTimeout                504  a compute node did not answer in time

Raised anywhere below the API; `mlops.rest.exception_handler` and the scoring lane turn them into
the one error body of the contract (wire-api section 0).
"""
# ruff: noqa: N818 (named for what happened)

from http import HTTPStatus
from typing import Any


class MlopsError(Exception):
    """The root: something went wrong on our side."""

    status: int = 500
    code: str = "internal-error"
    retryable: bool = False
    retry_after: int = 1  # seconds, of those that are retryable

    def __init__(self, message: str = "", *, fields: str = "") -> None:
        self.message = message or HTTPStatus(self.status).phrase
        self.fields = fields
        super().__init__(self.message)

    def body(self) -> dict[str, Any]:
        """The error object, see `error_body`."""
        return error_body(self.status, self.message, type(self).__name__, fields=self.fields)


class BundleUnknown(MlopsError):
    """A compute node lacks the bundle: push it and repeat; nothing was run."""


class InvalidRequest(MlopsError):
    """The caller sent something that cannot be right; `fields` names where."""

    status = 400
    code = "invalid-request"


class NotSignedIn(MlopsError):
    """No token, or one that is expired, forged or revoked."""

    status = 401
    code = "not-signed-in"


class Forbidden(MlopsError):
    """The caller's role or ownership does not suffice."""

    status = 403
    code = "forbidden"


class NotFound(MlopsError):
    """There is no such thing, or it belongs to somebody else and must not be guessed."""

    status = 404
    code = "not-found"


class NotAcceptable(MlopsError):
    """The answer cannot be had in any of the formats that the caller takes; nothing was run."""

    status = 406
    code = "not-acceptable"


class Conflict(MlopsError):
    """It exists already."""

    status = 409
    code = "conflict"


class Gone(MlopsError):
    """It was held by a compute node that is lost."""

    status = 410
    code = "gone"


class TooLarge(MlopsError):
    """The body is larger than a setting allows."""

    status = 413
    code = "too-large"


class UnsupportedFormat(MlopsError):
    """The body is in a format that is not taken here; nothing was run."""

    status = 415
    code = "unsupported-format"


class RunFailed(MlopsError):
    """The code of a version failed, and the caller takes no result object, which would say so."""

    status = 422
    code = "run-failed"


class TooManySignIns(MlopsError):
    """Too many attempts to sign in have failed; nothing is said about this one's password."""

    status = 429
    code = "too-many-sign-ins"
    retryable = True

    def __init__(self, seconds: int) -> None:
        self.retry_after = seconds
        wait = f"{seconds} seconds" if seconds < 120 else f"{-(-seconds // 60)} minutes"
        super().__init__(f"Too many attempts to sign in have failed: try again in {wait}.")


class NodeFailure(MlopsError):
    """A compute node broke off in the middle of an answer, or answered nonsense."""

    status = 500
    code = "node-failure"


class NodeError(NodeFailure):
    """A compute node answered that it failed at this call, which may have run; the node is well."""


class LimitReached(MlopsError):
    """The caller has as many of something as a setting allows; waiting alone does not help."""

    status = 503
    code = "limit-reached"


class Busy(MlopsError):
    """No free shell, or no compute node ready; nothing was run."""

    status = 503
    code = "busy"
    retryable = True


class NodeUnreachable(Busy):
    """No connection to a compute node; nothing was sent to it.

    `is_refused` says that the machine answered and no node listens there.
    """

    code = "node-unreachable"

    def __init__(self, message: str = "", *, is_refused: bool = False) -> None:
        self.is_refused = is_refused
        super().__init__(message)


class NodeStopping(Busy):
    """A compute node is told to stop and takes no further calls; nothing was run."""

    code = "node-stopping"


class NodeUntrusted(NodeUnreachable):
    """TLS to a compute node fails, or it refuses who calls, for as long as nobody mends it.

    Nothing that was sent to it was read.
    """


class DatabaseUnavailable(MlopsError):
    """The database does not answer, or broke the query off; the log says why."""

    status = 503
    code = "database-unavailable"
    retryable = True

    def __init__(self, message: str = "") -> None:
        super().__init__(message or "The database cannot be asked at the moment; try again.")


class DirectoryUnavailable(MlopsError):
    """The directory that knows the users does not answer: nothing is said about any password."""

    status = 503
    code = "directory-unavailable"
    retryable = True

    def __init__(self, message: str = "") -> None:
        super().__init__(message or "The directory cannot be reached at the moment; try again.")


class Stopping(MlopsError):
    """This web node is told to stop and waits for the call no longer, which may have run."""

    status = 503
    code = "stopping"

    def __init__(self, message: str = "") -> None:
        super().__init__(
            message
            or "This web node is stopping and broke the call off, which may have run nevertheless."
        )


class PoolMissing(Busy):
    """A compute node has no dedicated pool for the bundle yet; nothing was run."""

    code = "pool-missing"


class NodeTimeout(MlopsError):
    """A compute node did not answer in time."""

    status = 504
    code = "node-timeout"


def error_body(
    status: int, message: str, exception_type: str, *, fields: str = ""
) -> dict[str, Any]:
    """The union of both error objects that clients know (wire-api section 0)."""
    return {
        "message": message,
        "link": "",
        "exceptionType": exception_type,
        "code": status,
        "fields": fields,
    }
