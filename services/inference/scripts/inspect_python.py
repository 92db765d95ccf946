"""Looks into a file with a Python object; runs in a shell of a compute node, never elsewhere.

It finds `file_name` among its variables and leaves `report`, JSON in a text. Whatever the file does
when it is read, it does in that shell, as the code of a version might.
"""

import importlib.metadata
import json
import pickle
import platform
import warnings

N_SHOWN = 200  # categories of a column
N_TREES = 20


def load(path):
    """The object, and how the code of a version gets it."""
    try:
        import joblib
    except ImportError:
        joblib = None
    if path.lower().endswith((".ubj", ".xgb", ".json")):
        import xgboost

        return xgboost.Booster(model_file=path), "xgboost"
    if path.lower().endswith((".lgb", ".txt")):
        import lightgbm

        return lightgbm.Booster(model_file=path), "lightgbm"
    if path.lower().endswith(".dill"):
        import dill

        with open(path, "rb") as file:
            return dill.load(file), "dill"
    if joblib is not None:
        return joblib.load(path), "joblib"
    with open(path, "rb") as file:
        return pickle.load(file), "pickle"


def steps_of(model):
    """The model and all that is inside it: of pipelines, searches, ensembles and transformers."""
    found, waiting = [], [model]
    while waiting and len(found) < 100:
        one = waiting.pop(0)
        if one is None or isinstance(one, str) or any(one is other for other in found):
            continue
        found.append(one)
        waiting += [step for _, step in getattr(one, "steps", None) or []]
        for name in (
            "best_estimator_",
            "estimator_",
            "regressor_",
            "transformer_",
            "_preprocessor",
        ):
            waiting.append(vars(one).get(name) if hasattr(one, "__dict__") else None)
        waiting += [each[1] for each in getattr(one, "transformers_", None) or []]
        for each in getattr(one, "calibrated_classifiers_", None) or []:
            waiting.append(getattr(each, "estimator", None))
    return found


def innermost(model):
    """What predicts at the end of pipelines and searches."""
    for _ in range(10):
        if getattr(model, "steps", None):
            model = model.steps[-1][1]
        elif hasattr(model, "best_estimator_"):
            model = model.best_estimator_
        else:
            break
    return model


def first(steps, name):
    """The attribute of the first step that has it."""
    for step in steps:
        try:
            value = getattr(step, name)
        except Exception:
            continue
        if value is not None:
            return value
    return None


def kind_of_values(values):
    """The type of a column that holds them."""
    kinds = {type(value) for value in values if value is not None and value == value}
    if kinds and kinds <= {bool}:
        return "logical"
    if kinds and kinds <= {int}:
        return "integer"
    if kinds and kinds <= {int, float}:
        return "numeric"
    return "character"


def plain(value):
    """A scalar of numpy as one of Python."""
    return value.item() if hasattr(value, "item") else value


class Features:
    """What is known of each column."""

    def __init__(self, names, n):
        self.names = names
        self.types = [""] * n
        self.values = [()] * n
        self.examples = [None] * n
        self.categorical = {}  # that have to be of pandas' own kind

    def place(self, column):
        """Its number, by its name or position; None for one that is not among them."""
        if isinstance(column, str):
            return self.names.index(column) if self.names and column in self.names else None
        return column if isinstance(column, int) and 0 <= column < len(self.types) else None

    def categories(self, column, values):
        """Note that the column takes one of the values."""
        place = self.place(column)
        if place is None:
            return
        values = [plain(value) for value in values]
        self.types[place] = kind_of_values(values)
        shown = [value for value in values if value is not None and value == value]
        if self.types[place] == "character":
            self.values[place] = tuple(str(value) for value in shown[:N_SHOWN])
        if shown:
            self.examples[place] = shown[0] if self.types[place] != "character" else str(shown[0])

    def number(self, column, value):
        """Note that the column takes numbers such as the value."""
        place = self.place(column)
        if place is None:
            return
        if not self.types[place]:
            self.types[place] = "numeric"
        value = plain(value)
        if self.examples[place] is None and isinstance(value, (int, float)) and value == value:
            self.examples[place] = float("%.4g" % value)


def study(transformer, columns, features):
    """What a fitted transformer knows of the columns that it takes."""
    for step in steps_of(transformer):
        categories = getattr(step, "categories_", None)
        if categories is not None and len(categories) == len(columns):
            for column, values in zip(columns, categories):
                features.categories(column, list(values))
        for name in ("statistics_", "mean_", "center_", "data_min_"):
            numbers = getattr(step, name, None)
            if numbers is not None and len(numbers) == len(columns):
                for column, number in zip(columns, numbers):
                    if isinstance(plain(number), str):
                        features.categories(column, [number])
                    else:
                        features.number(column, number)


