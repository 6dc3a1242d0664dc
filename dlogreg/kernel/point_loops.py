"""Loss and gradient at several points in one sweep over the rows, compiled by numba.

Few rows are taken at a time, which stay in the cache from the linear predictors to the
gradients, so that wide rows are read from memory once.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from dlogreg.evaluation import FloatArray
from dlogreg.kernel.compiling import compiled
from dlogreg.kernel.row_loops import (
    CURVATURE,
    MOST_ROWS,
    N_LINES,
    RESIDUAL,
    row_terms,
)

Values = npt.NDArray[Any]

CACHED_VALUES = 2**16
"""Values of X that stay in the cache."""
LONGEST = 384
"""Rows of few columns that are taken at a time."""
TOGETHER = 4
"""Rows that are added at once: sums are then read and written a quarter as often."""
CACHED_COLUMNS = 1024
"""Columns of it that are projected at once."""


@compiled
def evaluate_points(
    X: Values,
    centre: FloatArray,
    vectors: FloatArray,
    constants: FloatArray,
    mixing: FloatArray,
    offset: FloatArray,
    event: npt.NDArray[np.bool_],
    weight: FloatArray,
    n_bends: int,
    losses: FloatArray,
    sums: FloatArray,
) -> None:
    """Add sum s * loss and the projections of the residuals at several points.

    Parameters
    ----------
    X, centre, vectors, constants, mixing
        Linear predictors at the points are the columns of mixing, (n_vectors,
        n_points), times constants_v + sum_j (x_ij - centre_j) vectors_vj, n_vectors
        even.
    offset, event, weight
        Of the rows; an empty offset stands for zeros, an empty weight for ones.
    losses
        Shape (n_points,).
    sums
        Lines as in ``project_rows``, an even number of them: residuals, then
        ``CURVATURE`` of the first ``n_bends`` points.
    """
    n_points, step = mixing.shape[1], _rows_at_once(X.shape[1])
    found, values = np.empty((len(vectors), step)), np.zeros((len(sums), step))
    terms = np.zeros(N_LINES * MOST_ROWS)
    residual, curvature = RESIDUAL * MOST_ROWS, CURVATURE * MOST_ROWS
    for low in range(0, X.shape[0], step):
        n = min(step, X.shape[0] - low)
        _predict_lines(X[low : low + n], centre, vectors, constants, found)
        for k in range(n_points):
            for start in range(0, n, MOST_ROWS):
                count = min(MOST_ROWS, n - start)
                for i in range(count):
                    terms[i] = offset[low + start + i] if len(offset) else 0.0
                for v in range(len(vectors)):
                    for i in range(count):
                        terms[i] += mixing[v, k] * found[v, start + i]
                losses[k] += row_terms(event, weight, low + start, count, terms)
                for i in range(count):
                    values[k, start + i] = terms[residual + i]
                if k < n_bends:
                    for i in range(count):
                        values[n_points + k, start + i] = terms[curvature + i]
        for left in range(0, X.shape[1], CACHED_COLUMNS):
            right = min(left + CACHED_COLUMNS, X.shape[1])
            for k in range(0, len(sums), 2):
                _project_pair(X, centre, low, n, left, right, values, sums, k)
        for k in range(len(sums)):
            sums[k, 0] += values[k][:n].sum()


@compiled
def _rows_at_once(n_columns: int) -> int:
    """Return how many rows are read twice while they are in the cache."""
    rows = CACHED_VALUES // max(1, n_columns) // TOGETHER * TOGETHER
    return max(2 * TOGETHER, min(LONGEST, rows))


@compiled
def _predict_lines(
    X: Values,
    centre: FloatArray,
    vectors: FloatArray,
    constants: FloatArray,
    eta: FloatArray,
) -> None:
    """Set eta_vi to constants_v + sum_j (x_ij - centre_j) vectors_vj, two v at once."""
    even = X.shape[0] - X.shape[0] % TOGETHER
    for v in range(0, len(vectors), 2):
        p, q, s, t = vectors[v], vectors[v + 1], constants[v], constants[v + 1]
        for i in range(0, even, TOGETHER):
            a, b, c, d = X[i], X[i + 1], X[i + 2], X[i + 3]
            e = f = g = h = s
            k = u = m = n = t
            for j in range(X.shape[1]):
                x, y, mean = p[j], q[j], centre[j]
                one, two, three, four = (
                    a[j] - mean,
                    b[j] - mean,
                    c[j] - mean,
                    d[j] - mean,
                )
                e, f, g, h = e + one * x, f + two * x, g + three * x, h + four * x
                k, u, m, n = k + one * y, u + two * y, m + three * y, n + four * y
            eta[v, i], eta[v, i + 1], eta[v, i + 2], eta[v, i + 3] = e, f, g, h
            line = eta[v + 1]
            line[i], line[i + 1], line[i + 2], line[i + 3] = k, u, m, n
        for i in range(even, X.shape[0]):
            e, k = s, t
            for j in range(X.shape[1]):
                one = X[i, j] - centre[j]
                e, k = e + one * p[j], k + one * q[j]
            eta[v, i], eta[v + 1, i] = e, k


@compiled
def _project_pair(
    X: Values,
    centre: FloatArray,
    low: int,
    n_rows: int,
    left: int,
    right: int,
    values: FloatArray,
    sums: FloatArray,
    k: int,
) -> None:
    """Add sum_i values_ki z_ij to sums_kj, of the rows from low on, for k and k + 1."""
    means, r, s = centre[left:right], values[k], values[k + 1]
    g, h = sums[k][1 + left : 1 + right], sums[k + 1][1 + left : 1 + right]
    even = n_rows - n_rows % TOGETHER
    for i in range(0, even, TOGETHER):
        row = low + i
        a, b = X[row][left:right], X[row + 1][left:right]
        c, d = X[row + 2][left:right], X[row + 3][left:right]
        for j in range(len(means)):
            m = means[j]
            w, x, y, z = a[j] - m, b[j] - m, c[j] - m, d[j] - m
            g[j] += (r[i] * w + r[i + 1] * x) + (r[i + 2] * y + r[i + 3] * z)
            h[j] += (s[i] * w + s[i + 1] * x) + (s[i + 2] * y + s[i + 3] * z)
    for i in range(even, n_rows):
        a = X[low + i][left:right]
        for j in range(len(means)):
            w = a[j] - means[j]
            g[j] += r[i] * w
            h[j] += s[i] * w
