"""Running a piece of code on some compute node, step by step."""

import json
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from mlops.accounts.audit import record
from mlops.accounts.models import User
from mlops.accounts.refusals import noting_refusals
from mlops.accounts.roles import Role, require_role
from mlops.errors import InvalidRequest, MlopsError
from nodes.diagnostics.steps import Step, Trace
from nodes.execution import execute
from nodes.models import Runtime
from nodes.registry import registry
from nodes.sessions import close_session, open_session
from nodes.stopwatch import routing_note

_LOGGED_CHARACTERS = 200


@noting_refusals("trace code")
def trace_code(
    *, user: User, runtime: str, code: str, on_step: Callable[[Step], None] = lambda _: None
) -> dict[str, Any]:
    """The steps of a run of `code` in a session of its own, its console output and its end.

    Raises Forbidden below Owner, InvalidRequest for another runtime. What fails on the way is part
    of the report.
    """
    require_role(user, Role.OWNER)
    if runtime not in Runtime.values:
        raise InvalidRequest(f"The runtime is {' or '.join(Runtime.values)}.", fields="runtime")
    record("trace code", user=user, object=runtime, after={"code": code[:_LOGGED_CHARACTERS]})
    trace = Trace(on_step)
    report: dict[str, Any] = {"success": False, "errorMessage": "", "consoleOutput": ""}
    session_id = ""
    try:
        with trace.step("Choose a compute node") as notes:
            considered = registry.considered(registry.picture(), runtime, "")
            notes.append(f"{len(considered)} could run it.")
        with trace.step("Create a shell, for a session") as notes:
            session = open_session(user=user, runtime=runtime)
            session_id = str(session.pk)
            notes.append(routing_note(considered, session.node))
        with trace.step("Run the code", session.node) as notes:
            report |= json.loads(execute(user=user, session_id=session_id, code=code))
            notes.append("It ran to its end." if report["success"] else "It failed.")
    except MlopsError as error:
        report["errorMessage"] = error.message
    finally:
        if session_id:
            with trace.step("Close the session"), suppress(MlopsError):
                close_session(user=user, session_id=session_id, force=True)
    return report | {"steps": [step.as_json() for step in trace.steps]}
