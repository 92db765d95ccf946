"""Where publishing begins: with nothing, with one's drafts, or with a version that exists."""

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.views.decorators.http import require_POST

from mlops.accounts.roles import Role
from mlops.console.pages import page, render, user_of
from mlops.errors import MlopsError
from services.drafts.basing import base_version, begin_from, split_source
from services.drafts.keeping import begin_draft, discard_draft, drafts_of
from services.models import Draft

KINDS = [
    {
        "value": "Python",
        "title": "Python",
        "icon": "code",
        "text": "A script or a function that you type or upload, with its model files.",
    },
    {
        "value": "R",
        "title": "R",
        "icon": "function",
        "text": "An R script with its data and models.",
    },
    {
        "value": "Realtime",
        "title": "Model file",
        "icon": "deployed_code",
        "text": "ONNX, scikit-learn, R or MLflow: what calls it is written for you.",
    },
]


@page("publish/", name="publish", role=Role.CONTRIBUTOR, posts=Role.CONTRIBUTOR)
def publish(request: HttpRequest) -> HttpResponse:
    """What to publish, and one's drafts; `?from=name/version` starts from a version."""
    source = request.POST.get("from", "") or request.GET.get("from", "")
    problem, status = "", 200
    if request.method == "POST":
        try:
            return _to(_begin(request, source))
        except MlopsError as error:
            problem, status = error.message, error.status
    user = user_of(request)
    if source:
        return start_page(request, *split_source(source), is_edit=False, problem=problem)
    context = {"kinds": KINDS, "drafts": drafts_of(user), "problem": problem}
    return render(request, "services/publish/choose.html", context, title="Publish", status=status)


@page(
    "edit/<str:name>/<str:version>/",
    name="edit_version",
    role=Role.CONTRIBUTOR,
    posts=Role.CONTRIBUTOR,
)
def edit(request: HttpRequest, name: str, version: str) -> HttpResponse:
    """A published version to change in place."""
    problem = ""
    if request.method == "POST":
        try:
            return _to(begin_from(user=user_of(request), name=name, version=version, is_edit=True))
        except MlopsError as error:
            problem = error.message
    return start_page(request, name, version, is_edit=True, problem=problem)


@page(
    "publish/<uuid:draft_id>/discard/",
    name="discard_draft",
    role=Role.CONTRIBUTOR,
    posts=Role.CONTRIBUTOR,
)
@require_POST
def discard(request: HttpRequest, draft_id: str) -> HttpResponse:
    """The draft is no more."""
    discard_draft(user=user_of(request), draft_id=draft_id)
    return HttpResponseRedirect(reverse("console:publish"))


def start_page(
    request: HttpRequest, name: str, version: str, *, is_edit: bool, problem: str
) -> HttpResponse:
    """The page that says what is about to be started from a version."""
    found = base_version(user=user_of(request), name=name, version=version)
    title = f"Change {found}" if is_edit else f"New version of {name}"
    context = {
        "version": found,
        "source": f"{name}/{version}",
        "is_edit": is_edit,
        "problem": problem,
    }
    return render(request, "services/publish/start.html", context, title=title)


def _begin(request: HttpRequest, source: str) -> Draft:
    user = user_of(request)
    if source:
        name, version = split_source(source)
        return begin_from(user=user, name=name, version=version, is_edit=False)
    return begin_draft(user=user, kind=request.POST.get("kind", ""))


def _to(draft: Draft) -> HttpResponse:
    return HttpResponseRedirect(reverse("console:draft", args=[draft.pk]))
