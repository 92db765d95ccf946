"""Starting a batch from a table: choose a version, paste rows or upload a file, look, start."""

import hashlib
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponseBase, HttpResponseRedirect

from mlops.accounts.roles import Role
from mlops.accounts.token_cache import Caller
from mlops.console.api_calls import ApiCall
from mlops.console.pages import caller_of, is_fragment, page, render
from mlops.csv_text import csv_lines
from mlops.errors import InvalidRequest, MlopsError, TooLarge
from services.actions.lookup import version_to_consume
from services.actions.start_batch import DEFAULT_PARALLEL_COUNT
from services.batches.tables import read_table
from services.console.batch_storing import start_soon
from services.examples import example_inputs
from services.models import Version
from services.permissions import consumable

VERSIONS_OFFERED = 500
PREVIEWED_LETTERS = 100_000
_CARRIED_LETTERS = 1_000_000  # of a file, which without scripts is shown for a second look
_MOST_FILE_BYTES = 64 * 1024 * 1024


@page("batch/start/", name="batch_start", posts=Role.READER)
def start(request: HttpRequest) -> HttpResponseBase:
    """The form; without scripts the first push of the button shows what was understood."""
    given = request.POST if request.method == "POST" else request.GET
    chosen = given.get("version", "").strip()
    text, problem = "", ""
    try:
        text = _text(request)
    except MlopsError as error:
        problem = error.message
    context: dict[str, Any] = {
        "chosen": chosen,
        "text": text,
        "parallel_count": given.get("parallel_count", str(DEFAULT_PARALLEL_COUNT)),
        "most_parallel": settings.MAX_THREADS_PER_BATCH,
        "max_items": settings.BATCH_MAX_ITEMS,
    }
    status = 200
    try:
        version = _version(caller_of(request), chosen) if chosen else None
        context |= {"version": version, "sample": _sample(version) if version else ""}
        if problem:
            raise InvalidRequest(problem)
        if request.method == "POST":
            if version is None:
                raise InvalidRequest("Choose a version first.", fields="version")
            head = _head(text)
            seen = request.POST.get("previewed") == _digest(chosen, head)
            is_large = len(text) > _CARRIED_LETTERS  # too much to be sent a second time
            if not is_fragment(request) and (seen or is_large):
                return HttpResponseRedirect(_start(request, version, text))
            context |= _preview(version, head, is_partial=len(head) < len(text))
            context["previewed"] = _digest(chosen, head)
    except MlopsError as error:
        status = error.status
        context["problem"] = error.message
    if is_fragment(request):
        return render(request, "services/batch_preview.html", context, title="Preview")
    context["call"] = _call(request, context.get("version"))
    context["versions"] = _offered(caller_of(request))
    title = "Start a batch"
    return render(request, "services/batch_start.html", context, title=title, status=status)


def _start(request: HttpRequest, version: Version, text: str) -> str:
    try:
        count = int(request.POST.get("parallel_count") or DEFAULT_PARALLEL_COUNT)
    except ValueError:
        raise InvalidRequest("Items at a time must be a whole number.") from None
    if count < 1:
        raise InvalidRequest("At least one item must run at a time.")
    return start_soon(
        request, version, text, parallel_count=count, max_items=settings.BATCH_MAX_ITEMS
    )


def _preview(version: Version, head: str, *, is_partial: bool) -> dict[str, Any]:
    """What was understood of the first rows; raises InvalidRequest for rows that do not fit."""
    if is_partial and head.lstrip().startswith("["):
        return {"is_partial": True}  # part of an array is no JSON
    declared = [(each["name"], each["type"]) for each in version.input_parameters]
    table = read_table(head, declared, max_items=settings.BATCH_MAX_ITEMS)
    return {"table": table, "is_partial": is_partial}


def _head(text: str) -> str:
    """The whole rows of the text that are looked at before it is started."""
    if len(text) <= PREVIEWED_LETTERS:
        return text
    return text[:PREVIEWED_LETTERS].rpartition("\n")[0]


def _text(request: HttpRequest) -> str:
    """The rows: of the file if there is one, else what was typed."""
    upload = request.FILES.get("file") if request.method == "POST" else None
    if upload is None:
        text = request.POST.get("rows", "")
    elif (upload.size or 0) > _MOST_FILE_BYTES:
        raise TooLarge("Files of more than 64 MiB go over the REST API.")
    else:
        try:
            # A page asks about the first part of the file, which may end within a character.
            errors = "ignore" if is_fragment(request) else "strict"
            text = upload.read().decode("utf-8-sig", errors)
        except UnicodeDecodeError:
            raise InvalidRequest("The file is not UTF-8 text: save it as CSV in UTF-8.") from None
    # Browsers send the ends of lines in a field so.
    return str(text).replace("\r\n", "\n")


def _version(caller: Caller, text: str) -> Version:
    name, _, version = text.rpartition("/")
    return version_to_consume(caller=caller, name=name, version=version)


def _digest(chosen: str, text: str) -> str:
    """What tells that the rows are those that were looked at."""
    return hashlib.sha256(f"{chosen}\n{text}".encode(errors="replace")).hexdigest()


def _offered(caller: Caller) -> list[str]:
    versions = consumable(Version.objects.all(), caller).select_related("service")
    newest = versions.order_by("-created_at", "-pk")[:VERSIONS_OFFERED]
    return [f"{each.service.name}/{each.version}" for each in newest]


def _sample(version: Version) -> str:
    """A header and a row that fit the version."""
    values = example_inputs(version.input_parameters, version.example)
    frames = [each["name"] for each in version.input_parameters if each["type"] == "data.frame"]
    if len(frames) == 1:
        values |= _first_row(values.pop(frames[0]))
    return csv_lines([list(values), list(values.values())]).decode().replace("\r\n", "\n")


def _first_row(frame: Any) -> dict[str, Any]:
    """The first row of an example of a data frame, of either form."""
    if isinstance(frame, list):
        return dict(frame[0]) if frame and isinstance(frame[0], dict) else {}
    if not isinstance(frame, dict):
        return {}
    return {
        name: column[0] if isinstance(column, list) and column else column
        for name, column in frame.items()
    }


def _call(request: HttpRequest, version: Version | None) -> ApiCall | None:
    if version is None:
        return None
    path = f"/api/{version.name}/{version.version}/batch"
    body = [example_inputs(version.input_parameters, version.example)]
    return ApiCall(request.build_absolute_uri("/"), "POST", path, body)
