import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from mlops.accounts.models import User
from mlops.errors import InvalidRequest
from services.actions.test_run import TestRun
from services.actions.test_run import test_run as run_before_publishing
from services.inference import Proposal, propose
from tests.nodes.runtime.realtime.models import BOOL, FLOAT, INT64, STRING, doubling_matrix, echoing
from tests.nodes.runtime.running import RunningNode
from tests.services.inference import models
from tests.services.results import outputs_of
from tests.services.staging import publish, stage
from tests.services.test_payloads import tar_of, zip_of

# Scoring reads the database on several threads.
pytestmark = pytest.mark.django_db(transaction=True)


def tried(user: User, proposal: Proposal) -> TestRun:
    return run_before_publishing(
        user=user,
        definition=proposal.definition,
        files=proposal.files,
        inputs=proposal.example,
        correlation_id="c",
    )


def columns(proposal: Proposal) -> dict[str, str]:
    return {each.name: each.type for each in proposal.columns}


# ONNX.


def test_an_onnx_model_shows_its_own_columns(alice: User, declared_node: RunningNode) -> None:
    content = echoing(age=INT64, income=FLOAT, city=STRING, member=BOOL)
    proposal = propose(stage(alice, "model.onnx", content), user=alice)
    assert (proposal.kind, proposal.runtime_type) == ("onnx", "Realtime")
    assert columns(proposal) == {
        "age": "integer",
        "income": "numeric",
        "city": "character",
        "member": "logical",
    }
    assert [each.name for each in proposal.inputs] == ["inputData"]
    assert {each.name: each.type for each in proposal.output_columns} == {
        "age_out": "integer",
        "income_out": "numeric",
        "city_out": "character",
        "member_out": "logical",
    }
    assert tried(alice, proposal).success
    version = publish(alice, proposal.definition, *proposal.files)
    assert list(outputs_of(version, dict(proposal.example))["outputData"]) == [
        each.name for each in proposal.output_columns
    ]
    assert version.example == proposal.example


def test_columns_of_an_onnx_model_without_names_are_numbered(alice: User) -> None:
    proposal = propose(stage(alice, "model.onnx", doubling_matrix(3)), user=alice)
    assert columns(proposal) == {"x1": "numeric", "x2": "numeric", "x3": "numeric"}
    assert "only their order counts" in proposal.warnings[0]
    proposal = propose(
        stage(alice, "named.onnx", b"blobONNX" + doubling_matrix(2, columns=["a", "b"])), user=alice
    )
    assert columns(proposal) == {"a": "numeric", "b": "numeric"}


def test_what_is_no_onnx_model_is_told(alice: User) -> None:
    with pytest.raises(InvalidRequest, match="no ONNX model"):
        propose(stage(alice, "model.onnx", b"nothing"), user=alice)


# MLflow.


def mlflow_folder(flavors: dict[str, Any], **files: bytes) -> dict[str, bytes]:
    said = {
        "flavors": flavors,
        "signature": {
            "inputs": json.dumps(
                [{"name": "length", "type": "double"}, {"name": "width", "type": "double"}]
            )
        },
        "saved_input_example_info": {"artifact_path": "input_example.json"},
    }
    example = {"columns": ["length", "width"], "data": [[4.5, 3.25]]}
    return {
        "model/MLmodel": yaml.safe_dump(said).encode(),
        "model/input_example.json": json.dumps(example).encode(),
        **{f"model/{name.replace('__', '.')}": content for name, content in files.items()},
    }


@pytest.mark.parametrize("make", [zip_of, tar_of])
def test_an_mlflow_model_of_scikit_learn_needs_no_mlflow(
    alice: User, declared_node: RunningNode, make: Any
) -> None:
    folder = mlflow_folder(
        {"python_function": {}, "sklearn": {"pickled_model": "model.pkl"}},
        model__pkl=models.dumped(models.forest()),
    )
    name = "model.zip" if make is zip_of else "model.tar.gz"
    proposal = propose(stage(alice, name, make(folder)), user=alice)
    assert (proposal.kind, list(proposal.missing)) == ("mlflow", [])
    assert columns(proposal) == {"length": "numeric", "width": "numeric"}
    assert proposal.example == {"inputData": {"length": [4.5], "width": [3.25]}}
    assert [each.member for each in proposal.files] == ["model/model.pkl"]
    run = tried(alice, proposal)
    assert run.outputs["outputData"]["prediction"] == ["setosa"], run.error


def test_an_mlflow_folder_comes_as_its_files_too(alice: User, declared_node: RunningNode) -> None:
    folder = mlflow_folder(
        {"sklearn": {"pickled_model": "model.pkl"}}, model__pkl=models.dumped(models.forest())
    )
    chosen = [stage(alice, name, content) for name, content in folder.items()]
    proposal = propose(chosen, user=alice)
    assert proposal.example["inputData"]["length"] == [4.5]
    assert tried(alice, proposal).success


def test_an_mlflow_model_of_onnx_is_realtime(alice: User) -> None:
    folder = mlflow_folder(
        {"onnx": {"data": "model.onnx"}}, model__onnx=echoing(length=FLOAT, width=FLOAT)
    )
    proposal = propose(stage(alice, "m.zip", zip_of(folder)), user=alice)
    assert (proposal.kind, proposal.runtime_type) == ("mlflow", "Realtime")


