"""Changes that were refused for want of permission, in the audit trail.

Actions raise Forbidden, which undoes their transaction; it is noted outside of that. REST views
refuse for want of a role before they call an action: those that change something say in `audits`
which action each of their methods is.
"""

from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any, ParamSpec, TypeVar

from django.core.exceptions import PermissionDenied
from rest_framework import exceptions

from mlops.accounts.audit import REFUSED, record
from mlops.errors import Forbidden

_P = ParamSpec("_P")
_T = TypeVar("_T")


def noting_refusals(action: str) -> Callable[[Callable[_P, _T]], Callable[_P, _T]]:
    """Have the audit trail name `action` when what is decorated raises Forbidden.

    That takes keyword arguments only, one of which is `user`.
    """

    def decorate(function: Callable[_P, _T]) -> Callable[_P, _T]:
        @wraps(function)
        def noting(*args: _P.args, **named: _P.kwargs) -> _T:
            try:
                return function(*args, **named)
            except Forbidden as error:
                _note(error, action, named["user"], named)
                raise

        return noting

    return decorate


def note_refusal(error: Exception, context: Mapping[str, Any]) -> None:
    """Note that a REST view raised `error`, if that refuses a change and no action has noted it."""
    if not isinstance(error, Forbidden | exceptions.PermissionDenied | PermissionDenied):
        return
    view, request = context["view"], context["request"]
    action = getattr(view, "audits", {}).get(request.method)
    if action:
        username = getattr(error, "username", "") or request.user.get_username()
        _note(error, action, username, view.kwargs)


def _note(error: Exception, action: str, user: Any, named: Mapping[str, Any]) -> None:
    if getattr(error, "is_noted", False):
        return
    error.is_noted = True  # type: ignore[attr-defined]
    record(action, user=user, object=object_of(named), outcome=REFUSED, reason=str(error))


def object_of(named: Mapping[str, Any]) -> str:
    """What a call is about, by the names of its arguments or of the parts of its path."""
    if entries := named.get("entries"):
        return ", ".join(entries)
    version = "/".join(str(named[one]) for one in ("name", "version") if named.get(one))
    things = {
        "batch_id": "batch",
        "execution_id": "batch",
        "session_id": "session",
        "snapshot_id": "snapshot",
    }
    others = [f"{things[one]} {value}" for one, value in named.items() if one in things and value]
    return " ".join([version, *others]).strip() or str(named.get("username", ""))