def columns_of(selected, features):
    """Names or numbers of the columns that a ColumnTransformer gives to a part of itself."""
    import numpy as np

    if isinstance(selected, slice):
        return list(range(len(features.types)))[selected]
    if isinstance(selected, str) or np.isscalar(selected):
        return [plain(selected)]
    chosen = [plain(one) for one in selected]
    if chosen and all(isinstance(one, bool) for one in chosen):
        return [place for place, one in enumerate(chosen) if one]
    return chosen


def study_trees(steps, features):
    """Thresholds of trees are numbers as the columns hold them."""
    import numpy as np

    for step in steps:
        trees = getattr(step, "estimators_", None)
        if hasattr(step, "tree_"):
            trees = [step]
        else:
            trees = list(trees.ravel() if hasattr(trees, "ravel") else trees or [])[:N_TREES]
        found = {}
        for one in trees:
            tree = getattr(one, "tree_", None)
            if tree is None:
                continue
            for place, threshold in zip(tree.feature, tree.threshold):
                if place >= 0:
                    found.setdefault(int(place), []).append(float(threshold))
        for place, thresholds in found.items():
            features.number(place, np.median(thresholds))


def study_rows(steps, features):
    """Models that keep rows, or means of some, have examples of all columns."""
    for step in steps:
        for name in ("_fit_X", "support_vectors_", "cluster_centers_", "theta_", "means_"):
            rows = getattr(step, name, None)
            shape = getattr(rows, "shape", ())
            if len(shape) == 2 and shape[0] and shape[1] == len(features.types):
                row = rows[0].toarray().ravel() if hasattr(rows, "toarray") else rows[0]
                for place, number in enumerate(row):
                    features.number(place, number)


def study_boosters(steps, features):
    """What LightGBM and XGBoost keep of the columns."""
    for step in steps:
        kind = type(step).__module__.partition(".")[0]
        if kind == "lightgbm":
            study_lightgbm(getattr(step, "booster_", step), features)
        elif kind == "xgboost":
            study_xgboost(step.get_booster() if hasattr(step, "get_booster") else step, features)


def study_lightgbm(booster, features):
    """Ranges of numbers, and the categories of pandas' own kind."""
    categories = list(getattr(booster, "pandas_categorical", None) or [])
    for name, info in booster.dump_model().get("feature_infos", {}).items():
        low, high = info.get("min_value"), info.get("max_value")
        if info.get("values") and categories:
            values = categories.pop(0)
            features.categories(name, values)
            features.categorical[name] = values
        elif isinstance(low, (int, float)) and isinstance(high, (int, float)):
            features.number(name, (low + high) / 2)


def study_xgboost(booster, features):
    """Types as it names them, and the splits of its trees."""
    for place, type_name in enumerate(booster.feature_types or []):
        if place < len(features.types) and type_name in ("int", "i"):
            features.types[place] = features.types[place] or (
                "logical" if type_name == "i" else "integer"
            )
    names = booster.feature_names or ["f%d" % place for place in range(len(features.types))]
    some = booster[: min(N_TREES, booster.num_boosted_rounds())]
    for name, splits in some.trees_to_dataframe().groupby("Feature")["Split"]:
        if name in names:
            features.number(names.index(name), splits.median())


def learn(model, steps, features):
    """Fill in `features` from all that was fitted."""
    transformer = next((one for one in steps if hasattr(one, "transformers_")), None)
    if transformer is not None:
        for _, part, selected in transformer.transformers_:
            if part == "drop":
                continue
            columns = columns_of(selected, features)
            if part == "passthrough":
                for column in columns:
                    features.number(column, None)
            else:
                study(part, columns, features)
        return
    everything = features.names or list(range(len(features.types)))
    for step in steps:
        study(step, everything, features)
    # Behind other steps trees see other columns.
    if not hasattr(model, "steps") or len(model.steps) == 1:
        study_trees(steps, features)
        study_rows(steps, features)
    study_boosters(steps, features)


def frame_of(features, columns):
    """One row with examples."""
    import pandas as pd

    row = {
        name: [value if value is not None else "" if kind == "character" else 0.0]
        for name, value, kind in zip(columns, features.examples, features.types)
    }
    frame = pd.DataFrame(row)
    for name, values in features.categorical.items():
        frame[name] = pd.Categorical(frame[name], categories=values)
    return frame


def rows_of(frame, result):
    """What the model takes, of the frame."""
    if result["takes"] == "text":
        return frame["text"]
    if result["takes"] == "matrix":
        import xgboost

        return xgboost.DMatrix(frame)
    return frame if result["named"] else frame.to_numpy()


