import io
import json
import pickle
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from sklearn.decomposition import PCA

from mlops.accounts.models import User
from mlops.errors import Busy, Forbidden, InvalidRequest
from services.actions.test_run import test_run as run_before_publishing
from services.inference import Proposal, looking, propose
from services.one_off import OneOff
from tests.nodes.runtime.running import RunningNode
from tests.services.inference import models
from tests.services.results import outputs_of
from tests.services.staging import publish, stage

# Scoring reads the database on several threads.
pytestmark = pytest.mark.django_db(transaction=True)


def proposed(user: User, model: Any, name: str = "model.joblib") -> Proposal:
    return propose(stage(user, name, models.dumped(model)), user=user)


def test_run_of(user: User, proposal: Proposal) -> Any:
    return run_before_publishing(
        user=user,
        definition=proposal.definition,
        files=proposal.files,
        inputs=proposal.example,
        correlation_id="c",
    )


test_run_of.__test__ = False  # type: ignore[attr-defined]


def test_a_classifier_gives_its_class_and_probabilities(
    alice: User, declared_node: RunningNode
) -> None:
    proposal = proposed(alice, models.forest())
    assert (proposal.kind, proposal.runtime_type) == ("sklearn", "Python")
    assert "RandomForestClassifier of scikit-learn" in proposal.title
    assert [(each.name, each.type) for each in proposal.columns] == [
        ("length", "numeric"),
        ("width", "numeric"),
    ]
    assert [each.name for each in proposal.output_columns] == [
        "prediction",
        "probability_setosa",
        "probability_virginica",
    ]
    assert proposal.row_independent
    assert proposal.warnings == []
    run = test_run_of(alice, proposal)
    assert (run.error, run.success) == ("", True)
    assert set(run.outputs["outputData"]) == {each.name for each in proposal.output_columns}


def test_a_pipeline_tells_the_types_and_values_of_its_columns(
    alice: User, declared_node: RunningNode
) -> None:
    proposal = proposed(alice, models.pipeline(), "churn.pkl")
    assert proposal.title.startswith("LogisticRegression in a Pipeline of scikit-learn")
    by_name = {each.name: each for each in proposal.columns}
    assert {name: each.type for name, each in by_name.items()} == {
        "age": "numeric",
        "income": "numeric",
        "region": "character",
    }
    assert by_name["region"].values == ("north", "south", "west")
    assert proposal.example["inputData"]["region"] == ["north"]
    assert proposal.example["inputData"]["age"] == [43.0]
    assert test_run_of(alice, proposal).success


def test_what_is_proposed_can_be_published(alice: User, declared_node: RunningNode) -> None:
    proposal = proposed(alice, models.pipeline(), "churn.pkl")
    version = publish(alice, proposal.definition, *proposal.files)
    rows = models.CUSTOMERS.to_dict("list")
    answer = outputs_of(version, {"inputData": rows})["outputData"]
    assert answer["prediction"] == models.pipeline().predict(models.CUSTOMERS).tolist()
    assert version.row_independent
    assert version.example == proposal.example


def test_columns_without_names_are_numbered(alice: User, declared_node: RunningNode) -> None:
    proposal = proposed(alice, models.line_without_names())
    assert [each.name for each in proposal.columns] == ["x1", "x2"]
    assert [each.name for each in proposal.output_columns] == ["prediction"]
    assert "without names" in proposal.warnings[0]
    run = run_before_publishing(
        user=alice,
        definition=proposal.definition,
        files=proposal.files,
        inputs={"inputData": {"x1": [1, 2], "x2": [2, 1]}},
        correlation_id="c",
    )
    assert run.outputs["outputData"]["prediction"] == pytest.approx([5.0, 4.0])


def test_wrappers_of_other_libraries_are_models_as_well(
    alice: User, declared_node: RunningNode
) -> None:
    xgboost = pytest.importorskip("xgboost")
    labels = [int(each == "setosa") for each in models.SPECIES]
    model = xgboost.XGBClassifier(n_estimators=3).fit(models.FLOWERS, labels)
    for each, title in ((model, "XGBClassifier of XGBoost"), (model.get_booster(), "Booster of")):
        proposal = proposed(alice, each)
        assert proposal.title.startswith(title)
        assert [each.name for each in proposal.columns] == ["length", "width"]
        assert proposal.warnings == []
        assert test_run_of(alice, proposal).success


