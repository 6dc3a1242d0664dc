"""Predictions row by row: at once for data in memory, lazily for Dask and Zarr.

``rows`` is plain numpy on one block; ``binary`` and ``several``, of which are
``multinomial`` and ``outcomes``, are the models that use it; ``columns`` finds their
columns in X, and ``blocks`` lays them over its rows.
"""

from dlogreg.prediction.binary import LogitModel
from dlogreg.prediction.blocks import predict_blocks
from dlogreg.prediction.columns import match_columns, model_columns
from dlogreg.prediction.multinomial import MultinomialModel
from dlogreg.prediction.rows import (
    label_array,
    likeliest_rows,
    linear_predictor_rows,
    probability_rows,
)

__all__ = [
    "LogitModel",
    "MultinomialModel",
    "label_array",
    "likeliest_rows",
    "linear_predictor_rows",
    "match_columns",
    "model_columns",
    "predict_blocks",
    "probability_rows",
]