def try_out(model, features, columns, result):
    """What comes of the example row: width and type of the prediction, probabilities."""
    rows = rows_of(frame_of(features, columns), result)
    predicted = model.predict(rows)
    shape = getattr(predicted, "shape", (len(predicted),))
    result["width"] = int(shape[1]) if len(shape) > 1 else 1
    values = [
        plain(value) for value in (predicted.ravel() if hasattr(predicted, "ravel") else predicted)
    ]
    result["output_type"] = kind_of_values(values)
    result["proba"] = False
    if hasattr(model, "predict_proba"):
        probabilities = model.predict_proba(rows)
        classes = result["classes"]
        result["proba"] = (
            getattr(probabilities, "ndim", 0) == 2 and len(classes) == probabilities.shape[1]
        )


def names_of(model, steps, library, result):
    """The names of the columns, None when they have none, and how many they are, if that is known;
    notes in what form the model takes them."""
    if any(hasattr(step, "vocabulary_") for step in steps[1:2]):
        result["takes"] = "text"
        return ["text"], 1
    names = first(steps[:1], "feature_names_in_")
    if type(model).__name__ == "Booster":
        if library == "xgboost":
            result["takes"] = "matrix"
            return model.feature_names, int(model.num_features())
        names = model.feature_name()
    elif names is None and library == "lightgbm" and hasattr(model, "feature_name_"):
        names = model.feature_name_
    if names is None:
        return None, first(steps[:1], "n_features_in_")
    if library == "lightgbm" and all(
        name == "Column_%d" % place for place, name in enumerate(names)
    ):
        return None, len(names)
    return names, len(names)


def describe(model, loader):
    """The report of an object that was loaded."""
    kind = type(model)
    library = kind.__module__.partition(".")[0]
    try:
        version = importlib.metadata.version({"sklearn": "scikit-learn"}.get(library, library))
    except Exception:
        version = ""
    result = {
        "class": kind.__qualname__,
        "inner": type(innermost(model)).__qualname__,
        "module": kind.__module__,
        "library": library,
        "version": version,
        "loader": loader,
        "has_predict": callable(getattr(model, "predict", None)),
        "has_transform": callable(getattr(model, "transform", None)),
        "columns": [],
        "named": False,
        "takes": "frame",  # or an xgboost.DMatrix, or the texts of one column
        "categorical": {},
        "classes": [],
        "proba": False,
        "width": 1,
        "output_type": "",
        "tried": "",
    }
    if not result["has_predict"]:
        return result
    steps = steps_of(model)
    names, n = names_of(model, steps, library, result)
    if n is None:
        result["tried"] = "It does not say which columns it takes."
        return result
    n = int(n)
    names = None if names is None else [str(name) for name in names]
    result["named"] = names is not None
    columns = names or ["x%d" % (place + 1) for place in range(n)]
    features = Features(names, n)
    try:
        if result["takes"] == "text":
            features.categories("text", ["some text"])
            features.values[0] = ()
        else:
            learn(model, steps, features)
    except Exception as error:
        warnings.warn("Types of its columns could not be read: %s" % error)
    result["categorical"] = {
        name: [plain(value) for value in values] for name, values in features.categorical.items()
    }
    classes = first(steps[:1], "classes_")
    if classes is not None and getattr(classes, "ndim", 1) == 1 and not isinstance(classes, list):
        result["classes"] = [plain(one) for one in classes]
    try:
        try_out(model, features, columns, result)
        # What was not said to be a text was a number, and it worked.
        features.types = [kind or "numeric" for kind in features.types]
    except Exception as error:
        result["tried"] = "%s: %s" % (type(error).__name__, error)
        result["proba"] = hasattr(model, "predict_proba") and bool(result["classes"])
    result["columns"] = [
        {"name": name, "type": kind, "values": list(values), "example": example}
        for name, kind, values, example in zip(
            columns, features.types, features.values, features.examples
        )
    ]
    return result


def inspect(path):
    """The report, of what goes wrong as well."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            model, loader = load(path)
            result = describe(model, loader)
        except ModuleNotFoundError as error:
            result = {"error": str(error), "missing": (error.name or "").partition(".")[0]}
        except BaseException as error:
            result = {"error": "%s: %s" % (type(error).__name__, error), "missing": ""}
    texts = [str(one.message).strip() for one in caught if "eprecat" not in one.category.__name__]
    result["warnings"] = list(dict.fromkeys(texts))[:10]
    result["python"] = platform.python_version()
    return result


report = json.dumps(inspect(file_name), default=str)
