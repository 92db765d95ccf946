"""Whether the converted model answers what the model itself answers."""

import warnings
from typing import Any

import numpy as np

_RELATIVE = 1e-4
_OF_THE_LARGEST = 1e-5


class ParityError(ValueError):
    """The converted model answers something else than the model itself; the text has the row."""


def check_parity(model: Any, sample: Any, outputs: list[Any]) -> None:
    """Nothing; ParityError with the worst row unless `outputs`, of the converted model, agree."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of feature names, given or not
        given = sample if _knows_names(model) else sample.to_numpy()
        answer = model.predict if hasattr(model, "predict") else model.transform
        _compare("answers", np.asarray(answer(given)), outputs[0], sample)
        if hasattr(model, "predict_proba") and len(outputs) > 1:
            expected = np.asarray(model.predict_proba(given))
            _compare("gives the probabilities", expected, outputs[1], sample)


def _knows_names(model: Any) -> bool:
    return hasattr(model, "feature_names_in_")


def _compare(verb: str, expected: Any, found: Any, sample: Any) -> None:
    n_rows = len(sample)
    if expected.size != found.size or not len(expected) == len(found) == n_rows:
        raise ParityError(
            f"The converted model {verb} in the shape {found.shape}, the model itself in "
            f"{expected.shape}."
        )
    ours, theirs = expected.reshape(n_rows, -1), found.reshape(n_rows, -1)
    if expected.dtype.kind in "fc":
        badness = _numeric_badness(ours.astype(float), theirs.astype(float))
    else:
        badness = (ours.astype(object) != theirs.astype(object)).any(axis=1).astype(float)
    worst = int(badness.argmax())
    if badness[worst] > 0:
        raise ParityError(
            f"On row {sample.index[worst]!r} of the sample the converted model {verb} "
            f"{_shown(theirs[worst])}, the model itself {_shown(ours[worst])}; "
            f"{int((badness > 0).sum())} of {n_rows} rows differ. The row: "
            f"{sample.iloc[worst].to_dict()}"
        )


def _numeric_badness(ours: Any, theirs: Any) -> Any:
    """How far each row is beyond the tolerance; 0 within."""
    finite = ours[np.isfinite(ours)]
    largest = np.abs(finite).max() if finite.size else 0.0
    with np.errstate(invalid="ignore"):
        excess = np.abs(ours - theirs) - (_RELATIVE * np.abs(ours) + _OF_THE_LARGEST * largest)
    same = (ours == theirs) | (np.isnan(ours) & np.isnan(theirs))
    excess = np.where(same, 0.0, np.where(np.isnan(excess), np.inf, excess))
    return np.clip(excess, 0.0, None).max(axis=1)


def _shown(row: Any) -> str:
    values = [each.item() if hasattr(each, "item") else each for each in row[:10]]
    return repr(values[0] if len(row) == 1 else values)
