"""The random forest on Boston: the service predicts what R itself predicts."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings

from tests.e2e.one_box import OneBox

ROWS = 10
TOLERANCE = 1e-9
DEMO = settings.BASE_DIR / "mlops" / "onebox" / "demos" / "bos-rf"
PREDICT = f"""
library(randomForest)
load("model.RData")
rows <- head(MASS::Boston[, names(MASS::Boston) != "medv"], {ROWS})
write(jsonlite::toJSON(list(
  columns = as.list(rows),
  rows = rows,
  predictions = unname(predict(model, rows))
), digits = NA), "expected.json")
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo's folder with a model trained by its own script."""
    folder = tmp_path_factory.mktemp("boston") / "bos-rf"
    shutil.copytree(DEMO, folder)
    definition = folder / "service.toml"
    definition.write_text(definition.read_text().replace('"1.0.0"', '"of-this-test"'))
    rscript(folder, "train.R")
    return folder


@pytest.fixture(scope="module")
def expected(folder: Path) -> dict[str, Any]:
    """What a separate R predicts with the very model file that is published."""
    (folder / "predict.R").write_text(PREDICT)
    rscript(folder, "predict.R")
    expected: dict[str, Any] = json.loads((folder / "expected.json").read_text())
    assert len(expected["predictions"]) == ROWS
    return expected


@pytest.fixture(scope="module")
def published(one_box: OneBox, folder: Path) -> str:
    one_box.manage("publish", str(folder))
    return "bos-rf/of-this-test"


def rscript(folder: Path, script: str) -> None:
    subprocess.run(["Rscript", "--vanilla", script], cwd=folder, check=True, capture_output=True)


@pytest.mark.parametrize("orientation", ["columns", "rows"])
@pytest.mark.parametrize("service", ["bos-rf/1.0.0", "bos-rf/of-this-test"])
@pytest.mark.usefixtures("published")
def test_ten_rows_are_predicted_as_r_predicts_them(
    one_box: OneBox, expected: dict[str, Any], service: str, orientation: str
) -> None:
    # The demo is trained with the same seed, so it is the same forest.
    with one_box.client() as client:
        answer = client.post(f"/api/{service}", json={"inputData": expected[orientation]})
    assert answer.status_code == 200
    assert answer.json()["success"], answer.text
    predictions = answer.json()["outputParameters"]["answer"]
    assert predictions == pytest.approx(expected["predictions"], rel=0, abs=TOLERANCE)
