"""Files with fitted models, as people have them on their laptops."""

import io
from typing import Any

import joblib
import pandas as pd
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import RandomForestClassifier
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.naive_bayes import MultinomialNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

FLOWERS = pd.DataFrame(
    {
        "length": [5.1, 4.9, 6.3, 5.8, 7.1, 6.5] * 5,
        "width": [3.5, 3.0, 3.3, 2.7, 3.0, 3.0] * 5,
    }
)
SPECIES = ["setosa", "setosa", "virginica", "virginica", "virginica", "virginica"] * 5
CUSTOMERS = pd.DataFrame(
    {
        "age": [25, 40, 61, 33, 52, 47],
        "income": [2100.0, 3500.5, 4100.0, 2800.0, 5200.0, 3300.0],
        "region": ["north", "south", "south", "west", "north", "west"],
    }
)
CHURNED = [0, 1, 1, 0, 1, 0]


def dumped(model: Any, **options: Any) -> bytes:
    """The bytes of a joblib file."""
    content = io.BytesIO()
    joblib.dump(model, content, **options)
    return content.getvalue()


def forest() -> Any:
    return RandomForestClassifier(5, random_state=1).fit(FLOWERS, SPECIES)


def line_without_names() -> Any:
    return LinearRegression().fit([[1.0, 2.0], [2.0, 1.0], [3.0, 5.0]], [5.0, 4.0, 13.0])


def pipeline() -> Any:
    columns = ColumnTransformer(
        [("numbers", StandardScaler(), ["age", "income"]), ("texts", OneHotEncoder(), ["region"])]
    )
    return make_pipeline(columns, LogisticRegression()).fit(CUSTOMERS, CHURNED)


def of_texts() -> Any:
    return make_pipeline(CountVectorizer(), MultinomialNB()).fit(
        ["good day", "bad day"] * 3, ["pos", "neg"] * 3
    )


def with_long_names() -> Any:
    columns = [f"mean of the {number}th value" for number in range(12)]
    rows = pd.DataFrame([range(12), range(1, 13)], columns=columns)
    return LinearRegression().fit(rows, [1.0, 2.0])
