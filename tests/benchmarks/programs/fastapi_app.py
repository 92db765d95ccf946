"""The models behind FastAPI, as its documentation would have it: a typed body, a data frame."""

import os
import pickle
from pathlib import Path

import pandas as pd
from fastapi import FastAPI
from pydantic import BaseModel

MODELS = {
    name: pickle.loads(Path(os.environ["BENCH_MODELS"], f"{name}.pkl").read_bytes())  # noqa: S301
    for name in ("linear", "forest")
}
app = FastAPI()


class Table(BaseModel):
    inputData: dict[str, list[float]]  # noqa: N815


class Prediction(BaseModel):
    prediction: list[float]


# Not `def`: a thread for each call costs more than it brings with models that hold the lock.
@app.post("/{model}")
async def predict(model: str, table: Table) -> Prediction:
    found = MODELS[model].predict(pd.DataFrame(table.inputData))
    return Prediction(prediction=found.tolist())
