"""A model behind LitServe: litserve_app.py PORT linear|forest."""

import os
import pickle
import sys
from pathlib import Path
from typing import Any

import litserve
import pandas as pd


class Model(litserve.LitAPI):
    def setup(self, device: str) -> None:
        file = Path(os.environ["BENCH_MODELS"], f"{sys.argv[2]}.pkl")
        self.model = pickle.loads(file.read_bytes())  # noqa: S301

    def decode_request(self, request: dict[str, Any]) -> pd.DataFrame:
        return pd.DataFrame(request["inputData"])

    def predict(self, x: pd.DataFrame) -> list[float]:
        found: list[float] = self.model.predict(x).tolist()
        return found

    def encode_response(self, output: list[float]) -> dict[str, list[float]]:
        return {"prediction": output}


if __name__ == "__main__":
    server = litserve.LitServer(Model(), accelerator="cpu", workers_per_device=2, timeout=60)
    server.run(
        host="127.0.0.1",
        port=int(sys.argv[1]),
        log_level="warning",
        access_log=False,
        generate_client_file=False,
    )