def test_categories_of_pandas_are_made_for_lightgbm(
    alice: User, declared_node: RunningNode
) -> None:
    lightgbm = pytest.importorskip("lightgbm")
    rows = pd.concat([models.CUSTOMERS.astype({"region": "category"})] * 5)
    model = lightgbm.LGBMClassifier(n_estimators=3, min_child_samples=2, verbose=-1)
    proposal = proposed(alice, model.fit(rows, models.CHURNED * 5))
    assert proposal.columns[2].values == ("north", "south", "west")
    run = test_run_of(alice, proposal)
    assert run.success, run.error


def test_a_model_of_texts_takes_a_column_of_texts(alice: User, declared_node: RunningNode) -> None:
    proposal = proposed(alice, models.of_texts())
    assert [(each.name, each.type) for each in proposal.columns] == [("text", "character")]
    run = run_before_publishing(
        user=alice,
        definition=proposal.definition,
        files=proposal.files,
        inputs={"inputData": {"text": ["good", "bad"]}},
        correlation_id="c",
    )
    assert run.outputs["outputData"]["prediction"] == ["pos", "neg"]


def test_many_long_names_are_on_lines_of_their_own(alice: User, declared_node: RunningNode) -> None:
    proposal = proposed(alice, models.with_long_names())
    assert all(len(line) < 100 for line in proposal.init_code.splitlines())
    assert test_run_of(alice, proposal).success


def test_what_cannot_predict_is_loaded_and_left_to_the_user(
    alice: User, declared_node: RunningNode
) -> None:
    proposal = proposed(alice, PCA(1).fit(models.FLOWERS))
    assert proposal.code == ""
    assert 'model = joblib.load("model.joblib")' in proposal.init_code
    assert "no method predict" in proposal.warnings[-1]


def test_a_missing_package_is_named(alice: User, declared_node: RunningNode) -> None:
    content = b"cno_such_package.models\nNet\n."
    proposal = propose(stage(alice, "net.pkl", content), user=alice)
    assert proposal.missing == ["no_such_package"]
    assert "pip install no_such_package" in proposal.warnings[-1]


def test_another_version_of_scikit_learn_is_told(alice: User, declared_node: RunningNode) -> None:
    model = models.line_without_names()
    state = model.__getstate__()
    state["_sklearn_version"] = "0.24.1"
    type(model).__getstate__, kept = lambda self: state, type(model).__getstate__
    try:
        content = pickle.dumps(model)
    finally:
        type(model).__getstate__ = kept
    proposal = propose(stage(alice, "old.pkl", content), user=alice)
    (told,) = [each for each in proposal.warnings if "0.24.1" in each]
    assert told.startswith("LinearRegression was saved with scikit-learn 0.24.1, and the compute")


def test_a_damaged_file_says_what_to_do(alice: User, declared_node: RunningNode) -> None:
    upload = stage(alice, "model.joblib", models.dumped(models.forest())[:-100])
    with pytest.raises(InvalidRequest, match=r"model\.joblib cannot be read.*save it again"):
        propose(upload, user=alice)


class _Evil:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return exec, (f"open({str(self.path)!r}, 'w').write('x')",)