def test_other_mlflow_models_need_mlflow_on_the_nodes(
    alice: User, declared_node: RunningNode
) -> None:
    folder = mlflow_folder({"python_function": {"loader_module": "mlflow.pytorch"}}, data=b"x")
    proposal = propose(stage(alice, "m.zip", zip_of(folder)), user=alice)
    assert proposal.missing == ["mlflow"]
    assert "pip install mlflow" in proposal.warnings[0]
    assert proposal.files[0].name == "model/MLmodel"
    assert 'load_model("model")' in proposal.init_code


@pytest.mark.parametrize(
    ("folder", "complaint"),
    [
        ({"readme": b"x"}, "holds no file MLmodel"),
        ({"MLmodel": b"a: [b"}, "not what MLflow writes"),
        ({"MLmodel": b"text"}, "not what MLflow writes"),
        ({"MLmodel": b"flavors: 1"}, "names no flavors"),
        ({"MLmodel": b"flavors: {keras: {}}"}, "has the flavors keras"),
        ({"MLmodel": b"flavors: {sklearn: {}}"}, r"names model\.pkl, which is not in the folder"),
        ({"MLmodel": b"!!python/object/apply:os.system [ls]"}, "not what MLflow writes"),
    ],
)
def test_what_is_no_mlflow_model_is_told(
    alice: User, folder: dict[str, bytes], complaint: str
) -> None:
    with pytest.raises(InvalidRequest, match=complaint):
        propose(stage(alice, "m.zip", zip_of(folder)), user=alice)


# R.


def r_file(folder: Path, code: str) -> bytes:
    rscript = shutil.which("Rscript")
    assert rscript is not None
    subprocess.run([rscript, "-e", code], cwd=folder, check=True)
    (made,) = folder.glob("model.*")
    return made.read_bytes()


LM = "model <- lm(mpg ~ wt + factor(cyl), mtcars); saveRDS(model, 'model.rds')"
GLM = (
    "d <- transform(warpbreaks, many = breaks > 26);"
    "fit <- glm(many ~ wool + tension, binomial, d); x <- 1; save(x, fit, file = 'model.RData')"
)
FOREST = "saveRDS(randomForest::randomForest(Species ~ ., iris, ntree = 5), 'model.rds')"


@pytest.mark.r
@pytest.mark.parametrize(
    ("code", "name", "expected", "output"),
    [
        (LM, "model.rds", {"wt": "numeric", "cyl": "numeric"}, "mpg_Pred"),
        (GLM, "model.RData", {"wool": "character", "tension": "character"}, "many_Pred"),
    ],
)
def test_a_model_of_r_tells_its_variables(
    alice: User,
    declared_node: RunningNode,
    tmp_path: Path,
    code: str,
    name: str,
    expected: dict[str, str],
    output: str,
) -> None:
    proposal = propose(stage(alice, name, r_file(tmp_path, code)), user=alice)
    assert (proposal.kind, proposal.runtime_type) == ("r", "R")
    assert columns(proposal) == expected
    assert proposal.row_independent
    assert proposal.warnings == []
    run = tried(alice, proposal)
    assert run.success, run.error
    assert list(run.outputs["outputData"]) == [output]


@pytest.mark.r
def test_a_forest_of_r_predicts_the_class(
    alice: User, declared_node: RunningNode, tmp_path: Path
) -> None:
    proposal = propose(stage(alice, "model.rds", r_file(tmp_path, FOREST)), user=alice)
    assert "library(randomForest)" in proposal.init_code
    run = tried(alice, proposal)
    assert run.outputs["outputData"]["Species_Pred"][0] in {"setosa", "versicolor", "virginica"}


@pytest.mark.r
def test_an_object_of_r_without_predict_is_left_to_the_user(
    alice: User, declared_node: RunningNode, tmp_path: Path
) -> None:
    content = r_file(tmp_path, "saveRDS(list(a = 1), 'model.rds')")
    proposal = propose(stage(alice, "model.rds", content), user=alice)
    assert proposal.code == ""
    assert 'model <- readRDS("model.rds")' in proposal.init_code
    assert "no method for predict" in proposal.warnings[0]


@pytest.mark.r
def test_a_damaged_file_of_r_is_told(alice: User, declared_node: RunningNode) -> None:
    with pytest.raises(InvalidRequest, match=r"model\.rds cannot be read"):
        propose(stage(alice, "model.rds", b"nothing of R"), user=alice)


# Others.


def test_code_is_taken_as_it_is(alice: User) -> None:
    proposal = propose(stage(alice, "score.R", b"y <- x"), user=alice)
    assert (proposal.kind, proposal.runtime_type, proposal.code) == ("code", "R", "y <- x")


def test_sample_rows_come_as_files_too(alice: User) -> None:
    proposal = propose(stage(alice, "rows.csv", b"a,b\n1,x\n"), user=alice)
    assert columns(proposal) == {"a": "integer", "b": "character"}


@pytest.mark.parametrize(
    ("name", "content", "complaint"),
    [
        ("model.pt", b"PK\x03\x04", "begins as a zip"),
        ("model.bin", b"\x80\x04", "begins as a pickle"),
        ("model.docx", b"x", "is not understood. These are"),
        ("rows.csv", b"\xff\xfe", "not UTF-8"),
    ],
)
def test_what_is_not_understood_is_told(
    alice: User, name: str, content: bytes, complaint: str
) -> None:
    with pytest.raises(InvalidRequest, match=complaint):
        propose(stage(alice, name, content), user=alice)


def test_several_files_need_one_model(alice: User) -> None:
    chosen = [stage(alice, name, b"x") for name in ("a.pkl", "b.pkl")]
    with pytest.raises(InvalidRequest, match="Of these 2 files 2 could be the model"):
        propose(chosen, user=alice)
