"""A pass over the rows of a slab that numba compiles: all it sums, in one sweep.

Rows are centred where they are used, so that no centred copy is written and read again,
and they are taken in tiles that stay in the cache from the linear predictor to the
products. A thread holds the interpreter's lock for no part of a slab.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from dlogreg.evaluation import PRODUCT_ROWS, FloatArray
from dlogreg.kernel.compiling import compiled
from dlogreg.kernel.row_loops import (
    BEND,
    CURVATURE,
    ETA,
    GIVEN,
    MISS,
    OBSERVED,
    RESIDUAL,
    SQUARE,
    describing_terms,
    row_terms,
    short_tile,
)

Values = npt.NDArray[Any]

TILE = 4
"""Lines and columns of a product that are summed side by side in registers."""
TILE_ROWS = PRODUCT_ROWS
"""Rows of which one product is made, before it is added in float64."""
PADDING = 8
"""Values between lines, so that they do not meet in the same places of the cache."""
TOGETHER = 4
"""Rows of which projections are added at once."""


@compiled
def evaluate(
    X: Values,
    centre: FloatArray,
    slopes: FloatArray,
    constant: float,
    event: npt.NDArray[np.bool_],
    weight: FloatArray,
    squares_weight: bool,
    rows: FloatArray,
    projections: FloatArray,
    lines: Values,
    sums: FloatArray,
) -> float:
    """Add what a pass sums of the rows of X, and return the sum of s * loss.

    Parameters
    ----------
    X, centre, slopes, constant
        The linear predictor is constant + sum_j (x_ij - centre_j) slopes_j, beside the
        offset.
    event, weight, squares_weight, rows
        See ``row_terms``; of so many lines the first, which holds the offset, becomes
        the linear predictor.
    projections
        As ``project``, of so many lines of rows from ``RESIDUAL`` on.
    lines, sums
        As ``add_products``, with the weights ``CURVATURE``; a second of the sums, if
        there is one, with ``SQUARE``.
    """
    loss, eta = 0.0, rows[ETA]
    step = TILE_ROWS if len(sums) else short_tile(X.shape[1])
    for low in range(0, X.shape[0], step):
        high = min(low + step, X.shape[0])
        tile = X[low:high]
        predict(tile, centre, slopes, constant, eta[low:high])
        loss += row_terms(
            event[low:high],
            weight[low:high],
            eta[low:high],
            rows[MISS][low:high],
            rows[RESIDUAL][low:high],
            rows[CURVATURE][low:high],
        )
        if len(rows) > SQUARE:
            describing_terms(
                event[low:high],
                weight[low:high],
                squares_weight,
                rows[MISS][low:high],
                rows[CURVATURE][low:high],
                rows[GIVEN][low:high],
                rows[OBSERVED][low:high],
                rows[BEND][low:high],
                rows[SQUARE][low:high],
            )
        for k in range(len(projections)):
            _project(tile, centre, rows[RESIDUAL + k][low:high], projections[k])
        for k in range(len(sums)):
            squared = rows[CURVATURE if k == 0 else SQUARE][low:high]
            _add_product(tile, centre, squared, lines, sums[k])
    return loss


@compiled
def predict(
    X: Values, centre: FloatArray, slopes: FloatArray, constant: float, eta: FloatArray
) -> None:
    """Add the constant + sum_j (x_ij - centre_j) slopes_j to eta_i."""
    for i in range(X.shape[0]):
        total = constant
        for j in range(X.shape[1]):
            total += (X[i, j] - centre[j]) * slopes[j]
        eta[i] += total


@compiled
def project(
    X: Values, centre: FloatArray, values: FloatArray, total: FloatArray
) -> None:
    """Add sum_i values_ki z_ij to total_kj, z_ij = x_ij - centre_j, and z_i0 = 1.

    Shapes (n_lines, n_rows) and (n_lines, 1 + n_columns).
    """
    for k in range(len(total)):
        _project(X, centre, values[k], total[k])


@compiled
def _project(
    X: Values, centre: FloatArray, values: FloatArray, total: FloatArray
) -> None:
    constant, slopes = 0.0, total[1:]
    for i in range(len(values)):
        constant += values[i]
    total[0] += constant
    even = X.shape[0] - X.shape[0] % TOGETHER
    for i in range(0, even, TOGETHER):
        a, b, c, d = values[i], values[i + 1], values[i + 2], values[i + 3]
        e, f, g, h = X[i], X[i + 1], X[i + 2], X[i + 3]
        for j in range(X.shape[1]):
            m = centre[j]
            both = a * (e[j] - m) + b * (f[j] - m)
            slopes[j] += both + (c * (g[j] - m) + d * (h[j] - m))
    for i in range(even, X.shape[0]):
        for j in range(X.shape[1]):
            slopes[j] += values[i] * (X[i, j] - centre[j])


@compiled
def add_products(
    X: Values, centre: FloatArray, squared: FloatArray, lines: Values, sums: FloatArray
) -> None:
    """Add sum_i squared_i z_i z_i' at and below the diagonal, z_ij = x_ij - centre_j.

    Products are made of ``TILE_ROWS`` rows each in the type of ``lines``, which receive
    sqrt(squared_i) z_ij, one line a column; lines without a column are zero. Shapes
    (n_lines, TILE_ROWS + PADDING) and, of the sums, (n_lines, n_lines), n_lines a
    multiple of ``TILE``.
    """
    for low in range(0, X.shape[0], TILE_ROWS):
        high = min(low + TILE_ROWS, X.shape[0])
        _add_product(X[low:high], centre, squared[low:high], lines, sums)


@compiled
def _add_product(
    X: Values, centre: FloatArray, squared: FloatArray, lines: Values, sums: FloatArray
) -> None:
    for i in range(X.shape[0]):
        root = np.sqrt(squared[i])
        for j in range(X.shape[1]):
            lines[j, i] = root * (X[i, j] - centre[j])
    _add_tiles(lines, X.shape[0], sums)


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
