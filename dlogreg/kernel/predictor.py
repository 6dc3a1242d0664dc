"""The linear predictor of the rows of a slab, by which every kernel sees a model.

    eta_i = o_i + z_i'b

with the row's offset o_i, which no coefficient multiplies; 0 where none was given.
"""

from __future__ import annotations

from dlogreg.evaluation import FloatArray
from dlogreg.kernel.block import Rows
from dlogreg.kernel.slabs import AnySlab


def linear_predictor(slab: AnySlab, params: FloatArray, rows: Rows) -> FloatArray:
    """Return eta of the rows that are loaded in the slab, shape (n_rows,)."""
    eta = slab.predict(params)
    if rows.offset is not None:
        eta += rows.offset
    return eta


def linear_predictors(
    slab: AnySlab, params: FloatArray, rows: Rows, mixing: FloatArray | None = None
) -> FloatArray:
    """Return eta at every column of params, shape (n_points, n_rows).

    With ``mixing``, shape (n_vectors, n_points), at every column of params @ mixing.
    """
    eta = slab.predict_points(params)
    if mixing is not None:
        eta = mixing.T @ eta
    if rows.offset is not None:
        eta += rows.offset
    return eta
