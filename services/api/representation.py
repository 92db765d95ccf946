"""The JSON objects of service management (wire-api section 2): WebService and PublishRequest."""

from typing import Any

from rest_framework import serializers

from mlops.representation import Switch, Text, wire_time
from mlops.rest import CaseInsensitiveSerializer
from services.models import Version
from services.permissions import may_write
from services.schema import Definition, Parameter


class ParameterDefinition(CaseInsensitiveSerializer):
    """A declared input or output."""

    name = Text(help_text="Name of the variable.")
    type = Text(
        help_text="logical, numeric, integer, character, vector, matrix or data.frame; "
        "string and dataframe are taken for character and data.frame."
    )


class WebService(serializers.Serializer[Version]):
    """A published version as the caller may see it."""

    # The context holds the `caller`.

    creationTime = serializers.SerializerMethodField(  # noqa: N815 - the contract's spelling
        help_text="ISO 8601 without zone, UTC."
    )
    name = serializers.CharField(source="service.name")
    version = serializers.CharField()
    versionPublishedBy = serializers.CharField(source="published_by")  # noqa: N815
    snapshotId = serializers.CharField(source="snapshot_id", allow_null=True)  # noqa: N815
    runtimeType = serializers.ChoiceField(  # noqa: N815
        source="runtime_type", choices=["R", "Python", "Realtime"]
    )
    initCode = serializers.SerializerMethodField(  # noqa: N815
        help_text="null without read/write permission."
    )
    code = serializers.SerializerMethodField(help_text="null without read/write permission.")
    description = serializers.CharField(allow_null=True)
    operationId = serializers.CharField(source="operation_id", allow_null=True)  # noqa: N815
    inputParameterDefinitions = ParameterDefinition(  # noqa: N815
        source="input_parameters", many=True
    )
    outputParameterDefinitions = ParameterDefinition(  # noqa: N815
        source="output_parameters", many=True
    )
    outputFileNames = serializers.ListField(  # noqa: N815
        source="output_files", child=serializers.CharField()
    )
    myPermissionOnService = serializers.SerializerMethodField()  # noqa: N815
    rowIndependent = serializers.BooleanField(  # noqa: N815
        source="row_independent",
        required=False,
        help_text="Calls that wait together may be run as one; absent when they may not.",
    )

    def to_representation(self, instance: Version) -> dict[str, Any]:
        """The object of the contract; what extends it is there only where it says something."""
        described: dict[str, Any] = super().to_representation(instance)
        if not instance.row_independent:
            del described["rowIndependent"]
        return described

    def get_creationTime(self, version: Version) -> str:  # noqa: N802 - DRF looks it up by name
        """The moment of publishing."""
        return wire_time(version.created_at)

    def get_initCode(self, version: Version) -> str | None:  # noqa: N802
        """The code before the first run, for those who may change it."""
        return version.init_code if self._may_write(version) else None

    def get_code(self, version: Version) -> str | None:
        """The code of a run, for those who may change it."""
        return version.code if self._may_write(version) else None

    def get_myPermissionOnService(self, version: Version) -> str:  # noqa: N802
        """What the caller may do with the version: `read/write` or `read only`."""
        return "read/write" if self._may_write(version) else "read only"

    def _may_write(self, version: Version) -> bool:
        return may_write(version, self.context["caller"])


class PatchRequest(CaseInsensitiveSerializer):
    """What a patch may say; what is absent or null stays as it was."""

    code = Text(required=False, allow_null=True, help_text="Source run for each request.")
    initCode = Text(  # noqa: N815
        required=False, allow_null=True, help_text="Source run before `code`."
    )
    snapshotId = Text(  # noqa: N815
        required=False,
        allow_null=True,
        help_text="The caller's own snapshot; its objects and files are copied into the version.",
    )
    description = Text(required=False, allow_null=True)
    operationId = Text(  # noqa: N815
        required=False, allow_null=True, help_text="Alias for the operation in swagger.json."
    )
    inputParameterDefinitions = serializers.ListField(  # noqa: N815
        child=ParameterDefinition(), required=False, allow_null=True
    )
    outputParameterDefinitions = serializers.ListField(  # noqa: N815
        child=ParameterDefinition(), required=False, allow_null=True
    )
    runtimeType = Text(  # noqa: N815
        required=False, allow_null=True, help_text="R or Python; cannot change in a patch."
    )
    outputFileNames = serializers.ListField(  # noqa: N815
        child=Text(),
        required=False,
        allow_null=True,
        help_text="Plain names of files in the working directory that a call returns.",
    )
    rowIndependent = Switch(  # noqa: N815
        required=False,
        allow_null=True,
        help_text="Whether each row of the outputs depends on the same row of the inputs alone: "
        "calls that wait together are then run as one.",
    )

    def definition(self) -> Definition:
        """The request as the actions take it."""
        said: dict[str, Any] = self.validated_data
        return Definition(
            code=said.get("code"),
            init_code=said.get("initCode"),
            snapshot_id=said.get("snapshotId"),
            description=said.get("description"),
            operation_id=said.get("operationId"),
            inputs=_parameters(said.get("inputParameterDefinitions")),
            outputs=_parameters(said.get("outputParameterDefinitions")),
            runtime_type=said.get("runtimeType"),
            output_files=said.get("outputFileNames"),
            row_independent=said.get("rowIndependent"),
        )


class PublishRequest(PatchRequest):
    """What a publish request says."""

    code = Text(help_text="Source run for each request.")


def _parameters(items: list[dict[str, str]] | None) -> list[Parameter] | None:
    return None if items is None else [Parameter(item["name"], item["type"]) for item in items]
