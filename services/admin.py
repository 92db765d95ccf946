"""Published services on the console."""

from typing import Any, cast

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from unfold.decorators import display

import services.console.batch_list
import services.console.batch_page
import services.console.batch_start
import services.console.batch_storing
import services.console.capacity
import services.console.diagnostics
import services.console.node_pages
import services.console.publish.choosing
import services.console.publish.drafting
import services.console.publish.finishing
import services.console.uploads  # noqa: F401 - their pages
from mlops.accounts.models import User
from mlops.accounts.token_cache import Caller
from mlops.console.read_only import ReadOnlyAdmin
from mlops.console.shown import relative_time
from mlops.console.site import site
from services.console import commands as commands
from services.console import dashboard as dashboard
from services.grants import CONSUME, MANAGE, Grant
from services.models import Service, Version, VersionQuerySet
from services.permissions import consumable, may_govern, may_write

_COLOURS = {"Python": "info", "R": "primary", "Realtime": "success"}


@admin.register(Version, site=site)
class VersionAdmin(ReadOnlyAdmin):
    """Every version of every service, the newest first; its code for those who may change it."""

    list_display = ("name", "version", "type_label", "published_by", "created", "summary")
    list_display_links = ("name", "version")
    list_select_related = ("service",)
    list_filter = ("runtime_type",)
    search_fields = ("service__name", "version", "published_by", "description")
    ordering = ("-created_at", "-id")
    empty_hint = (
        "Publish a folder that holds a service.toml and your code, or publish from R or Python."
    )
    empty_command = "python manage.py publish path/to/folder"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Version]:
        """The versions that the user may consume; others are as good as not there."""
        versions: VersionQuerySet = super().get_queryset(request)
        return consumable(versions, _caller(request))

    def get_fieldsets(self, request: HttpRequest, obj: Version | None = None) -> Any:
        """The page of a version: its code is only there for those who may change it."""
        about = ("name", "version", "type_label", "published_by", "created", "updated")
        interface = ("description", "alias", "inputs", "outputs", "files")
        sections: list[Any] = [
            (None, {"fields": about}),
            ("Interface", {"fields": interface}),
        ]
        if obj is not None and may_govern(obj.service, _caller(request)):
            sections.append(("Grants of the service", {"fields": ("consumers", "managers")}))
        if obj is not None and obj.code is not None and may_write(obj, _caller(request)):
            sections.append(("Code", {"fields": ("init_code_text", "code_text")}))
        return sections

    def get_readonly_fields(self, request: HttpRequest, obj: Version | None = None) -> Any:
        """All that the page shows."""
        return [
            name for _, section in self.get_fieldsets(request, obj) for name in section["fields"]
        ]

    @admin.display(description="Service", ordering="service__name")
    def name(self, version: Version) -> str:
        """The service's name."""
        return version.service.name

    @display(description="Type", ordering="runtime_type", label=_COLOURS)  # type: ignore[untyped-decorator]
    def type_label(self, version: Version) -> str:
        """R, Python or Realtime, coloured."""
        return version.runtime_type

    @admin.display(description="Published", ordering="created_at")
    def created(self, version: Version) -> SafeString | str:
        """When it was first published."""
        return relative_time(version.created_at)

    @admin.display(description="Last changed", ordering="updated_at")
    def updated(self, version: Version) -> SafeString | str:
        """When it was last published or patched."""
        return relative_time(version.updated_at)

    @admin.display(description="Description", ordering="description")
    def summary(self, version: Version) -> str:
        """The first line of its description."""
        lines = (version.description or "").strip().splitlines()
        return lines[0] if lines else ""

    @admin.display(description="Alias")
    def alias(self, version: Version) -> str | None:
        """The name that generated clients give to the call."""
        return version.operation_id

    @admin.display(description="Inputs")
    def inputs(self, version: Version) -> SafeString:
        """Names and types of its inputs, in order."""
        return _parameters(version.input_parameters)

    @admin.display(description="Outputs")
    def outputs(self, version: Version) -> SafeString:
        """Names and types of its outputs, in order."""
        return _parameters(version.output_parameters)

    @admin.display(description="Output files")
    def files(self, version: Version) -> str:
        """The files that callers get back."""
        return ", ".join(version.output_files)

    @admin.display(description="Who may consume it")
    def consumers(self, version: Version) -> SafeString | str:
        """Whom its grants to consume name."""
        return _grants(version.service, CONSUME) or "everybody with a role"

    @admin.display(description="Who may manage it")
    def managers(self, version: Version) -> SafeString | str:
        """Whom its grants to manage name."""
        return _grants(version.service, MANAGE) or "each publisher their own versions"

    @admin.display(description="Init code")
    def init_code_text(self, version: Version) -> SafeString | str:
        """What runs before each call."""
        return _code(version.init_code)

    @admin.display(description="Code")
    def code_text(self, version: Version) -> SafeString | str:
        """What each call runs."""
        return _code(version.code)


def _parameters(definitions: list[dict[str, str]]) -> SafeString:
    rows = ((one["name"], one["type"]) for one in definitions)
    return format_html_join("", '<div><code class="font-semibold">{}</code> {}</div>', rows)


def _grants(service: Service, right: str) -> SafeString:
    named = [Grant(**each) for each in service.grants]
    rows = ((one.kind, one.name) for one in named if one.right == right)
    return format_html_join("", "<div>{} {}</div>", rows)


def _caller(request: HttpRequest) -> Caller:
    """Who looks: the site lets nobody in but users with a role."""
    return Caller.of(cast(User, request.user))


def _code(source: str | None) -> SafeString | str:
    if not source:
        return ""
    return format_html('<pre class="source-code">{}</pre>', source)
