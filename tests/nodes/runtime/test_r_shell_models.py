"""Models saved by R give the predictions of R."""

import json
from pathlib import Path

import pytest

from .r_shells import RShell, run_r

pytestmark = pytest.mark.r

TRAIN_AND_PREDICT = """
paths <- commandArgs(TRUE)
set.seed(11)
boston <- MASS::Boston
forest <- randomForest::randomForest(medv ~ ., boston, ntree = 100)
line <- lm(medv ~ ., boston)
save(forest, line, file = paths[1])
rows <- boston[seq(1, 500, length.out = 10), names(boston) != "medv"]
json <- function(x) jsonlite::toJSON(x, dataframe = "columns", digits = I(17))
cat(json(list(
  rows = rows,
  forest = unname(predict(forest, rows)),
  line = unname(predict(line, rows))
)))
"""


@pytest.mark.parametrize("model", ["forest", "line"])
def test_ten_predictions_on_boston_equal_those_of_r(tmp_path: Path, model: str) -> None:
    workspace = tmp_path / "models.RData"
    truth = json.loads(run_r(TRAIN_AND_PREDICT, str(workspace)))
    with RShell(tmp_path / "shell") as shell:
        loaded = shell.load(
            f"answer <- predict({model}, inputData)",
            init="library(randomForest)",
            inputs={"inputData": "data.frame"},
            outputs={"answer": "vector"},
            files={".RData": workspace.read_bytes()},
        )
        assert loaded == {"ok": True}
        for _ in range(2):
            run = shell.score(inputData=truth["rows"])
            assert run.success, run.error
            assert len(run.outputs["answer"]) == 10
            assert run.outputs["answer"] == pytest.approx(truth[model], abs=1e-9, rel=0)
