"""What is done on the page of an account: one form each, all sent to the page's own address."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from django.http import HttpRequest, HttpResponseBase

from mlops.accounts.models import User
from mlops.console.pages import render
from mlops.errors import Forbidden, InvalidRequest, MlopsError, NotFound, NotSignedIn


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a form was not taken, what was typed, and into which form."""

    form: str
    message: str
    fields: tuple[str, ...] = ()
    typed: Mapping[str, Any] = field(default_factory=dict)


class Show(Protocol):
    """How a page is shown."""

    def __call__(
        self,
        request: HttpRequest,
        account: User,
        *,
        problem: Problem | None = None,
        status: int = 200,
        **more: Any,
    ) -> HttpResponseBase:
        """The page of the account."""


Deed = Callable[[HttpRequest, User], HttpResponseBase]


def answer(
    request: HttpRequest, account: User, *, show: Show, deeds: Mapping[str, Deed]
) -> HttpResponseBase:
    """The page of the account, or what comes of the form that `do` names.

    What the form's action refuses is shown beside the form; secrets are typed again.
    """
    if request.method != "POST":
        return show(request, account)
    name = request.POST.get("do", "")
    if name not in deeds:
        raise InvalidRequest("This page has no such form: reload it.")
    try:
        return deeds[name](request, account)
    except (Forbidden, NotFound, NotSignedIn):
        raise
    except MlopsError as error:
        typed = {key: value for key, value in request.POST.items() if "password" not in key}
        problem = Problem(name, error.message, tuple(error.fields.split(",")), typed)
        return show(request, account, problem=problem, status=error.status)


def confirmed(request: HttpRequest) -> bool:
    """Whether the user has been asked already."""
    return request.POST.get("confirmed") == "yes"


def ask(
    request: HttpRequest,
    *,
    question: str,
    button: str,
    depends: list[str],
    back: str,
    typed_name: str = "",
) -> HttpResponseBase:
    """The page that asks before something is destroyed; the form comes again, confirmed."""
    leave_out = {"csrfmiddlewaretoken", "confirmed", "typed_name"}
    fields = [(key, value) for key, value in request.POST.items() if key not in leave_out]
    is_mistyped = confirmed(request) and typed_name
    context = {
        "question": question,
        "button": button,
        "depends": depends,
        "back": back,
        "fields": fields,
        "typed_name": typed_name,
        "problem": f"That is not {typed_name}: nothing was changed." if is_mistyped else "",
    }
    return render(
        request, "console/confirm.html", context, title=question, status=400 if is_mistyped else 200
    )
