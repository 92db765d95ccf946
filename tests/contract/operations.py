"""The REST contract as a table: one row for each operation, nothing else is served.

What clients of Microsoft Machine Learning Server 9.3 rely on, and of its 9.0 where that differs.
The statuses of errors are all that an operation can answer: those that such clients know, and ours:
403 without a role, 413 for a body beyond the limit, 429 for who guesses passwords, 500 and 504
where a compute node is asked, and 503 everywhere: where one is asked too, and else without the
database.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from tests.contract.notation import Nullable, Type

JSON = "application/json"
BYTES = "application/octet-stream"
ZIP = "application/zip"
FORM = "multipart/form-data"

# Who may: nobody in particular, at least this role, or at least a Contributor who is the publisher
# of the version or of all versions of the service (an Owner always).
ANYBODY, READER, CONTRIBUTOR, OWNER = "anybody", "Reader", "Contributor", "Owner"
PUBLISHER, MANAGER = "publisher", "manager"


@dataclass(frozen=True)
class Operation:
    """One row."""

    method: str
    path: str
    operation_id: str
    role: str
    success: int = 200
    answer: Type = None  # None: whatever comes is no part of the contract
    answers: str = JSON  # media type
    also_answers: Sequence[str] = ()  # beyond the contract, to who asks for it
    request: Type = None
    takes: str = JSON
    query: Mapping[str, str] = field(default_factory=dict)
    errors: frozenset[int] = frozenset()  # besides those that every operation has
    is_documented: bool = True  # in our OpenAPI document

    def __str__(self) -> str:
        return f"{self.method} {self.path}"

    @property
    def statuses(self) -> set[int]:
        """Everything it can answer."""
        if self.role == ANYBODY:
            return {self.success, 503, *self.errors}
        return {self.success, 401, 403, 503, *self.errors}


def errors(*statuses: int) -> frozenset[int]:
    return frozenset(statuses)


ERROR = {
    "message": "string",
    "link": "string",
    "exceptionType": "string",
    "code": "integer",
    "fields": "string",
}

# -- tokens --------------------------------------------------------------------------------------

# The pattern by which a load test cuts the token out needs another key after it.
TOKENS = {
    "token_type": "string",
    "access_token": "string",
    "expires_in": "integer",
    "expires_on": "integer",
    "refresh_token": "string",
}

AUTHENTICATION = [
    Operation(
        "POST",
        "/login",
        "login",
        ANYBODY,
        request={"username": "string", "password": "string"},
        answer=TOKENS,
        errors=errors(401, 413, 429),
    ),
    Operation(
        "POST",
        "/login/refreshToken",
        "renewToken",
        ANYBODY,
        request={"refreshToken": "string"},
        answer=TOKENS,
        errors=errors(401, 413),
    ),
    Operation(
        "DELETE",
        "/login/refreshToken",
        "revokeRefreshToken",
        ANYBODY,
        query={"refreshToken": "string"},
        answer={"*": "any"},
        errors=errors(401),
    ),
]
REVOKE_OF_9_0 = Operation(
    "DELETE",
    "/login/refreshToken/{refreshToken}",
    "revokeRefreshTokenByPath",
    ANYBODY,
    answer={"*": "any"},
    errors=errors(401),
)

# -- services ------------------------------------------------------------------------------------

PARAMETERS = [{"name": "string", "type": "string"}]
WEB_SERVICE = {
    "creationTime": "string",
    "name": "string",
    "version": "string",
    "versionPublishedBy": "string",
    "snapshotId": "string?",
    "runtimeType": "R|Python|Realtime",
    "initCode": "string?",
    "code": "string?",
    "description": "string?",
    "operationId": "string?",
    "inputParameterDefinitions": PARAMETERS,
    "outputParameterDefinitions": PARAMETERS,
    "outputFileNames": ["string"],
    "myPermissionOnService": "string",
    "rowIndependent?": "boolean",  # of ours
}
_OPTIONAL = {
    "initCode?": "string?",
    "snapshotId?": "string?",
    "description?": "string?",
    "operationId?": "string?",
    "inputParameterDefinitions?": Nullable(PARAMETERS),
    "outputParameterDefinitions?": Nullable(PARAMETERS),
    "runtimeType?": "string?",
    "outputFileNames?": Nullable(["string"]),
    "rowIndependent?": "boolean?",  # of ours
}
PUBLISH = {"code": "string", **_OPTIONAL}
PATCH = {"code?": "string?", **_OPTIONAL}
PUBLISH_REALTIME = {"model": "bytes", "description?": "string", "operationId?": "string"}
PATCH_REALTIME = {"model?": "bytes", "description?": "string", "operationId?": "string"}
POOL_STATUS = {
    "computeNodeEndpoint": "string",
    "status": "Success|Pending|NotFound",
    "ComputeNodeEndpoint": "string",
    "Status": "Success|Pending|NotFound",
}

SERVICES = [
    Operation("GET", "/services", "getAllServices", READER, answer=[WEB_SERVICE]),
    Operation("GET", "/services/{name}", "getAllServicesByName", READER, answer=[WEB_SERVICE]),
    Operation(
        "GET",
        "/services/{name}/{version}",
        "getAllServicesByNameAndVersion",
        READER,
        answer=[WEB_SERVICE],
        errors=errors(404),
    ),
    Operation(
        "POST",
        "/services/{name}",
        "publishWebService",
        CONTRIBUTOR,
        request=PUBLISH,
        success=201,
        answer="string",
        errors=errors(400, 409, 413),
    ),
    Operation(
        "POST",
        "/services/{name}/{version}",
        "publishWebServiceVersion",
        CONTRIBUTOR,
        request=PUBLISH,
        success=201,
        answer="string",
        errors=errors(400, 409, 413),
    ),
    Operation(
        "PATCH",
        "/services/{name}/{version}",
        "patchWebServiceVersion",
        PUBLISHER,
        request=PATCH,
        answer="string",
        errors=errors(400, 404, 413),
    ),
    Operation(
        "DELETE",
        "/services/{name}/{version}",
        "deleteWebServiceVersion",
        PUBLISHER,
        errors=errors(404),
    ),
    Operation(
        "POST",
        "/realtime-services/{name}",
        "publishRealtimeWebService",
        CONTRIBUTOR,
        takes=FORM,
        request=PUBLISH_REALTIME,
        success=201,
        answer="string",
        errors=errors(400, 409, 413, 503),
    ),
    Operation(
        "POST",
        "/realtime-services/{name}/{version}",
        "publishRealtimeWebServiceVersion",
        CONTRIBUTOR,
        takes=FORM,
        request=PUBLISH_REALTIME,
        success=201,
        answer="string",
        errors=errors(400, 409, 413, 503),
    ),
    Operation(
        "PATCH",
        "/realtime-services/{name}/{version}",
        "patchRealtimeWebServiceVersion",
        PUBLISHER,
        takes=FORM,
        request=PATCH_REALTIME,
        answer="string",
        errors=errors(400, 404, 413, 503),
    ),
    Operation(
        "POST",
        "/services/{name}/{version}/pool",
        "createOrUpdateServicePool",
        PUBLISHER,
        request={"InitialPoolSize?": "integer", "MaxPoolSize?": "integer"},
        answer="string",
        errors=errors(400, 404, 413),
    ),
    Operation(
        "GET",
        "/services/{name}/{version}/pool",
        "getServicePoolStatus",
        READER,
        answer=[POOL_STATUS],
        errors=errors(404),
    ),
    Operation(
        "DELETE",
        "/services/{name}/{version}/pool",
        "deleteServicePool",
        PUBLISHER,
        answer="string",
        errors=errors(400, 404),
    ),
]

# -- consumption ---------------------------------------------------------------------------------

SWAGGER = Operation(
    "GET",
    "/api/{name}/{version}/swagger.json",
    "getWebServiceSwagger",
    READER,
    answer={"*": "any"},
    errors=errors(404),
)
RESULT = {
    "success": "boolean",
    "errorMessage": "string",
    "consoleOutput": "string",
    "changedFiles": ["string"],
    "outputParameters": {"*": "any"},
    "outputFiles": {"*": "string"},
}
_BATCH = "/api/{name}/{version}/batch"

CONSUMPTION = [
    Operation(
        "POST",
        "/api/{name}/{version}",
        "consumeWebService",
        READER,
        request={"*": "any"},
        answer=RESULT,
        also_answers=["text/csv", "application/vnd.apache.arrow.stream"],
        errors=errors(400, 404, 406, 413, 415, 422, 500, 503, 504),
    ),
    Operation(
        "POST",
        _BATCH,
        "startBatchExecution",
        READER,
        query={"parallelCount?": "integer"},
        request=[{"*": "any"}],
        success=202,
        answer={
            "name": "string",
            "version": "string",
            "batchExecutionId": "string",
            "BatchExecutionId": "string",
        },
        errors=errors(400, 404, 413),
    ),
    Operation("GET", _BATCH, "getBatchExecutions", READER, answer=["string"], errors=errors(404)),
    Operation(
        "GET",
        f"{_BATCH}/{{executionId}}",
        "getBatchExecutionStatus",
        READER,
        query={"showPartialResult?": "boolean", "showPartialResults?": "boolean"},
        answer={
            "state": "Pending|Ready|InProgress|Complete|Failed",
            "completedItemCount": "integer",
            "totalItemCount": "integer",
            "parallelCount": "integer",
            "batchExecutionResults": [Nullable(RESULT)],
        },
        errors=errors(400, 404),
    ),
    Operation(
        "DELETE",
        f"{_BATCH}/{{executionId}}",
        "cancelAndDeleteBatchExecution",
        READER,
        answer=["string"],
        errors=errors(404),
    ),
    Operation(
        "GET",
        f"{_BATCH}/{{executionId}}/{{index}}/files",
        "getBatchExecutionFiles",
        READER,
        answer=["string"],
        errors=errors(400, 404),
    ),
    Operation(
        "GET",
        f"{_BATCH}/{{executionId}}/{{index}}/files/{{fileName}}",
        "getBatchExecutionFile",
        READER,
        answers=BYTES,
        answer="bytes",
        errors=errors(400, 404),
    ),
]

# -- sessions ------------------------------------------------------------------------------------

_ID = "/sessions/{id}"
_NODE = {500, 503, 504}
_HELD = errors(404, 410, *_NODE)  # everything that asks the node which holds the session

SESSIONS = [
    Operation(
        "POST",
        "/sessions",
        "createSession",
        READER,
        request={"name?": "string?", "snapshotId?": "string?", "runtimeType?": "R|Python?"},
        success=201,
        answer={"sessionId": "string"},
        errors=errors(400, 404, 413, *_NODE),
    ),
    Operation(
        "GET",
        "/sessions",
        "listSessions",
        READER,
        answer=[{"id": "string", "name": "string", "owner": "string", "runtimeType": "string"}],
    ),
    Operation(
        "POST",
        f"{_ID}/execute",
        "executeCode",
        READER,
        request={
            "code": "string",
            "inputParameters?": Nullable([{"name": "string", "value": "any"}]),
            "outputParameters?": Nullable(["string"]),
        },
        answer={
            "success": "boolean",
            "errorMessage": "string",
            "outputParameters": [{"name": "string", "value": "any"}],
            "consoleOutput": "string",
            "changedFiles": ["string"],
        },
        errors=_HELD | {400, 413},
    ),
    Operation(
        "GET",
        f"{_ID}/console-output",
        "getSessionConsoleOutput",
        READER,
        answer={"consoleOutput": "string"},
        errors=_HELD,
    ),
    Operation(
        "GET", f"{_ID}/history", "getSessionHistory", READER, answer=["string"], errors=_HELD
    ),
    Operation("POST", f"{_ID}/cancel", "cancelSession", READER, answer="string", errors=_HELD),
    Operation("DELETE", _ID, "closeSession", READER, answer="string", errors=_HELD),
    Operation("DELETE", f"{_ID}/force", "closeSessionForce", READER, answer="string", errors=_HELD),
    Operation(
        "POST",
        f"{_ID}/files",
        "uploadSessionFile",
        READER,
        takes=FORM,
        request={"file": "bytes"},
        success=201,
        errors=_HELD | {400, 413},
    ),
    Operation("GET", f"{_ID}/files", "listSessionFiles", READER, answer=["string"], errors=_HELD),
    Operation(
        "GET",
        f"{_ID}/files/{{fileName}}",
        "getSessionFile",
        READER,
        answers=BYTES,
        answer="bytes",
        errors=_HELD | {400},
    ),
    Operation(
        "DELETE",
        f"{_ID}/files/{{fileName}}",
        "deleteSessionFile",
        READER,
        errors=_HELD | {400},
    ),
    Operation("GET", f"{_ID}/workspace", "listWorkspace", READER, answer=["string"], errors=_HELD),
    Operation(
        "POST",
        f"{_ID}/workspace/{{objectName}}",
        "createWorkspaceObject",
        READER,
        takes=BYTES,
        request="bytes",
        errors=_HELD | {400, 413},
    ),
    Operation(
        "GET",
        f"{_ID}/workspace/{{objectName}}",
        "getWorkspaceObject",
        READER,
        answers=BYTES,
        answer="bytes",
        errors=_HELD | {400},
    ),
    Operation(
        "DELETE",
        f"{_ID}/workspace/{{objectName}}",
        "deleteWorkspaceObject",
        READER,
        errors=_HELD | {400},
    ),
    Operation(
        "POST",
        f"{_ID}/snapshot",
        "createSnapshot",
        READER,
        request={"name?": "string?"},
        success=201,
        answer={"snapshotId": "string"},
        errors=_HELD | {400, 413},
    ),
    Operation(
        "POST",
        f"{_ID}/loadsnapshot/{{snapshotId}}",
        "loadSnapshot",
        READER,
        errors=_HELD | {400, 413},
    ),
]

# -- snapshots -----------------------------------------------------------------------------------

SNAPSHOTS = [
    Operation(
        "GET",
        "/snapshots",
        "listSnapshots",
        READER,
        answer=[
            {
                "id": "string",
                "name": "string",
                "owner": "string",
                "creationTime": "string",
                "contentSize": "integer",
            }
        ],
    ),
    Operation(
        "GET",
        "/snapshots/{id}",
        "getSnapshot",
        READER,
        answers=ZIP,
        answer="bytes",
        errors=errors(404),
    ),
    Operation(
        "DELETE", "/snapshots/{id}", "deleteSnapshot", READER, answer="string", errors=errors(404)
    ),
]

# -- administration ------------------------------------------------------------------------------

_ENTRIES = {"entries": ["string"]}

STATUS = Operation(
    "GET",
    "/status",
    "getStatus",
    READER,
    answer={
        "statusCode": "pass|warn|fail",
        "details": {"*": "any"},
        "components": Nullable({"*": "^"}),
    },
    errors=errors(500),
)
COMPUTE_NODES = [
    Operation(
        "GET", "/computenodes", "getComputeNodes", READER, answer={"computeNodes": ["string"]}
    ),
    *(
        Operation(
            method,
            "/computenodes",
            operation_id,
            OWNER,
            request=_ENTRIES,
            errors=errors(400, 413),
        )
        for method, operation_id in (
            ("POST", "replaceComputeNodes"),
            ("PUT", "addComputeNodes"),
            ("DELETE", "removeComputeNodes"),
        )
    ),
]
# Beyond the original: what becomes of nodes.
NODE_STATES = [
    Operation(
        "GET",
        "/computenodes/states",
        "getComputeNodeStates",
        READER,
        answer={
            "computeNodes": [
                {
                    "uri": "string",
                    "state": "unknown|ready|degraded|draining|down",
                    "reason": "string",
                    "since": "string?",
                    "note": "string",
                    "drainedBy": "string?",
                    "lastSeen": "string?",
                    "version": "string",
                    "apiVersion": "string",
                    "isolation": "string",
                    "latency": "number?",
                    "latencies": ["number"],
                    "processors": "number?",
                    "calls": "integer",
                    "sessions": "integer",
                }
            ]
        },
    ),
    *(
        Operation(
            "POST",
            f"/computenodes/{word}",
            f"{word}ComputeNodes",
            OWNER,
            request=_ENTRIES,
            errors=errors(400, 413),
        )
        for word in ("drain", "resume")
    ),
]
# Beyond the original: who may consume and manage a service.
_GRANTS = [{"right": "string", "kind": "string", "name": "string"}]
GRANTS = [
    Operation(
        method,
        "/grants/{name}",
        operation_id,
        MANAGER,
        request=request,
        answer={"name": "string", "grants": _GRANTS, "revision": "string"},
        errors=errors(*refused),
    )
    for method, operation_id, request, refused in (
        ("GET", "getGrants", None, [404]),
        (
            "PUT",
            "setGrants",
            {"grants": _GRANTS, "revision?": "string?"},
            [400, 404, 409, 413],
        ),
        ("DELETE", "clearGrants", None, [400, 404]),
    )
]
# Beyond the original: how applications come.
_API_KEY = {
    "id": "string",
    "name": "string",
    "account": "string",
    "services": Nullable(["string"]),
    "creationTime": "string",
    "expiryTime": "string",
    "lastUseTime": "string?",
}
_SERVICE_ACCOUNT = {
    "name": "string",
    "role": "string",
    "description": "string",
    "creationTime": "string",
}
API_KEYS = [
    Operation("GET", "/apikeys", "getApiKeys", READER, answer=[_API_KEY]),
    Operation(
        "POST",
        "/apikeys",
        "createApiKey",
        READER,
        request={
            "name": "string",
            "account?": "string",
            "services?": Nullable(["string"]),
            "days?": "integer",
        },
        success=201,
        answer={**_API_KEY, "key": "string"},
        errors=errors(400, 404, 413),
    ),
    Operation(
        "DELETE", "/apikeys/{keyId}", "revokeApiKey", READER, answer="string", errors=errors(404)
    ),
]
SERVICE_ACCOUNTS = [
    Operation("GET", "/serviceaccounts", "getServiceAccounts", OWNER, answer=[_SERVICE_ACCOUNT]),
    Operation(
        "POST",
        "/serviceaccounts",
        "createServiceAccount",
        OWNER,
        request={
            "name": "string",
            "role": "Reader|Contributor|Owner",
            "description?": "string",
        },
        success=201,
        answer=_SERVICE_ACCOUNT,
        errors=errors(400, 409, 413),
    ),
    Operation(
        "DELETE",
        "/serviceaccounts/{username}",
        "removeServiceAccount",
        OWNER,
        answer="string",
        errors=errors(404),
    ),
]
AUDIT = Operation(
    "GET",
    "/audit",
    "getAuditTrail",
    OWNER,
    query={
        "user?": "string",
        "action?": "string",
        "object?": "string",
        "outcome?": "success|refused",
        "from?": "string",
        "to?": "string",
        "before?": "integer",
        "limit?": "integer",
    },
    answer={
        "entries": [
            {
                "id": "integer",
                "at": "string",
                "user": "string",
                "action": "string",
                "object": "string",
                "outcome": "success|refused",
                "reason": "string",
                "before": "any?",
                "after": "any?",
                "address": "string",
                "loginSessionId": "string",
                "correlationId": "string",
            }
        ],
        "next": "integer?",
    },
    also_answers=["text/csv"],
    errors=errors(400),
)
PING = Operation(
    "GET", "/ping", "", ANYBODY, answers="text/plain", answer="string", is_documented=False
)

CORE = [
    *AUTHENTICATION,
    *SERVICES,
    SWAGGER,
    *SESSIONS,
    *SNAPSHOTS,
    STATUS,
    *COMPUTE_NODES,
]
OPERATIONS = [
    *CORE,
    *CONSUMPTION,
    REVOKE_OF_9_0,
    *NODE_STATES,
    *API_KEYS,
    *SERVICE_ACCOUNTS,
    *GRANTS,
    AUDIT,
    PING,
]
DOCUMENTED = [row for row in OPERATIONS if row.is_documented]
