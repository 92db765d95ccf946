"""mlops_realtime: fitted models become realtime models that answer the same."""

import json
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from lightgbm import LGBMClassifier, LGBMRegressor
from mlops_realtime import ConversionError, ParityError, realtime_model
from sklearn.base import BaseEstimator
from sklearn.compose import make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from xgboost import DMatrix, XGBClassifier, XGBRegressor, train

from nodes.runtime.inputs import InputError
from nodes.runtime.realtime.model import Model
from tests.nodes.runtime.running import ROOT

pytestmark = pytest.mark.any_database

ROWS = 60


@pytest.fixture(scope="module")
def numbers() -> pd.DataFrame:
    random = np.random.default_rng(7)
    return pd.DataFrame(random.normal(size=(ROWS, 3)) * [1, 10, 100], columns=["a", "b", "c d"])


@pytest.fixture(scope="module")
def people() -> pd.DataFrame:
    """A column of each type, values missing."""
    random = np.random.default_rng(8)
    income = random.normal(3000, 500, ROWS)
    income[::7] = np.nan
    return pd.DataFrame(
        {
            "age": random.integers(18, 80, ROWS),
            "income": income,
            "town": random.choice(["Bonn", "Köln", "Ulm"], ROWS),
            "member": random.random(ROWS) < 0.5,
        }
    )


def classes(frame: pd.DataFrame) -> Any:
    return np.array(["low", "middle", "top"])[np.arange(len(frame)) % 3]


def bought(people: pd.DataFrame) -> Any:
    return ((people["town"] == "Ulm") & people["member"]).astype(int)


def encoder() -> Any:
    return make_column_transformer(
        (OneHotEncoder(handle_unknown="ignore"), ["town"]),
        (make_pipeline(SimpleImputer(), StandardScaler()), ["age", "income"]),
        ("passthrough", ["member"]),
    )


def served(blob: bytes, tmp_path: Path) -> Model:
    assert blob[:8] == b"blobONNX"
    (tmp_path / "model.onnx").write_bytes(blob[8:])
    return Model(tmp_path / "model.onnx")


def answer(model: Model, frame: pd.DataFrame) -> pd.DataFrame:
    """What the server answers for the frame as clients send it."""
    columns = {
        name: [None if pd.isna(value) else value for value in frame[name].tolist()]
        for name in frame
    }
    body = json.dumps({"inputData": columns}).encode()
    answered = json.loads(model.score(body, model.new_run()))
    return pd.DataFrame(answered["outputParameters"]["outputData"])


def test_a_regression_is_named_after_its_response(numbers: pd.DataFrame, tmp_path: Path) -> None:
    fitted = LinearRegression().fit(numbers, numbers.sum(axis=1))
    found = answer(served(realtime_model(fitted, numbers, response="rating"), tmp_path), numbers)
    assert list(found) == ["rating_Pred"]
    np.testing.assert_allclose(found["rating_Pred"], fitted.predict(numbers), rtol=1e-4, atol=1e-3)


def test_without_a_response_a_regression_is_the_prediction(
    numbers: pd.DataFrame, tmp_path: Path
) -> None:
    fitted = LinearRegression().fit(numbers, numbers["a"])
    found = answer(served(realtime_model(fitted, numbers), tmp_path), numbers.head(2))
    assert list(found) == ["prediction"]


@pytest.mark.parametrize(
    "estimator",
    [
        RandomForestClassifier(10, random_state=0),
        HistGradientBoostingClassifier(max_iter=5),
        make_pipeline(StandardScaler(), RandomForestClassifier(10, random_state=0)),
        LGBMClassifier(n_estimators=5, verbose=-1),
    ],
    ids=["forest", "boosting", "pipeline", "lightgbm"],
)
def test_classes_come_with_their_probabilities(
    estimator: Any, numbers: pd.DataFrame, tmp_path: Path
) -> None:
    fitted = estimator.fit(numbers, classes(numbers))
    found = answer(served(realtime_model(fitted, numbers, response="level"), tmp_path), numbers)
    names = [f"probabilities.{each}" for each in ("low", "middle", "top")]
    assert list(found) == ["level_Pred", *names]
    assert list(found["level_Pred"]) == list(fitted.predict(numbers))
    np.testing.assert_allclose(found[names], fitted.predict_proba(numbers), atol=1e-4)


