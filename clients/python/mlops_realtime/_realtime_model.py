"""The one function of this package."""

import json
from typing import Any

from ._columns import columns_of, tensors_of
from ._conversion import MATRIX, ConversionError, convert, is_of, need, plans
from ._parity import ParityError, check_parity

_HEADER = b"blobONNX"


def realtime_model(model: Any, sample: Any, *, response: str | None = None) -> bytes:
    """The bytes of a realtime model that answers as `model` does, to be published.

    Args:
        model: A fitted scikit-learn estimator or pipeline, or an XGBoost or LightGBM model of
            their scikit-learn interface.
        sample: A pandas data frame with the columns that `model.predict` takes, in their order.
            Its names and types become those that callers must send. The more rows, the more is
            tested.
        response: The name of what is predicted; the column of predictions is then called
            `<response>_Pred`.

    Returns:
        Bytes for `deploy_realtime` of the official client, or for the form of
        `POST /realtime-services/{name}/{version}`.

    Raises:
        ParityError: The converted model answers something else on a row of the sample.
        ConversionError: The model cannot be converted; the text says which converter refused it.
        ImportError: A library is missing; the text says how to install it.
        TypeError, ValueError: `model` or `sample` is not what it has to be.
    """
    columns = columns_of(sample)
    if not hasattr(model, "get_params"):
        kind = "a Booster" if is_of(model, "xgboost") or is_of(model, "lightgbm") else "this object"
        raise TypeError(
            f"model must be a fitted estimator with the interface of scikit-learn, and {kind} "
            f"({type(model).__name__}) is not. Fit XGBClassifier, XGBRegressor, LGBMClassifier or "
            "LGBMRegressor instead of training a Booster."
        )
    onnx = need("onnx", "sklearn")
    reasons: list[ConversionError | ParityError] = []
    for plan in plans(model, columns):
        try:
            converted = convert(model, plan)
            onnx.helper.set_model_props(converted, _metadata(model, columns, response))
            payload: bytes = converted.SerializeToString()
            check_parity(model, sample, _run(payload, sample, columns))
        except (ConversionError, ParityError) as reason:
            reasons.append(reason)
        else:
            return _HEADER + payload
    # A model that was converted and answers wrongly tells more than one that was not.
    raise next((each for each in reasons if isinstance(each, ParityError)), reasons[0])


def _metadata(model: Any, columns: list[Any], response: str | None) -> dict[str, str]:
    said: dict[str, Any] = {
        "mlops.columns": json.dumps([{"name": each.name, "type": each.type} for each in columns])
    }
    if response is not None:
        said["mlops.response"] = response
    classes = getattr(model, "classes_", None)
    if classes is not None and getattr(classes, "ndim", 0) == 1:
        said["mlops.classes"] = json.dumps([str(each) for each in classes.tolist()])
    return said


def _run(payload: bytes, sample: Any, columns: list[Any]) -> list[Any]:
    """The outputs of the converted model for the sample."""
    onnxruntime = need("onnxruntime", "sklearn")
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    try:
        session = onnxruntime.InferenceSession(payload, options, providers=["CPUExecutionProvider"])
        inputs = [(each.name, each.type, each.name == MATRIX) for each in session.get_inputs()]
        outputs: list[Any] = session.run(None, tensors_of(sample, columns, inputs))
    except Exception as error:
        raise ConversionError(f"The converted model does not run: {str(error)[:600]}") from error
    return outputs
