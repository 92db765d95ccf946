"""Trains the model on the data that ships with scikit-learn, and writes it to model.pkl."""

import pickle
from pathlib import Path

from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

data = load_iris(as_frame=True)
measurements = data.data.rename(columns=lambda name: name.removesuffix(" (cm)").replace(" ", "_"))
species = data.target.map(dict(enumerate(data.target_names)))
model = make_pipeline(StandardScaler(), LogisticRegression()).fit(measurements, species)
Path("model.pkl").write_bytes(pickle.dumps(model))
