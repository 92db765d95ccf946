"""The check of models nobody has looked at, in a process of its own."""

import pytest
from onnx import TensorProto, helper
from pytest_django import Settings

from mlops.blobs import storage
from mlops.blobs.models import Blob
from mlops.errors import InvalidRequest
from services.model_files import ModelFile
from tests.nodes.runtime.realtime.models import (
    BOOL,
    FLOAT,
    INT64,
    STRING,
    adding,
    contained,
    doubling_matrix,
    echoing,
    model,
    reading_file,
)

pytestmark = pytest.mark.django_db


def save(payload: bytes) -> Blob:
    with ModelFile() as file:
        content = contained(payload)
        file.write(content[:3])
        file.write(content[3:])
        return file.save()


def refusal_of(payload: bytes) -> str:
    with pytest.raises(InvalidRequest) as refusal:
        save(payload)
    assert refusal.value.fields == "model"
    assert not Blob.objects.exists()
    return refusal.value.message


def unary(operator: str, *, shape: list[int | None], domain: str = "") -> bytes:
    return model(
        [helper.make_node(operator, ["x"], ["y"], domain=domain)],
        [("x", FLOAT, shape)],
        [("y", FLOAT, shape)],
        domains=[domain] if domain else [],
    )


@pytest.mark.parametrize(
    "payload",
    [
        adding(),
        echoing(number=FLOAT, whole=INT64, text=STRING, flag=BOOL),
        doubling_matrix(4),
        doubling_matrix(4, n_rows=1),
    ],
    ids=["column", "kinds", "matrix", "single-rows"],
)
def test_a_sound_model_is_saved_with_its_header(payload: bytes) -> None:
    assert b"".join(storage.read(save(payload))) == contained(payload)


@pytest.mark.parametrize("location", ["/etc/passwd", "../../etc/passwd", "model.onnx"])
def test_data_in_other_files_is_refused(location: str) -> None:
    assert "in another file" in refusal_of(reading_file(location))


def test_data_in_other_files_is_found_in_inner_graphs() -> None:
    constant = TensorProto(name="hidden", data_type=FLOAT, dims=[1])
    constant.data_location = TensorProto.EXTERNAL
    constant.external_data.add(key="location", value="/etc/passwd")
    branch = helper.make_graph(
        [helper.make_node("Constant", [], ["c"], value=constant)],
        "branch",
        [],
        [helper.make_tensor_value_info("c", FLOAT, None)],
    )
    payload = model(
        [
            helper.make_node("If", ["yes"], ["c"], then_branch=branch, else_branch=branch),
            helper.make_node("Add", ["x", "c"], ["y"]),
        ],
        [("x", FLOAT, [None, 1])],
        [("y", FLOAT, [None, 1])],
        constants=[helper.make_tensor("yes", BOOL, [], [True])],
    )
    assert "'hidden' in another file" in refusal_of(payload)


def test_operators_of_others_are_refused() -> None:
    message = refusal_of(unary("Steal", shape=[None, 1], domain="com.example"))
    assert "'Steal' of 'com.example'" in message


@pytest.mark.parametrize(
    ("payload", "says"),
    [
        (unary("Nothing", shape=[None, 1]), "cannot load the model"),
        (unary("Relu", shape=[None, 3, 32, 32]), "4 dimensions"),
        (unary("Relu", shape=[None, None]), "how many columns"),
        (unary("Relu", shape=[8, 3]), "exactly 8 rows"),
        (unary("ReduceMean", shape=[None, 1]), "has 1 rows for 2"),
        (doubling_matrix(3, columns=["a", "b"]), "names 2 columns, its inputs take 3"),
        (doubling_matrix(2, columns=["a", "a"]), "twice"),
        (doubling_matrix(2, columns="a"), "must be a JSON array"),
    ],
)
def test_a_model_that_frames_do_not_fit_is_refused(payload: bytes, says: str) -> None:
    assert says in refusal_of(payload)


def expanding(n_values: int) -> bytes:
    """A model that makes so many values, whatever it is asked."""
    return model(
        [
            helper.make_node("Expand", ["one", "shape"], ["many"]),
            helper.make_node("ReduceSum", ["many"], ["sum"], keepdims=0),
            helper.make_node("Add", ["x", "sum"], ["y"]),
        ],
        [("x", FLOAT, [None, 1])],
        [("y", FLOAT, [None, 1])],
        constants=[
            helper.make_tensor("one", FLOAT, [1], [1.0]),
            helper.make_tensor("shape", INT64, [1], [n_values]),
        ],
    )


def test_a_model_that_takes_too_much_memory_is_refused(settings: Settings) -> None:
    settings.MODEL_CHECK_MEMORY_MB = 1024
    assert "alloc" in refusal_of(expanding(2**34)).lower()


def looping() -> bytes:
    """A model that never ends."""
    body = helper.make_graph(
        [helper.make_node("Identity", ["go"], ["on"]), helper.make_node("Relu", ["s"], ["t"])],
        "body",
        [
            helper.make_tensor_value_info("i", INT64, []),
            helper.make_tensor_value_info("go", BOOL, []),
            helper.make_tensor_value_info("s", FLOAT, None),
        ],
        [
            helper.make_tensor_value_info("on", BOOL, []),
            helper.make_tensor_value_info("t", FLOAT, None),
        ],
    )
    return model(
        [helper.make_node("Loop", ["", "yes", "x"], ["y"], body=body)],
        [("x", FLOAT, [None, 1])],
        [("y", FLOAT, [None, 1])],
        constants=[helper.make_tensor("yes", BOOL, [], [True])],
    )


def test_a_model_that_never_ends_is_refused(settings: Settings) -> None:
    settings.MODEL_CHECK_SECONDS = 3
    message = refusal_of(looping())
    assert "within 3 seconds" in message


def test_a_check_that_dies_refuses_the_model(settings: Settings) -> None:
    settings.MODEL_CHECK_MEMORY_MB = 64  # not enough to start with
    assert "broke the process that checked it" in refusal_of(adding())
