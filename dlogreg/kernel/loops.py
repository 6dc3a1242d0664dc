"""A pass over the rows of a slab that numba compiles: all it sums, in one sweep.

Up to 32 rows at a time are centred into a buffer that stays in the cache from the
linear predictor to the products. A thread holds the interpreter's lock for no part of a
slab.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from dlogreg.evaluation import FloatArray
from dlogreg.kernel.compiling import compiled
from dlogreg.kernel.product_loops import (
    MULTIPLIED_ROWS,
    centre_rows,
    multiply_rows,
    predict_rows,
    project_rows,
    scale_rows,
)
from dlogreg.kernel.row_loops import (
    CURVATURE,
    GIVEN,
    MOST_ROWS,
    RESIDUAL,
    ROOT,
    SQUARE,
    describe_terms,
    row_terms,
    set_roots,
)

Values = npt.NDArray[Any]


@compiled
def evaluate(
    X: Values,
    centre: FloatArray,
    slopes: FloatArray,
    constant: float,
    event: npt.NDArray[np.bool_],
    weight: FloatArray,
    squares_weight: bool,
    offset: FloatArray,
    rows: FloatArray,
    terms: FloatArray,
    projections: FloatArray,
    z: FloatArray,
    scaled: Values,
    sums: FloatArray,
) -> float:
    """Add what a pass sums of the rows of X, and return the sum of s * loss.

    Parameters
    ----------
    X, centre, slopes, constant
        The linear predictor is constant + sum_j (x_ij - centre_j) slopes_j, beside the
        offset. Slopes beyond the columns are zero, shape (width,).
    event, weight, squares_weight
        See ``row_terms`` and ``describe_terms``.
    offset
        Of the rows; none at all stand for zeros.
    rows
        Receives the terms of ``RowTerms``, shape (4, n_rows); or nothing, shape
        (0, n_rows).
    terms
        Buffer, see ``row_terms``.
    projections
        As ``project_rows``, of so many terms from ``RESIDUAL`` on.
    z
        Buffer of centred rows, zero beyond the columns, shape (n_buffered, width).
    scaled, sums
        As ``multiply_rows``, of rows scaled by the root of ``CURVATURE``; a second of
        both, if there is one, by that of ``SQUARE``.
    """
    loss = 0.0
    for top in range(0, X.shape[0], MULTIPLIED_ROWS):
        end = min(top + MULTIPLIED_ROWS, X.shape[0])
        for low in range(top, end, len(z)):
            n = min(len(z), end - low)
            centre_rows(X, low, n, centre, z)
            for i in range(n):
                terms[i] = offset[low + i] if len(offset) else 0.0
            predict_rows(z, slopes, constant, terms)
            loss += row_terms(event, weight, low, n, terms)
            if len(projections) > GIVEN - RESIDUAL:
                describe_terms(terms, squares_weight)
            project_rows(z, n, terms, RESIDUAL * MOST_ROWS, MOST_ROWS, projections)
            for k in range(len(sums)):
                set_roots(terms, CURVATURE if k == 0 else SQUARE)
                scale_rows(z, n, terms, ROOT * MOST_ROWS, scaled, k, low - top)
            for k in range(len(rows)):
                for i in range(n):
                    rows[k, low + i] = terms[k * MOST_ROWS + i]
        for k in range(len(sums)):
            multiply_rows(scaled, k, end - top, sums)
    return loss


@compiled
def predict(
    X: Values,
    centre: FloatArray,
    slopes: FloatArray,
    constant: float,
    z: FloatArray,
    terms: FloatArray,
    eta: FloatArray,
) -> None:
    """Set every eta_i to constant + sum_j (x_ij - centre_j) slopes_j."""
    for low in range(0, X.shape[0], len(z)):
        n = min(len(z), X.shape[0] - low)
        centre_rows(X, low, n, centre, z)
        for i in range(len(z)):
            terms[i] = 0.0
        predict_rows(z, slopes, constant, terms)
        for i in range(n):
            eta[low + i] = terms[i]


@compiled
def project(
    X: Values, centre: FloatArray, values: FloatArray, z: FloatArray, total: FloatArray
) -> None:
    """Add sum_i values_i z_ij to total_0, as ``project_rows``, for all rows of X."""
    for low in range(0, X.shape[0], len(z)):
        n = min(len(z), X.shape[0] - low)
        centre_rows(X, low, n, centre, z)
        project_rows(z, n, values, low, 0, total)


@compiled
def add_products(
    X: Values,
    centre: FloatArray,
    factors: FloatArray,
    z: FloatArray,
    scaled: Values,
    sums: FloatArray,
) -> None:
    """Add sum_i factors_i^2 z_i z_i' to the first of the sums, for all rows of X."""
    for top in range(0, X.shape[0], MULTIPLIED_ROWS):
        end = min(top + MULTIPLIED_ROWS, X.shape[0])
        for low in range(top, end, len(z)):
            n = min(len(z), end - low)
            centre_rows(X, low, n, centre, z)
            scale_rows(z, n, factors, low, scaled, 0, low - top)
        multiply_rows(scaled, 0, end - top, sums)
