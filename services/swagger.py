"""The Swagger 2.0 document of one version, for generated clients (wire-api section 14)."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from services.models import Version

DEFAULT_OPERATION_ID = "ConsumeWebService"

_SWAGGER_TYPES = {
    "integer": "integer",
    "numeric": "number",
    "logical": "boolean",
    "character": "string",
    "vector": "object",
    "matrix": "object",
    "data.frame": "object",
}
_STRING = {"type": "string"}
_INT32 = {"type": "integer", "format": "int32"}
_STRINGS = {"type": "array", "items": _STRING}


def document(version: Version) -> dict[str, Any]:
    """The document, always made from the stored definition so that the two cannot differ."""
    name = version.service.name
    return {
        "swagger": "2.0",
        "info": {
            "description": version.description or "",
            "title": name,
            "version": version.version,
        },
        "schemes": ["http", "https"],
        "securityDefinitions": {
            "Bearer": {"type": "apiKey", "name": "Authorization", "in": "header"}
        },
        "tags": [{"name": name, "description": version.description or ""}],
        "consumes": ["application/json"],
        "produces": ["application/json"],
        "paths": {**_login_paths(), **_service_paths(version)},
        "definitions": _definitions(version),
    }


def _login_paths() -> dict[str, Any]:
    refresh_token = {
        "name": "refreshToken",
        "in": "query",
        "description": "The refresh token to revoke.",
        "required": True,
        "type": "string",
    }
    return {
        "/login": {
            "post": _operation(
                "login",
                "User",
                "Sign in.",
                [_body("loginRequest", _ref("LoginRequest"))],
                _TOKEN_RESPONSES,
            ),
        },
        "/login/refreshToken": {
            "post": _operation(
                "renewToken",
                "User",
                "Exchange a refresh token for a new pair of tokens.",
                [_body("renewTokenRequest", _ref("RenewTokenRequest"))],
                _TOKEN_RESPONSES,
            ),
            "delete": _operation(
                "revokeRefreshToken",
                "User",
                "Revoke a refresh token.",
                [refresh_token],
                _TOKEN_RESPONSES,
            ),
        },
    }


def _service_paths(version: Version) -> dict[str, Any]:
    """The calls of this version."""
    name = version.service.name
    path = f"/api/{quote(name, safe='')}/{quote(version.version, safe='')}"
    consume = _operation(
        version.operation_id or DEFAULT_OPERATION_ID,
        name,
        "Consume the web service.",
        [_body("WebServiceParameters", _ref("InputParameters"))],
        {"200": _response("The result of the call.", _ref("WebServiceResult")), **_REFUSALS},
    )
    paths = {path: {"post": consume}, **_batch_paths(name, f"{path}/batch")}
    return {
        path: {method: {**call, "security": [{"Bearer": []}]} for method, call in calls.items()}
        for path, calls in paths.items()
    }


def _batch_paths(tag: str, path: str) -> dict[str, Any]:
    execution = _in_path("executionId", _STRING)
    files = [execution, _in_path("index", _INT32)]
    file_name = _in_path("fileName", _STRING)
    inputs = {"type": "array", "items": _ref("InputParameters")}
    return {
        path: {
            "post": _operation(
                "StartBatchExecution",
                tag,
                "Run the web service on each of several inputs.",
                [
                    _body("BatchWebServiceParameters", inputs),
                    _in_query("parallelCount", "How many run at a time, at most.", _INT32),
                ],
                {
                    "202": _response(
                        "The batch has been started.", _ref("StartBatchExecutionResponse")
                    ),
                    **_REFUSALS,
                },
            ),
            "get": _operation(
                "GetBatchExecutions",
                tag,
                "The ids of the batches of this service version.",
                [],
                _answers("The ids.", _STRINGS),
            ),
        },
        f"{path}/{{executionId}}": {
            "get": _operation(
                "GetBatchExecutionStatus",
                tag,
                "How far a batch is, and its results.",
                [
                    execution,
                    _in_query(
                        "showPartialResults",
                        "Whether an unfinished batch shows the results so far.",
                        {"type": "boolean"},
                    ),
                ],
                _answers("The state of the batch.", _ref("BatchWebServiceResult")),
            ),
            "delete": _operation(
                "CancelAndDeleteBatchExecution",
                tag,
                "Stop a batch and remove its results.",
                [execution],
                _answers("The id of the batch.", _STRINGS),
            ),
        },
        f"{path}/{{executionId}}/{{index}}/files": {
            "get": _operation(
                "GetBatchExecutionFiles",
                tag,
                "The names of the files that an item of a batch returned.",
                files,
                _answers("The names.", _STRINGS),
            )
        },
        f"{path}/{{executionId}}/{{index}}/files/{{fileName}}": {
            "get": {
                **_operation(
                    "GetBatchExecutionFile",
                    tag,
                    "A file that an item of a batch returned.",
                    [*files, file_name],
                    _answers("The file.", {"type": "file"}),
                ),
                "produces": ["application/octet-stream"],
            }
        },
    }


def _definitions(version: Version) -> dict[str, Any]:
    result = {
        "success": {"type": "boolean"},
        "errorMessage": _STRING,
        "consoleOutput": _STRING,
        "changedFiles": _STRINGS,
    }
    definitions = {"InputParameters": _parameters(version.input_parameters)}
    if version.output_parameters:
        definitions["OutputParameters"] = _parameters(version.output_parameters)
        result["outputParameters"] = _ref("OutputParameters")
    if version.output_files:
        content = {"type": "string", "format": "byte"}
        result["outputFiles"] = {"type": "object", "additionalProperties": content}
    return {
        **definitions,
        "Error": _object({"code": _INT32, "message": _STRING, "fields": _STRING}),
        "WebServiceResult": _object(result),
        "StartBatchExecutionResponse": _object({"batchExecutionId": _STRING}),
        "BatchWebServiceResult": _object(
            {
                "state": {
                    "type": "string",
                    "enum": ["pending", "inProgress", "ready", "complete", "failed"],
                },
                "completedItemCount": _INT32,
                "totalItemCount": _INT32,
                "parallelCount": _INT32,
                "batchExecutionResults": {"type": "array", "items": _ref("WebServiceResult")},
            }
        ),
        "LoginRequest": _object({"username": _STRING, "password": _STRING}),
        "RenewTokenRequest": _object({"refreshToken": _STRING}),
        "AccessTokenResponse": _object(
            {
                "token_type": _STRING,
                "access_token": _STRING,
                "expires_on": _STRING,
                "refresh_token": _STRING,
            }
        ),
    }


def _parameters(parameters: list[dict[str, str]]) -> dict[str, Any]:
    return _object(
        {
            parameter["name"]: {
                "type": _SWAGGER_TYPES[parameter["type"]],
                "description": parameter["type"],
            }
            for parameter in parameters
        }
    )


def _operation(
    operation_id: str,
    tag: str,
    summary: str,
    parameters: list[dict[str, Any]],
    responses: Mapping[str, Any],
) -> dict[str, Any]:
    return {
        "tags": [tag],
        "summary": summary,
        "operationId": operation_id,
        "parameters": parameters,
        "responses": dict(responses),
    }


def _body(name: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "in": "body", "required": True, "schema": schema}


def _in_path(name: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "in": "path", "required": True, **schema}


def _in_query(name: str, description: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "in": "query", "description": description, "required": False, **schema}


def _answers(description: str, schema: dict[str, Any]) -> dict[str, Any]:
    """The one good answer, and all others."""
    return {
        "200": _response(description, schema),
        "default": _response("The call was refused.", _ref("Error")),
    }


def _response(description: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"description": description, "schema": schema}


def _object(properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": properties}


def _ref(definition: str) -> dict[str, Any]:
    return {"$ref": f"#/definitions/{definition}"}


_TOKEN_RESPONSES = _answers("A pair of tokens.", _ref("AccessTokenResponse"))
_REFUSALS = {
    "400": _response("The request cannot be right.", _ref("Error")),
    "500": _response("The call could not be carried out.", _ref("Error")),
    "default": _response("Any other failure.", _ref("Error")),
}
