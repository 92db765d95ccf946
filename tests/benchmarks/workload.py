"""The models, the rows and what the models say of them: the same for us and all peers."""

import json
import pickle
import subprocess
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from mlops_realtime import realtime_model
from numpy.typing import NDArray
from sklearn.ensemble import RandomForestRegressor
from sklearn.linear_model import LinearRegression

FEATURES = ["crim", "zn", "indus", "chas", "nox", "rm", "age", "dis", "rad", "tax"]
FEATURES += ["ptratio", "black", "lstat"]
LINEAR = "linear"
FOREST = "forest"
# Rows of a request, and how many different requests of that size there are.
REQUESTS = {1: 1000, 100: 64, 10_000: 4}
# Predictions of requests of one row are at least so far apart that none is taken for another.
APART = 2e-3
_TRAINING_ROWS = 500
_POOL_ROWS = 40_000

Rows = NDArray[np.float64]
Writer = Callable[[Rows], str]


@dataclass(frozen=True)
class Workload:
    """Files with models, and rows with the predictions of each model, shape (n, 13) and (n,)."""

    directory: Path
    rows: Rows
    predictions: dict[str, NDArray[np.float64]]

    def file(self, name: str) -> Path:
        """The file `linear.pkl`, `forest.pkl`, `linear.onnx`, `forest.onnx` or `linear.rds`."""
        return self.directory / name

    def bodies(self, n_rows: int, name: str, write: Writer) -> Path:
        """A file with a request of `n_rows` rows in each line; `name` stands for `write`."""
        path = self.directory / f"{name}-{n_rows}.bodies"
        if not path.exists():
            path.write_text("".join(f"{write(self.rows[part])}\n" for part in self._parts(n_rows)))
        return path

    def expected(self, n_rows: int, model: str) -> Path:
        """A file with the predictions for these requests."""
        path = self.directory / f"{model}-{n_rows}.expected"
        if not path.exists():
            parts = (self.predictions[model][part] for part in self._parts(n_rows))
            path.write_text("".join(f"{' '.join(map(repr, part.tolist()))}\n" for part in parts))
        return path

    def _parts(self, n_rows: int) -> Iterable[slice]:
        return (slice(i * n_rows, (i + 1) * n_rows) for i in range(REQUESTS[n_rows]))


def prepare(directory: Path) -> Workload:
    """The models, trained and written to `directory`, and the rows."""
    random = np.random.default_rng(13)
    coefficients = random.normal(size=len(FEATURES))
    training = _draw(random, _TRAINING_ROWS)
    answers = training @ coefficients + np.sin(training[:, 0]) + random.normal(size=len(training))
    frame = pd.DataFrame(training, columns=FEATURES)
    models = {
        LINEAR: LinearRegression().fit(frame, answers),
        FOREST: RandomForestRegressor(100, random_state=13, n_jobs=1).fit(frame, answers),
    }
    for name, model in models.items():
        (directory / f"{name}.pkl").write_bytes(pickle.dumps(model))
        sample = frame.astype(np.float64)
        (directory / f"{name}.onnx").write_bytes(realtime_model(model, sample, response="y"))
    _fit_in_r(directory, frame.assign(y=answers))
    pool = _draw(random, _POOL_ROWS)
    predictions = {name: _predict(model, pool) for name, model in models.items()}
    order = _apart_first(list(predictions.values()), REQUESTS[1])
    return Workload(
        directory, pool[order], {name: found[order] for name, found in predictions.items()}
    )


def columns(rows: Rows) -> dict[str, list[float]]:
    """The rows as named columns."""
    return {name: rows[:, i].tolist() for i, name in enumerate(FEATURES)}


def compact(value: object) -> str:
    """JSON without blanks."""
    return json.dumps(value, separators=(",", ":"))


def _draw(random: np.random.Generator, n_rows: int) -> Rows:
    """Rows of numbers that single precision has as well: ONNX trees compare in it."""
    drawn = random.normal(loc=5.0, scale=2.0, size=(n_rows, len(FEATURES)))
    return np.round(drawn * 2**16) / 2**16


def _predict(model: LinearRegression | RandomForestRegressor, rows: Rows) -> NDArray[np.float64]:
    predicted: NDArray[np.float64] = model.predict(pd.DataFrame(rows, columns=FEATURES))
    return predicted


def _apart_first(predictions: list[NDArray[np.float64]], n_apart: int) -> NDArray[np.int64]:
    """An order of the rows: first `n_apart` whose predictions differ in every model."""
    taken: list[set[int]] = [set() for _ in predictions]
    chosen: list[int] = []
    for row in range(len(predictions[0])):
        cells = [int(found[row] / APART) for found in predictions]
        if all(not used & {c - 1, c, c + 1} for used, c in zip(taken, cells, strict=True)):
            for used, cell in zip(taken, cells, strict=True):
                used.add(cell)
            chosen.append(row)
            if len(chosen) == n_apart:
                break
    else:
        raise ValueError("There are too few rows whose predictions differ.")
    rest = np.setdiff1d(np.arange(len(predictions[0])), chosen)
    return np.concatenate([np.array(chosen), rest])


def _fit_in_r(directory: Path, frame: pd.DataFrame) -> None:
    frame.to_csv(directory / "training.csv", index=False)
    code = 'saveRDS(lm(y ~ ., data = read.csv("training.csv")), "linear.rds")'
    subprocess.run(["Rscript", "--vanilla", "-e", code], cwd=directory, check=True)
