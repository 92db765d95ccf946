"""Writes the model PICKLE as an MLflow model: mlflow_model.py PICKLE FOLDER."""

import pickle
import sys
from pathlib import Path

import mlflow.sklearn

if __name__ == "__main__":
    model = pickle.loads(Path(sys.argv[1]).read_bytes())  # noqa: S301
    mlflow.sklearn.save_model(
        model,
        sys.argv[2],
        # Named, or they would be found out by loading the model in yet another process.
        pip_requirements=["scikit-learn"],
        skops_trusted_types=["sklearn.tree._tree.Tree"],
    )