@pytest.mark.parametrize(
    "last",
    [
        LogisticRegression(),
        XGBClassifier(n_estimators=3),
        LGBMClassifier(n_estimators=3, verbose=-1),
    ],
    ids=["logistic", "xgboost", "lightgbm"],
)
def test_columns_of_several_types_go_through_a_pipeline(
    last: Any, people: pd.DataFrame, tmp_path: Path
) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # LightGBM's, of names it was not given
        fitted = make_pipeline(encoder(), last).fit(people, bought(people))
        model = served(realtime_model(fitted, people), tmp_path)
        found = answer(model, people)
        np.testing.assert_array_equal(found["label"], fitted.predict(people))
    assert model.signature.names == ["age", "income", "town", "member"]
    with pytest.raises(InputError, match="column member must have true or false"):
        answer(model, people.assign(member=1))


@pytest.mark.parametrize(
    "estimator",
    [XGBRegressor(n_estimators=5), LGBMRegressor(n_estimators=5, verbose=-1)],
    ids=["xgboost", "lightgbm"],
)
def test_boosters_take_columns_by_name_and_miss_values(
    estimator: Any, numbers: pd.DataFrame, tmp_path: Path
) -> None:
    holey = numbers.mask(np.random.default_rng(1).random(numbers.shape) < 0.1)
    fitted = estimator.fit(holey, numbers["a"])
    model = served(realtime_model(fitted, holey), tmp_path)
    found = answer(model, holey)["prediction"]
    np.testing.assert_allclose(found, fitted.predict(holey), rtol=1e-4, atol=1e-4)
    assert model.signature.names == ["a", "b", "c d"]
    if isinstance(fitted, XGBRegressor):
        assert fitted.get_booster().feature_names == ["a", "b", "c d"]  # untouched


def test_the_same_model_gives_the_same_bytes(numbers: pd.DataFrame) -> None:
    fitted = LinearRegression().fit(numbers, numbers["a"])
    assert realtime_model(fitted, numbers) == realtime_model(fitted, numbers)


def test_a_model_that_would_answer_otherwise_is_refused_with_the_row(
    numbers: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    fitted = LinearRegression().fit(numbers, numbers["a"])
    predict = fitted.predict

    def lie(frame: Any) -> Any:
        answers = predict(frame)
        answers[3] += 1
        return answers

    monkeypatch.setattr(fitted, "predict", lie)
    with pytest.raises(ParityError, match=r"On row 3 of the sample .*; 1 of 60 rows differ"):
        realtime_model(fitted, numbers)


def test_what_no_converter_knows_is_refused(numbers: pd.DataFrame) -> None:
    class Mean(BaseEstimator):
        def predict(self, frame: Any) -> Any:
            return np.asarray(frame).mean(axis=1)

    with pytest.raises(ConversionError, match="Mean cannot be converted with skl2onnx"):
        realtime_model(Mean(), numbers)


def test_a_booster_is_refused_with_what_to_use_instead(numbers: pd.DataFrame) -> None:
    booster = train({}, DMatrix(numbers, numbers["a"]), 2)
    with pytest.raises(TypeError, match="Fit XGBClassifier"):
        realtime_model(booster, numbers)


@pytest.mark.parametrize(
    ("sample", "says"),
    [
        ([[1, 2]], "must be a pandas data frame"),
        (pd.DataFrame({"a": [1.0]}).head(0), "at least one row"),
        (pd.DataFrame([[1.0]]), "named by strings"),
        (pd.DataFrame({"when": pd.to_datetime(["2020-01-01"])}), "'when' of sample is of type"),
        (pd.DataFrame({"mixed": [1, "a"]}), "'mixed' of sample is of type"),
    ],
)
def test_a_sample_that_cannot_be_is_refused(sample: Any, says: str) -> None:
    with pytest.raises((TypeError, ValueError), match=says):
        realtime_model(LinearRegression(), sample)


@pytest.mark.parametrize(
    ("missing", "estimator", "extra"),
    [
        ("skl2onnx", "sklearn.linear_model.LinearRegression", "sklearn"),
        ("onnxruntime", "sklearn.linear_model.LinearRegression", "sklearn"),
        ("onnxmltools", "xgboost.XGBRegressor", "xgboost"),
        ("onnxmltools", "lightgbm.LGBMRegressor", "lightgbm"),
    ],
)
def test_a_missing_library_is_named_with_how_to_install_it(
    missing: str, estimator: str, extra: str
) -> None:
    module, _, name = estimator.rpartition(".")
    program = f"""
import sys
sys.modules[{missing!r}] = None
import pandas as pd
from mlops_realtime import realtime_model
from {module} import {name}
frame = pd.DataFrame({{"a": [1.0, 2.0, 3.0]}})
try:
    realtime_model({name}().fit(frame, frame["a"]), frame)
except ImportError as error:
    print(error)
"""
    answered = subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT / "clients" / "python",
        capture_output=True,
        text=True,
        check=True,
    )
    assert f"needs {missing}" in answered.stdout
    assert f"pip install 'mlops-realtime[{extra}]'" in answered.stdout
