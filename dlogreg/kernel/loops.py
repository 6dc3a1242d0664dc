"""A pass over the rows of a slab that numba compiles: all it sums, in one sweep.

Rows are centred where they are used, so that no centred copy is written and read again,
and they are taken in tiles that stay in the first-level cache from the linear predictor
to the products. A thread holds the interpreter's lock for no part of a slab.

A row's loss is that of ``loss.py``: with the margin m, positive where the model is
right, and e = exp(-abs(m)),

    loss      = log(1 + e) - min(m, 0)
    miss      = sigma(-m) = e / (1 + e) where m > 0, else 1 / (1 + e)
    curvature = e / (1 + e)^2

numba calls the C library for exp and log1p row by row. Written out, over the ranges
that are needed here, the compiler makes vectors of them, which takes a tenth of the
time. The methods are those of fdlibm (Sun Microsystems 1993, e_exp.c and s_log1p.c);
errors are below 2 units in the last place.

Functions that call each other are in one file, since numba's files on disk know of
changes in their own source file only. The package numba is needed:
``pip install "dlogreg[numba]"``.
"""

from __future__ import annotations

import math
from typing import Any

import numba
import numpy as np
import numpy.typing as npt
from llvmlite import ir
from numba.extending import intrinsic

from dlogreg.evaluation import PRODUCT_ROWS, FloatArray
from dlogreg.kernel.compiling import compiled, compiled_as_written

Values = npt.NDArray[Any]

TILE = 4
"""Lines and columns of a product that are summed side by side in registers."""
TILE_ROWS = PRODUCT_ROWS
"""Rows of which one product is made, before it is added in float64."""
PADDING = 8
"""Values between lines, so that they do not meet in the same places of the cache."""
TOGETHER = 4
"""Rows of which projections are added at once."""

LOG2_E = 1.4426950408889634
LOG_2 = 0.6931471805599453
LOG_2_HIGH = 6.93147180369123816490e-01
"""The first 33 bits of log 2: its products with whole numbers are exact."""
LOG_2_LOW = 1.90821492927058770002e-10
LEAST_EXPONENT = 1000.0
"""exp(-x) is 0 beyond."""
TURN = math.sqrt(2.0) - 1.0
"""Above it, log(1 + e) is log 2 + log((1 + e) / 2)."""
C2, C3, C4, C5, C6, C7, C8, C9, C10, C11, C12, C13 = (
    1 / math.factorial(k) for k in range(2, 14)
)
"""Of the series of exp, which up to here is exact to 4e-18 for abs(r) < log(2) / 2."""
L1, L2, L3, L4, L5, L6, L7 = (
    6.666666666666735130e-01,
    3.999999999940941908e-01,
    2.857142874366239149e-01,
    2.222219843214978396e-01,
    1.818357216161805012e-01,
    1.531383769920937332e-01,
    1.479819860511658591e-01,
)
"""Of (log((1 + s) / (1 - s)) - 2s) / s in powers of s^2, abs(s) < 0.1716."""

ETA, MISS, RESIDUAL, CURVATURE, GIVEN, OBSERVED, BEND, SQUARE = range(8)
"""Lines of what is known of every row, see ``row_terms``."""


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
        See ``row_terms``; the line ``ETA`` holds the offset.
    projections
        As ``project``, of so many lines of rows from ``RESIDUAL`` on.
    lines, sums
        As ``add_products``, with the weights ``CURVATURE``; a second of the sums, if
        there is one, with ``SQUARE``.
    """
    loss, eta = 0.0, rows[ETA]
    for low in range(0, X.shape[0], TILE_ROWS):
        high = min(low + TILE_ROWS, X.shape[0])
        tile = X[low:high]
        predict(tile, centre, slopes, constant, eta[low:high])
        loss += _row_terms(
            event[low:high],
            weight[low:high],
            eta[low:high],
            rows[MISS][low:high],
            rows[RESIDUAL][low:high],
            rows[CURVATURE][low:high],
        )
        if len(rows) > SQUARE:
            _describing_terms(
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


@compiled
def _row_terms(
    event: npt.NDArray[np.bool_],
    weight: FloatArray,
    eta: FloatArray,
    miss: FloatArray,
    residual: FloatArray,
    curvature: FloatArray,
) -> float:
    """Set the terms of rows; return the sum of their s * loss."""
    total, weighted = 0.0, len(weight) > 0
    for i in range(len(eta)):
        margin = eta[i] if event[i] else -eta[i]
        e = exp_minus(abs(margin))
        share = 1.0 / (1.0 + e)
        factor = weight[i] if weighted else 1.0
        total += factor * (log1p_unit(e) - (margin if margin < 0.0 else 0.0))
        miss[i] = (e if margin > 0.0 else 1.0) * share
        curvature[i] = factor * (e * share * share)
    for i in range(len(eta)):  # apart: of more arrays at once no vectors are made
        factor = weight[i] if weighted else 1.0
        residual[i] = factor * (-miss[i] if event[i] else miss[i])
    return total


@compiled
def _describing_terms(
    event: npt.NDArray[np.bool_],
    weight: FloatArray,
    squares_weight: bool,
    miss: FloatArray,
    curvature: FloatArray,
    given: FloatArray,
    observed: FloatArray,
    bend: FloatArray,
    square: FloatArray,
) -> None:
    weighted = len(weight) > 0
    for i in range(len(miss)):
        given[i] = weight[i] if weighted else 1.0
        observed[i] = given[i] if event[i] else 0.0
    for i in range(len(miss)):
        distance = 2.0 * miss[i] - 1.0
        bend[i] = curvature[i] * (distance if event[i] else -distance)
    for i in range(len(miss)):
        square[i] = miss[i] * miss[i] * given[i] * (given[i] if squares_weight else 1.0)


@intrinsic  # type: ignore[untyped-decorator]
def _float_of_bits(context: Any, bits: Any) -> Any:
    """Take the bits of an integer for those of a float."""

    def written(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        return builder.bitcast(values[0], ir.DoubleType())

    return numba.types.float64(numba.types.int64), written


@compiled_as_written
def exp_minus(x: float) -> float:
    """Return exp(-x) of x >= 0; NaN of NaN."""
    x = -(LEAST_EXPONENT if x > LEAST_EXPONENT else x)
    whole = np.rint(x * LOG2_E)
    r = (x - whole * LOG_2_HIGH) - whole * LOG_2_LOW
    p = C9 + r * (C10 + r * (C11 + r * (C12 + r * C13)))
    p = C2 + r * (C3 + r * (C4 + r * (C5 + r * (C6 + r * (C7 + r * (C8 + r * p))))))
    p = 1.0 + (r + r * r * p)
    n = np.int32(whole)
    half = n >> 1  # in two steps, since 2^n may be too small for a float of full length
    first = _float_of_bits((np.int64(half) + 1023) << 52)
    return float(p * first * _float_of_bits((np.int64(n - half) + 1023) << 52))


@compiled_as_written
def log1p_unit(e: float) -> float:
    """Return log(1 + e) of 0 <= e <= 1; NaN of NaN."""
    turned = e > TURN
    s = (e - 1.0 if turned else e) / (e + 3.0 if turned else e + 2.0)
    z = s * s
    p = z * (L1 + z * (L2 + z * (L3 + z * (L4 + z * (L5 + z * (L6 + z * L7))))))
    log = 2.0 * s + s * p
    return LOG_2 + log if turned else log
