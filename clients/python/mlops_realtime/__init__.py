"""Turn fitted scikit-learn, XGBoost and LightGBM models into realtime models of an mlops server."""

from ._conversion import ConversionError
from ._parity import ParityError
from ._realtime_model import realtime_model

__all__ = ["ConversionError", "ParityError", "realtime_model"]
