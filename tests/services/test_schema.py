import pytest

from mlops.errors import InvalidRequest
from services.schema import PARAMETER_TYPES, Definition, Parameter, is_name, require_name


def refusal(**said: object) -> InvalidRequest:
    with pytest.raises(InvalidRequest) as caught:
        Definition(**said).checked()  # type: ignore[arg-type]
    return caught.value


@pytest.mark.parametrize(
    "name", ["a", "bos-rf", "1.0.0", "v 1", "...", "été", "模型", "{id}", "a'b\"c", "x" * 128]
)
def test_these_are_names(name: str) -> None:
    assert is_name(name)


@pytest.mark.parametrize(
    "name",
    ["", ".", "..", "a/b", "a\\b", "a?b", "a#b", "a%b", "a\nb", "\0", "\x85", "x" * 129, "\ud800"],
    ids=ascii,
)
def test_these_are_no_names(name: str) -> None:
    assert not is_name(name)
    with pytest.raises(InvalidRequest) as caught:
        require_name("version", name)
    assert caught.value.fields == "version"


@pytest.mark.parametrize("type_name", PARAMETER_TYPES)
def test_the_seven_types_are_kept(type_name: str) -> None:
    checked = Definition(inputs=[Parameter("x", type_name)]).checked()
    assert checked.inputs == [Parameter("x", type_name)]


@pytest.mark.parametrize(
    ("alias", "canonical"), [("string", "character"), ("dataframe", "data.frame")]
)
def test_an_alias_becomes_its_type(alias: str, canonical: str) -> None:
    checked = Definition(outputs=[Parameter("x", alias)]).checked()
    assert checked.outputs == [Parameter("x", canonical)]


@pytest.mark.parametrize("type_name", ["", "float", "Numeric", "data frame", "x" * 10_000])
def test_another_type_is_refused_and_named_in_short(type_name: str) -> None:
    error = refusal(inputs=[Parameter("x", type_name)])
    assert error.fields == "inputParameterDefinitions.0.type"
    assert len(error.message) < 300


def test_the_order_of_parameters_is_kept() -> None:
    parameters = [Parameter(name, "numeric") for name in ("b", "a", "c")]
    assert Definition(inputs=parameters).checked().inputs == parameters


@pytest.mark.parametrize("field", ["inputs", "outputs"])
def test_a_parameter_named_twice_is_refused(field: str) -> None:
    error = refusal(**{field: [Parameter("x", "numeric"), Parameter("x", "vector")]})
    assert "'x' twice" in error.message


def test_an_input_may_be_an_output_as_well() -> None:
    parameters = [Parameter("x", "numeric")]
    Definition(inputs=parameters, outputs=parameters).checked()


@pytest.mark.parametrize("name", ["", "a\tb", "x" * 256, "a\0"], ids=ascii)
def test_a_parameter_without_a_proper_name_is_refused(name: str) -> None:
    assert refusal(inputs=[Parameter(name, "numeric")]).fields == "inputParameterDefinitions.0.name"


@pytest.mark.parametrize("name", ["x.y", "été", "my input", "x" * 255])
def test_a_parameter_may_have_any_printable_name(name: str) -> None:
    Definition(inputs=[Parameter(name, "numeric")]).checked()


@pytest.mark.parametrize(
    "name", ["", ".", "..", "a/b", "/etc/passwd", "..\\x", "a\nb", "x" * 256], ids=ascii
)
def test_an_output_file_outside_the_working_directory_is_refused(name: str) -> None:
    assert refusal(output_files=["plot.png", name]).fields == "outputFileNames.1"


def test_an_output_file_named_twice_is_refused() -> None:
    assert refusal(output_files=["a.png", "a.png"]).fields == "outputFileNames"


@pytest.mark.parametrize("code", ["", "  \n\t"], ids=ascii)
def test_blank_code_is_refused(code: str) -> None:
    assert refusal(code=code).fields == "code"


@pytest.mark.parametrize(
    ("field", "wire_name"),
    [("code", "code"), ("init_code", "initCode"), ("description", "description")],
)
@pytest.mark.parametrize("text", ["x\0", "x\udfff"], ids=ascii)
def test_text_that_no_database_stores_is_refused(field: str, wire_name: str, text: str) -> None:
    assert refusal(**{field: text}).fields == wire_name


@pytest.mark.parametrize("alias", ["a\nb", "x" * 256], ids=ascii)
def test_an_alias_that_cannot_be_an_identifier_is_refused(alias: str) -> None:
    assert refusal(operation_id=alias).fields == "operationId"


@pytest.mark.parametrize("runtime", ["", "r", "python", "Julia"])
def test_another_runtime_is_refused(runtime: str) -> None:
    assert refusal(runtime_type=runtime).fields == "runtimeType"


def test_realtime_is_refused_with_the_reason() -> None:
    assert "model without code" in refusal(runtime_type="Realtime").message


@pytest.mark.parametrize("snapshot_id", ["", "x", "1234", "../../etc"])
def test_a_snapshot_id_that_is_no_guid_is_refused(snapshot_id: str) -> None:
    assert refusal(snapshot_id=snapshot_id).fields == "snapshotId"


def test_what_was_not_said_stays_unsaid() -> None:
    assert Definition().checked() == Definition()


@pytest.mark.parametrize(
    "example",
    [{"x": float("nan")}, {"x": "\0"}, {"\ud800": 1}, {"x": "y" * 70_000}],
    ids=["no number", "null character", "surrogate", "too long"],
)
def test_an_example_that_cannot_be_kept_is_refused(example: dict[str, object]) -> None:
    assert refusal(example=example).fields == "example"


def test_an_example_is_kept_as_it_is() -> None:
    example = {"x": [{"y": 1.5, "z": "\\u00e9"}]}
    assert Definition(example=example).checked().example == example
