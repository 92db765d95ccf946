"""One call of a published version through a web node, step by step."""

import json
from collections.abc import Callable
from typing import Any

from mlops.accounts.audit import record
from mlops.accounts.models import User
from mlops.accounts.refusals import noting_refusals
from mlops.accounts.roles import Role, require_role
from mlops.errors import InvalidRequest, MlopsError
from nodes.background import run_sync
from nodes.connection import Response
from nodes.diagnostics.steps import Step, Trace
from nodes.stopwatch import stages_of
from services.web_node import WebNode, signed_in

_SECONDS = 600
_WAY = "Way to the web node and back"


@noting_refusals("trace service")
def trace_service(
    *,
    user: User,
    name: str,
    version: str,
    inputs: str,
    endpoint: str = "",
    token: str = "",
    on_step: Callable[[Step], None] = lambda _: None,
) -> dict[str, Any]:
    """The steps of a call of the version with the JSON `inputs`, and what it answered.

    Raises Forbidden below Owner, InvalidRequest for inputs that are no JSON object. What fails on
    the way is part of the report.
    """
    require_role(user, Role.OWNER)
    body = _body(inputs)
    record("trace service", user=user, object=f"{name}/{version}")
    trace = Trace(on_step)
    report: dict[str, Any] = {"success": False, "errorMessage": "", "consoleOutput": "", "id": ""}
    try:
        with signed_in(user, endpoint=endpoint, token=token) as web_node:
            response, milliseconds = run_sync(_call(web_node, name, version, body))
    except MlopsError as error:
        return report | {"errorMessage": error.message, "steps": []}
    for step in _steps(response, milliseconds):
        trace.add(step)
    report |= {"status": response.status, "id": response.header("CorrelationId")}
    report |= _answer(response)
    return report | {"steps": [step.as_json() for step in trace.steps]}


def _body(inputs: str) -> bytes:
    try:
        is_object = isinstance(json.loads(inputs or "{}"), dict)
    except ValueError as error:
        raise InvalidRequest(f"The inputs are no JSON: {error}.", fields="inputs") from None
    if not is_object:
        raise InvalidRequest("The inputs are a JSON object, as in {}.", fields="inputs")
    return (inputs or "{}").encode()


async def _call(web_node: WebNode, name: str, version: str, body: bytes) -> tuple[Response, float]:
    return await web_node.score(name, version, body, timing="trace", seconds=_SECONDS)


def _steps(response: Response, milliseconds: float) -> list[Step]:
    """What the client saw, and within that what the web node told."""
    correlation_id = response.header("CorrelationId")
    web = stages_of(response.header("Server-Timing")).get("web")
    if web is None:
        note = "The web node tells nobody but Owners where the time goes."
        return [Step("Call", 0, milliseconds, note, correlation_id)]
    way = max(0.0, milliseconds - web) / 2
    told = json.loads(response.header("X-Trace") or "[]")
    steps = [
        Step(_WAY, 0, way, "Half of it is drawn before, half after what the web node measured."),
        Step("Web node", way, web, f"It answered {response.status}.", correlation_id),
    ]
    steps += [
        Step(
            span["name"],
            way + span["start"] * 1000,
            span["seconds"] * 1000,
            span["note"],
            is_inner=True,
        )
        for span in told
    ]
    return [*steps, Step(_WAY, way + web, way)]


def _answer(response: Response) -> dict[str, Any]:
    try:
        answer = json.loads(response.body)
    except ValueError:
        return {"errorMessage": f"It answered {response.status} without JSON."}
    if response.status == 200:
        return {key: answer.get(key) for key in _RESULT if key in answer}
    return {"errorMessage": str(answer.get("message") or answer)}


_RESULT = ("success", "errorMessage", "outputParameters", "consoleOutput", "changedFiles")
