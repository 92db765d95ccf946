"""The command palette: what a few letters may mean, for who types them.

Each app registers functions that find its things; they are asked anew each time, so that nobody is
ever shown what was found for somebody else. What may be found is bounded, and so is the time.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import islice

from django.http import HttpRequest
from django.urls import NoReverseMatch, reverse

from mlops.accounts.roles import Role, role_of
from mlops.console.pages import user_of
from mlops.console.site import site

MAX_OF_ONE = 8  # of one kind
MAX_TEXT_LENGTH = 100

PAGES, JOBS = "Pages", "Do"


@dataclass(frozen=True, slots=True)
class SearchResult:
    """Something that the text may mean, and where it leads."""

    title: str
    description: str
    link: str
    icon: str
    # What the script of the palette does instead of following the link.
    does: str = ""


Provider = Callable[[HttpRequest, str], Iterable[SearchResult]]

_providers: dict[str, Provider] = {}


def provider(kind: str) -> Callable[[Provider], Provider]:
    """Register a function that finds things of this kind, the best first, for a text in lower case.

    It yields only what the user of the request may see; no more than MAX_OF_ONE are taken.
    """

    def register(function: Provider) -> Provider:
        _providers[kind] = function
        return function

    return register


@dataclass(frozen=True, slots=True)
class Job:
    """Something that people do, found by its words; for who has the role."""

    title: str
    description: str
    icon: str
    route: str  # the name of the page where it is done
    role: Callable[[], Role] = lambda: Role.READER
    words: str = ""  # others by which it is looked for


_jobs: list[Job] = []


def add_jobs(*jobs: Job) -> None:
    """Have the palette know these jobs."""
    _jobs.extend(jobs)


def found(request: HttpRequest, text: str) -> dict[str, list[SearchResult]]:
    """What the text may mean, by kind; without a text the pages and what can be done."""
    text = " ".join(text.lower().split())[:MAX_TEXT_LENGTH]
    kinds = {PAGES: _pages(request, text), JOBS: _to_do(request, text)}
    if text.isprintable() and text:
        kinds |= {kind: find(request, text) for kind, find in sorted(_providers.items())}
    results = {kind: list(islice(each, _most(kind, text))) for kind, each in kinds.items()}
    return {kind: some for kind, some in results.items() if some}


def fits(text: str, *names: str) -> bool:
    """Whether every word of the text begins a word of the names."""
    words = " ".join(names).lower().split()
    return all(any(word.startswith(each) for word in words) for each in text.split())


def address_of(route: str, *arguments: object) -> str:
    """Where the console's page of this name is; empty when there is none."""
    try:
        return reverse(f"console:{route}", args=arguments)
    except NoReverseMatch:
        return ""


def _most(kind: str, text: str) -> int:
    return MAX_OF_ONE if text and kind != PAGES else 4 * MAX_OF_ONE


def _pages(request: HttpRequest, text: str) -> Iterable[SearchResult]:
    """The pages of the navigation that the user may see."""
    for group in site.get_sidebar_list(request):
        for item in group["items"]:
            if item["has_permission"] and fits(text, item["title"]):
                yield SearchResult(item["title"], "Page", str(item["link"]), item["icon"])
    if fits(text, "My account API keys password"):
        yield SearchResult("My account", "Page", reverse("console:account"), "account_circle")


def _to_do(request: HttpRequest, text: str) -> Iterable[SearchResult]:
    role = role_of(user_of(request))
    for job in _jobs:
        may = role is not None and role >= job.role()
        if may and fits(text, job.title, job.words) and (address := address_of(job.route)):
            yield SearchResult(job.title, job.description, address, job.icon)
    for result, words in _EVERYBODY_S:
        if fits(text, result.title, words):
            yield result


_EVERYBODY_S = [
    (SearchResult("Light theme", "Appearance", "", "light_mode", "theme:light"), "mode bright"),
    (SearchResult("Dark theme", "Appearance", "", "dark_mode", "theme:dark"), "mode night"),
    (SearchResult("Theme of the system", "Appearance", "", "computer", "theme:auto"), "mode"),
    (SearchResult("Sign out", "Ends this session", "", "logout", "sign-out"), "log out logout"),
]
