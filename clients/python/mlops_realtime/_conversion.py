"""Conversion of a fitted model to ONNX, with the libraries that know how."""

import copy
import importlib
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from ._columns import CHARACTER, NUMERIC, Column

MATRIX = "frame"  # the name of the one input that takes all columns
_GRAPH = "model"  # else every conversion had a name of its own, and other bytes
_OUTPUTS = {"variable": "prediction"}  # how the converters call a regression's output


class ConversionError(ValueError):
    """The converters cannot write this model; the text is theirs."""


def need(module: str, extra: str) -> Any:
    """The module; ImportError that says how to install what brings it."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise ImportError(
            f"realtime_model needs {error.name or module} for this model: "
            f"pip install 'mlops-realtime[{extra}]'"
        ) from error


@dataclass(frozen=True)
class Plan:
    """One way to convert: names and types of the inputs, and a step put before the last one.

    Trees compare 32-bit floats, what comes before them in a pipeline computes with 64 bits; with
    `rounds_late` the converted model rounds at the same place.
    """

    inputs: list[tuple[str, Any]]
    rounds_late: bool = False


def plans(model: Any, columns: Sequence[Column]) -> Iterator[Plan]:
    """The ways worth trying, the fastest to serve first.

    All columns as one matrix where they are of one kind and no step picks columns by name, else
    one input per column; numbers as 32-bit floats, whole ones as integers, then as 64-bit floats.
    """
    is_pipeline = type(model).__name__ == "Pipeline" and len(model.steps) > 1
    for inputs in _inputs(model, columns):
        yield Plan(inputs)
        if is_pipeline and any("Double" in type(kind).__name__ for _, kind in inputs):
            yield Plan(inputs, rounds_late=True)


def _inputs(model: Any, columns: Sequence[Column]) -> Iterator[list[tuple[str, Any]]]:
    types = need("skl2onnx.common.data_types", "sklearn")
    floats, doubles = types.FloatTensorType, types.DoubleTensorType
    texts, integers = types.StringTensorType, types.Int64TensorType
    n_texts = sum(column.type == CHARACTER for column in columns)
    if not picks_columns(model) and n_texts in (0, len(columns)):
        shape = [None, len(columns)]
        for kind in (texts,) if n_texts else (floats, doubles):
            yield [(MATRIX, kind(shape))]
        return
    for of_numbers, of_whole in ((floats, floats), (floats, integers), (doubles, doubles)):
        yield [
            (
                column.name,
                (
                    texts
                    if column.type == CHARACTER
                    else of_whole
                    if column.type == NUMERIC and column.is_whole
                    else of_numbers
                )([None, 1]),
            )
            for column in columns
        ]


def convert(model: Any, plan: Plan) -> Any:
    """The ONNX model; ConversionError with the converter's reason."""
    skl2onnx = need("skl2onnx", "sklearn")
    _register_boosters(model)
    nameless = without_feature_names(model)
    if plan.rounds_late:
        nameless = _rounding_late(nameless)
    # A ZipMap would make a dictionary of each row.
    options = {"zipmap": False} if hasattr(model, "classes_") else None

    def attempt(options: Any) -> Any:
        return skl2onnx.convert_sklearn(
            nameless,
            _GRAPH,
            initial_types=plan.inputs,
            options=options,
            target_opset={"": 18, "ai.onnx.ml": 3},
        )

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of converters, about versions of opsets
            try:
                converted = attempt(options)
            except NameError:  # this classifier has no such option
                converted = attempt(None)
    except Exception as error:
        raise ConversionError(
            f"{type(model).__name__} cannot be converted with skl2onnx {skl2onnx.__version__}: "
            f"{str(error.__cause__ or error)[:600]}"
        ) from error
    _rename_outputs(converted)
    return converted


def picks_columns(model: Any) -> bool:
    """Whether a step of the model takes its columns by name."""
    return any(type(each).__name__ == "ColumnTransformer" for each in parts_of(model))


def parts_of(model: Any) -> list[Any]:
    """The model and what it is made of, as far as its parameters tell."""
    deep = model.get_params(deep=True) if hasattr(model, "get_params") else {}
    return [model, *(each for each in deep.values() if hasattr(each, "get_params"))]


def is_of(model: Any, library: str) -> bool:
    """Whether the model's class comes from the library."""
    return type(model).__module__.partition(".")[0] == library


def without_feature_names(model: Any) -> Any:
    """The model; of one with XGBoost a copy without names, which its converter cannot take."""
    if not any(is_of(each, "xgboost") for each in parts_of(model)):
        return model
    nameless = copy.deepcopy(model)
    for each in parts_of(nameless):
        if is_of(each, "xgboost") and hasattr(each, "get_booster"):
            each.get_booster().feature_names = None
    return nameless


def _rounding_late(pipeline: Any) -> Any:
    from skl2onnx.sklapi import CastTransformer

    *first, last = pipeline.steps
    return type(pipeline)([*first, ("round", CastTransformer()), last])


def _register_boosters(model: Any) -> None:
    """Teach skl2onnx the models of XGBoost and LightGBM that occur in `model`."""
    for library, converter in (
        ("xgboost", "onnxmltools.convert.xgboost.operator_converters.XGBoost"),
        ("lightgbm", "onnxmltools.convert.lightgbm.operator_converters.LightGbm"),
    ):
        for each in parts_of(model):
            if is_of(each, library):
                _register(type(each), getattr(need(converter, library), f"convert_{library}"))


def _register(kind: type, converter: Any) -> None:
    import skl2onnx
    from skl2onnx.common import shape_calculator as shapes

    is_classifier = hasattr(kind, "predict_proba")
    skl2onnx.update_registered_converter(
        kind,
        f"Realtime{kind.__name__}",
        shapes.calculate_linear_classifier_output_shapes
        if is_classifier
        else shapes.calculate_linear_regressor_output_shapes,
        converter,
        options={"nocl": [True, False], "zipmap": [True, False]}
        if is_classifier
        else {"split": None},
    )


def _rename_outputs(converted: Any) -> None:
    for output in converted.graph.output:
        if output.name not in _OUTPUTS:
            continue
        for node in converted.graph.node:
            for names in (node.input, node.output):
                for index, name in enumerate(names):
                    if name == output.name:
                        names[index] = _OUTPUTS[name]
        output.name = _OUTPUTS[output.name]
