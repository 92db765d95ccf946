"""The refusals of the compute node API, each with its HTTP status and code.

    NodeError
    ├── InvalidInput          400 invalid-input        the caller's JSON does not fit the inputs
    ├── BundleInvalid         400 bundle-invalid       digest, manifest or zip is wrong
    ├── ObjectInvalid         400 object-invalid       the interpreter cannot take the object
    ├── SnapshotInvalid       400 snapshot-invalid     the zip cannot be loaded
    ├── InvalidRequest        400 invalid-request      the web node sent something else wrong
    ├── NotAuthorized         401 not-authorized       no or a wrong cluster key
    ├── ClientRefused         403 client-refused       not the client certificate asked for
    ├── BundleUnknown         404 bundle-unknown       send it with PUT, then repeat
    ├── SessionUnknown        404 session-unknown
    ├── ObjectUnknown         404 object-unknown
    ├── FileUnknown           404 file-unknown
    ├── NotAcceptable         406 not-acceptable       no answer in a format that the caller takes
    ├── BodyStalled           408 body-stalled         its next part did not come in time
    ├── TooLarge              413 too-large
    ├── UnsupportedFormat     415 unsupported-format   the body is in no format that can be taken
    ├── RunFailed             422 run-failed           no frame came of it, no JSON is taken
    ├── SessionFailed         500 session-failed       the session's shell died under the call
    ├── CutOff                500 cut-off              the node broke it off; it may have run
    ├── Busy                  503 busy                 no free shell; nothing was run
    ├── PoolMissing           503 pool-missing         PUT the bundle's pool, then repeat
    ├── Stopping              503 stopping             the node is told to stop; nothing was run
    └── RuntimeUnavailable    503 runtime-unavailable  the language cannot run here

    ShellDied                 the interpreter ended before it answered
    └── ShellUnreached        it had ended before the request was delivered: nothing was run

    LoadFailed                the bundle could not be loaded into a shell

Failures of user code are no errors here: they are results with `success` false (results.py). Only
to a caller who takes no JSON, which alone can say so, they are `RunFailed`.
"""
# ruff: noqa: N818 (named for what happened)

from typing import Any


class NodeError(Exception):
    """The root of what the API refuses."""

    status = 500
    code = "internal-error"
    retry_after_seconds: int | None = None
    ends_connection = False  # on which the rest of a body may be on its way

    def __init__(self, message: str, *, fields: str = "") -> None:
        self.message = message
        self.fields = fields
        super().__init__(message)

    def body(self) -> dict[str, Any]:
        """The error object on the wire."""
        body = {"code": self.code, "message": self.message}
        if self.fields:
            body["fields"] = self.fields
        return body


class InvalidInput(NodeError):
    """The caller's JSON does not fit the declared inputs; `fields` names which."""

    status = 400
    code = "invalid-input"


class BundleInvalid(NodeError):
    """A bundle whose digest, manifest or zip is wrong."""

    status = 400
    code = "bundle-invalid"


class ObjectInvalid(NodeError):
    """The interpreter cannot take or give the object; the message is its own text."""

    status = 400
    code = "object-invalid"


class SnapshotInvalid(NodeError):
    """The zip cannot be loaded into the session, or the session not saved."""

    status = 400
    code = "snapshot-invalid"


class InvalidRequest(NodeError):
    """The web node sent something that cannot be right."""

    status = 400
    code = "invalid-request"


class NotAuthorized(NodeError):
    """No cluster key, or a wrong one."""

    status = 401
    code = "not-authorized"


class ClientRefused(NodeError):
    """Another client certificate than the one that is asked for, or none."""

    status = 403
    code = "client-refused"


class BundleUnknown(NodeError):
    """This node does not hold the bundle (any more)."""

    status = 404
    code = "bundle-unknown"


class SessionUnknown(NodeError):
    """There is no such session on this node."""

    status = 404
    code = "session-unknown"


class ObjectUnknown(NodeError):
    """The session has no object of that name."""

    status = 404
    code = "object-unknown"


class FileUnknown(NodeError):
    """The session's working directory has no file of that name."""

    status = 404
    code = "file-unknown"


class BodyStalled(NodeError):
    """Nothing came of the body for too long."""

    status = 408
    code = "body-stalled"
    ends_connection = True


class TooLarge(NodeError):
    """The body is larger than the node takes."""

    status = 413
    code = "too-large"


class NotAcceptable(NodeError):
    """The caller takes the answer in no format in which it can be had; nothing was run."""

    status = 406
    code = "not-acceptable"


class UnsupportedFormat(NodeError):
    """The body is in no format in which this version can be called."""

    status = 415
    code = "unsupported-format"


class RunFailed(NodeError):
    """The call was run and no data frame came of it; the message is that of the failure."""

    status = 422
    code = "run-failed"


class SessionFailed(NodeError):
    """The session's shell died under the call; the session is gone."""

    code = "session-failed"


class CutOff(NodeError):
    """The node had to break the call off, which may have run: its own end came, or its answer did
    not get its turn to be written."""

    code = "cut-off"


class Stopping(NodeError):
    """The node is told to stop and takes no further calls; nothing was run."""

    status = 503
    code = "stopping"
    retry_after_seconds = 1


class Busy(NodeError):
    """No free shell within the time a call may wait; nothing was run."""

    status = 503
    code = "busy"
    retry_after_seconds = 1


class PoolMissing(NodeError):
    """The bundle runs in a dedicated pool only, and this node has none for it; nothing was run."""

    status = 503
    code = "pool-missing"
    retry_after_seconds = 1


class RuntimeUnavailable(NodeError):
    """The language cannot run on this node; the message says what to do."""

    status = 503
    code = "runtime-unavailable"
    retry_after_seconds = 30


class ShellDied(Exception):
    """The interpreter ended before it answered; the text says how, in words for the caller."""


class ShellUnreached(ShellDied):
    """The interpreter had ended before the request was delivered: nothing was run."""


class LoadFailed(Exception):
    """The bundle could not be loaded: the text says why, `console` is what it printed."""

    def __init__(self, message: str, console: str) -> None:
        self.message = message
        self.console = console
        super().__init__(message)
