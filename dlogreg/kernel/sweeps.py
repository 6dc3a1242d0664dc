"""Loops over rows or matrices, compiled by numba, that stand alone."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from dlogreg.evaluation import FloatArray
from dlogreg.kernel.compiling import compiled

Values = npt.NDArray[Any]

TOGETHER = 4
"""Rows that are added at once: sums are then read and written a quarter as often."""


@compiled
def describe(
    X: Values,
    centre: FloatArray,
    units: FloatArray,
    weight: FloatArray,
    total: FloatArray,
    low: Values,
    high: Values,
) -> float:
    """Add sum_i weight_i z_ij^2 to total_j; widen the range from low_j to high_j.

    Of the centred values z_ij; an empty weight stands for ones. Returns the largest
    sum_j (units_j z_ij)^2 of a row; infinity where one is not a finite number.
    """
    largest, weighted = 0.0, len(weight) > 0
    even = X.shape[0] - X.shape[0] % TOGETHER
    p = q = r = s = 1.0
    for i in range(0, even, TOGETHER):
        a, b, c, d = X[i], X[i + 1], X[i + 2], X[i + 3]
        if weighted:
            p, q, r, s = weight[i], weight[i + 1], weight[i + 2], weight[i + 3]
        e = f = g = h = 0.0
        for j in range(X.shape[1]):
            m, unit = centre[j], units[j]
            w, x, y, z = a[j] - m, b[j] - m, c[j] - m, d[j] - m
            total[j] += (p * (w * w) + q * (x * x)) + (r * (y * y) + s * (z * z))
            w, x, y, z = w * unit, x * unit, y * unit, z * unit
            e, f, g, h = e + w * w, f + x * x, g + y * y, h + z * z
            low[j] = min(min(low[j], min(a[j], b[j])), min(c[j], d[j]))
            high[j] = max(max(high[j], max(a[j], b[j])), max(c[j], d[j]))
        if not (e < np.inf and f < np.inf and g < np.inf and h < np.inf):
            return np.inf
        largest = max(max(largest, max(e, f)), max(g, h))
    for i in range(even, X.shape[0]):
        factor, e = weight[i] if weighted else 1.0, 0.0
        for j in range(X.shape[1]):
            z = X[i, j] - centre[j]
            total[j] += factor * (z * z)
            e += (z * units[j]) * (z * units[j])
            low[j], high[j] = min(low[j], X[i, j]), max(high[j], X[i, j])
        if not e < np.inf:
            return np.inf
        largest = max(largest, e)
    return largest


@compiled
def scale_rows(X: Values, centre: FloatArray, squared: FloatArray, out: Values) -> None:
    """Set out_ij to sqrt(squared_i) (x_ij - centre_j)."""
    for i in range(X.shape[0]):
        root = np.sqrt(squared[i])
        for j in range(X.shape[1]):
            out[i, j] = root * (X[i, j] - centre[j])


@compiled
def add_symmetric(sums: FloatArray, total: FloatArray) -> None:
    """Add a symmetric matrix of which the sums are known at and above the diagonal.

    They are set back to zero.
    """
    for j in range(total.shape[0]):
        total[j, j] += sums[j, j]
        for k in range(j + 1, total.shape[0]):
            total[j, k] += sums[j, k]
            total[k, j] += sums[j, k]
    sums[...] = 0.0