def test_a_pickle_runs_on_the_compute_node_alone(
    alice: User, declared_node: RunningNode, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = pickle.dumps(_Evil(Path("written.txt")))
    monkeypatch.chdir(tmp_path)

    def refuse(*args: Any, **named: Any) -> Any:
        raise AssertionError("unpickled in this process")

    monkeypatch.setattr(pickle, "load", refuse)
    monkeypatch.setattr(pickle, "loads", refuse)
    monkeypatch.setattr(pickle, "Unpickler", refuse)
    proposal = propose(stage(alice, "evil.pkl", content), user=alice)
    assert proposal.code == ""
    assert list(tmp_path.iterdir()) == []


def test_without_a_node_it_says_so(alice: User) -> None:
    upload = stage(alice, "model.joblib", models.dumped(models.line_without_names()))
    with pytest.raises(Busy, match="a compute node that runs Python"):
        propose(upload, user=alice)


def test_a_reader_looks_into_nothing(alice: User, rita: User) -> None:
    upload = stage(alice, "model.joblib", io.BytesIO(b"x").getvalue())
    with pytest.raises(Forbidden):
        propose(upload, user=rita)


@pytest.mark.parametrize("name", ["model.ubj", "model.json"])
def test_a_booster_of_xgboost_is_read_as_it_saves_itself(
    alice: User, declared_node: RunningNode, tmp_path: Path, name: str
) -> None:
    xgboost = pytest.importorskip("xgboost")
    rows = xgboost.DMatrix(models.FLOWERS, [float(each == "setosa") for each in models.SPECIES])
    xgboost.train({"objective": "binary:logistic"}, rows, 2).save_model(tmp_path / name)
    proposal = propose(stage(alice, name, (tmp_path / name).read_bytes()), user=alice)
    assert [each.name for each in proposal.columns] == ["length", "width"]
    run = test_run_of(alice, proposal)
    assert run.success, run.error


def test_a_booster_of_lightgbm_is_read_as_it_saves_itself(
    alice: User, declared_node: RunningNode, tmp_path: Path
) -> None:
    lightgbm = pytest.importorskip("lightgbm")
    labels = [each == "setosa" for each in models.SPECIES]
    model = lightgbm.LGBMClassifier(n_estimators=2, verbose=-1).fit(models.FLOWERS, labels)
    model.booster_.save_model(tmp_path / "model.txt")
    proposal = propose(stage(alice, "model.txt", (tmp_path / "model.txt").read_bytes()), user=alice)
    assert [each.name for each in proposal.columns] == ["length", "width"]
    run = test_run_of(alice, proposal)
    assert run.success, run.error


HELPERS = b"""
class Doubling:
    n_features_in_ = 1

    def predict(self, rows):
        return [2 * row[0] for row in rows]
"""
OF_HELPERS = b"chelpers\nDoubling\n(tR."


def test_a_module_of_ones_own_lies_beside_the_model(
    alice: User, declared_node: RunningNode
) -> None:
    chosen = [stage(alice, "m/model.pkl", OF_HELPERS), stage(alice, "m/helpers.py", HELPERS)]
    proposal = propose(chosen, user=alice)
    assert [each.name for each in proposal.files] == ["model.pkl", "helpers.py"]
    assert not proposal.row_independent
    run = test_run_of(alice, proposal)
    assert run.outputs == {"outputData": {"prediction": [0.0]}}, run.error


def test_without_its_module_it_is_asked_for(alice: User, declared_node: RunningNode) -> None:
    proposal = propose(stage(alice, "model.pkl", OF_HELPERS), user=alice)
    assert proposal.missing == ["helpers"]
    assert "upload that beside the model" in proposal.warnings[-1]


def test_what_a_notebook_defined_is_to_be_moved(alice: User, declared_node: RunningNode) -> None:
    with pytest.raises(InvalidRequest, match="it uses Doubling, which was defined in the notebook"):
        propose(stage(alice, "model.pkl", b"c__main__\nDoubling\n(tR."), user=alice)


@pytest.mark.parametrize(
    "report", ["not JSON", "[]", '{"library": 1}', '{"error": 1}', "[" * 100_000, "x" * 9_000_000]
)
def test_a_report_that_the_file_forged_is_refused(
    alice: User, monkeypatch: pytest.MonkeyPatch, report: str
) -> None:
    result = {"success": True, "errorMessage": "", "outputParameters": {"report": report}}
    outcome = OneOff(json.dumps(result).encode(), "http://node/", 0.0, 1.0, {})
    monkeypatch.setattr(looking, "run_once", lambda *args, **named: outcome)
    with pytest.raises(InvalidRequest, match=r"evil\.pkl (could not|cannot) be read"):
        propose(stage(alice, "evil.pkl", b"x"), user=alice)


def test_a_file_that_breaks_its_interpreter_is_refused(
    alice: User, declared_node: RunningNode
) -> None:
    code = "import json; json.dumps = lambda *a, **n: 'nothing'"
    content = f"cbuiltins\nexec\n(S{code!r}\ntR.".encode()
    with pytest.raises(InvalidRequest, match="nothing sensible came of it"):
        propose(stage(alice, "evil.pkl", content), user=alice)
