"""The models behind BentoML."""

import os
import pickle
from pathlib import Path

import bentoml
import pandas as pd


@bentoml.service(workers=2, logging={"access": {"enabled": False}})
class Models:
    def __init__(self) -> None:
        directory = Path(os.environ["BENCH_MODELS"])
        self.linear_model = pickle.loads((directory / "linear.pkl").read_bytes())  # noqa: S301
        self.forest_model = pickle.loads((directory / "forest.pkl").read_bytes())  # noqa: S301

    @bentoml.api
    def linear(self, inputData: dict[str, list[float]]) -> list[float]:  # noqa: N803
        found: list[float] = self.linear_model.predict(pd.DataFrame(inputData)).tolist()
        return found

    @bentoml.api
    def forest(self, inputData: dict[str, list[float]]) -> list[float]:  # noqa: N803
        found: list[float] = self.forest_model.predict(pd.DataFrame(inputData)).tolist()
        return found
