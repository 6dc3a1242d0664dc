"""Loops over rows that numba compiles: what numpy does in several sweeps, in one.

Rows are centred where they are used, so that no centred copy is written and read again,
and a thread holds the interpreter's lock for no part of a slab. Sums may be taken in
any order (``reassoc``), which lets the compiler use vectors; NaN and infinity are kept.

The package numba is needed: ``pip install "dlogreg[numba]"``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import numba
import numpy as np
import numpy.typing as npt

from dlogreg.evaluation import PRODUCT_ROWS, FloatArray

Values = npt.NDArray[Any]
F = TypeVar("F", bound=Callable[..., Any])

TILE = 4
"""Lines and columns of a product that are summed side by side in registers."""
TILE_ROWS = PRODUCT_ROWS
"""Rows of which one product is made, before it is added in float64."""
PADDING = 8
"""Values between lines, so that they do not meet in the same places of the cache."""


def compiled(function: F) -> F:
    """Compile a function when it is first called; keep it on disk where that can be."""
    options: dict[str, Any] = {
        "nogil": True,
        "error_model": "numpy",
        "fastmath": {"contract", "nsz", "reassoc"},
    }
    try:
        made: F = numba.njit(cache=True, **options)(function)
    except RuntimeError:  # nowhere to write
        made = numba.njit(**options)(function)
    return made


@compiled
def predict(
    X: Values, centre: FloatArray, slopes: FloatArray, constant: float, eta: Values
) -> None:
    """Set eta_i to the constant + sum_j (x_ij - centre_j) slopes_j."""
    for i in range(X.shape[0]):
        total = constant
        for j in range(X.shape[1]):
            total += (X[i, j] - centre[j]) * slopes[j]
        eta[i] = total


@compiled
def project(X: Values, centre: FloatArray, values: Values, total: FloatArray) -> None:
    """Add sum_i values_i (x_ij - centre_j) to total_j."""
    for i in range(X.shape[0]):
        value = values[i]
        for j in range(X.shape[1]):
            total[j] += value * (X[i, j] - centre[j])


@compiled
def squares(
    X: Values,
    centre: FloatArray,
    units: FloatArray,
    weight: FloatArray,
    total: FloatArray,
) -> float:
    """Add sum_i weight_i z_ij^2 to total_j, of the centred values z_ij.

    Returns the largest sum_j (units_j z_ij)^2 of a row; infinity where one is not a
    finite number.
    """
    largest = 0.0
    for i in range(X.shape[0]):
        factor, norm = weight[i], 0.0
        for j in range(X.shape[1]):
            z = X[i, j] - centre[j]
            total[j] += factor * (z * z)
            scaled = z * units[j]
            norm += scaled * scaled
        if not norm < np.inf:
            return np.inf
        largest = max(largest, norm)
    return largest


@compiled
def ranges(X: Values, low: Values, high: Values) -> None:
    """Widen the ranges from low_j to high_j by x_ij of all rows."""
    for i in range(X.shape[0]):
        for j in range(X.shape[1]):
            low[j] = min(low[j], X[i, j])
            high[j] = max(high[j], X[i, j])


@compiled
def scale_rows(
    X: Values,
    centre: FloatArray,
    values: Values,
    roots: Values,
    out: Values,
    projections: FloatArray,
) -> None:
    """Set out_ij to roots_i z_ij, with z_ij = x_ij - centre_j.

    Adds sum_i values_i z_ij and sum_i roots_i^2 z_ij to the two lines of projections.
    """
    first, second = projections[0], projections[1]
    for i in range(X.shape[0]):
        value, root = values[i], roots[i]
        weight = root * root
        for j in range(X.shape[1]):
            z = X[i, j] - centre[j]
            first[j] += value * z
            second[j] += weight * z
            out[i, j] = root * z


@compiled
def add_products(
    X: Values,
    centre: FloatArray,
    values: Values,
    roots: Values,
    lines: Values,
    projections: FloatArray,
    sums: FloatArray,
) -> None:
    """Add sum_i roots_i^2 z_i z_i' at and below the diagonal, z_ij = x_ij - centre_j.

    Adds the projections of ``scale_rows`` too. Products are made of ``TILE_ROWS`` rows
    each in the type of ``lines``, which receive roots_i z_ij, one line a column; lines
    without a column are zero. Shapes (n_lines, TILE_ROWS + PADDING) and, of the sums,
    (n_lines, n_lines), n_lines a multiple of ``TILE``.
    """
    first, second = projections[0], projections[1]
    for low in range(0, X.shape[0], TILE_ROWS):
        n_rows = min(TILE_ROWS, X.shape[0] - low)
        for i in range(n_rows):
            value, root = values[low + i], roots[low + i]
            weight = root * root
            for j in range(X.shape[1]):
                z = X[low + i, j] - centre[j]
                first[j] += value * z
                second[j] += weight * z
            for j in range(X.shape[1]):  # apart, so that the sums above are vectors
                lines[j, i] = root * (X[low + i, j] - centre[j])
        _add_tiles(lines, n_rows, sums)


@compiled
def _add_tiles(lines: Values, n_rows: int, sums: FloatArray) -> None:
    """Add the products of all lines with those not above them, tile by tile."""
    for j in range(0, lines.shape[0], TILE):
        a, b, c, d = lines[j], lines[j + 1], lines[j + 2], lines[j + 3]
        for k in range(0, j + 1, TILE):
            e, f, g, h = lines[k], lines[k + 1], lines[k + 2], lines[k + 3]
            ae = be = ce = de = af = bf = cf = df = lines.dtype.type(0)
            ag = bg = cg = dg = ah = bh = ch = dh = lines.dtype.type(0)
            for i in range(n_rows):
                ae, af, ag, ah = _added(ae, af, ag, ah, a[i], e[i], f[i], g[i], h[i])
                be, bf, bg, bh = _added(be, bf, bg, bh, b[i], e[i], f[i], g[i], h[i])
                ce, cf, cg, ch = _added(ce, cf, cg, ch, c[i], e[i], f[i], g[i], h[i])
                de, df, dg, dh = _added(de, df, dg, dh, d[i], e[i], f[i], g[i], h[i])
            _add_line(sums[j], k, ae, af, ag, ah)
            _add_line(sums[j + 1], k, be, bf, bg, bh)
            _add_line(sums[j + 2], k, ce, cf, cg, ch)
            _add_line(sums[j + 3], k, de, df, dg, dh)


@compiled
def _added(
    p: float,
    q: float,
    r: float,
    s: float,
    x: float,
    e: float,
    f: float,
    g: float,
    h: float,
) -> tuple[float, float, float, float]:
    return p + x * e, q + x * f, r + x * g, s + x * h


@compiled
def _add_line(line: FloatArray, k: int, p: float, q: float, r: float, s: float) -> None:
    line[k] += p
    line[k + 1] += q
    line[k + 2] += r
    line[k + 3] += s


@compiled
def add_symmetric(sums: FloatArray, total: FloatArray) -> None:
    """Add a symmetric matrix of which the sums are known at and below the diagonal.

    They are set back to zero.
    """
    for j in range(total.shape[0]):
        for k in range(j):
            total[j, k] += sums[j, k]
            total[k, j] += sums[j, k]
        total[j, j] += sums[j, j]
    sums[...] = 0.0
