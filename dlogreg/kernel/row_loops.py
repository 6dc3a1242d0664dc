"""A row's loss and its derivatives, compiled: ``loss.py`` in one sweep over the rows.

With the margin m, positive where the model is right, and e = exp(-abs(m)),

    loss      = log(1 + e) - min(m, 0)
    miss      = sigma(-m) = e / (1 + e) where m > 0, else 1 / (1 + e)
    curvature = e / (1 + e)^2

numba calls the C library for exp and log1p row by row. Written out, over the ranges
that are needed here, the compiler makes vectors of them, which takes a tenth of the
time. The methods are those of fdlibm (Sun Microsystems 1993, e_exp.c and s_log1p.c);
errors are below 2 units in the last place.
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

CACHED_VALUES = 2**16
"""Values of a tile of which no products are made."""
TOGETHER = 4
"""Rows that are added at once: sums are then read and written a quarter as often."""
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
"""Lines of what is known of every row, see ``RowTerms``."""


@compiled
def row_terms(
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
def describing_terms(
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
    """Set the terms that only a closing pass asks for."""
    weighted = len(weight) > 0
    for i in range(len(miss)):
        given[i] = weight[i] if weighted else 1.0
        observed[i] = given[i] if event[i] else 0.0
    for i in range(len(miss)):
        distance = 2.0 * miss[i] - 1.0
        bend[i] = curvature[i] * (distance if event[i] else -distance)
    for i in range(len(miss)):
        square[i] = miss[i] * miss[i] * given[i] * (given[i] if squares_weight else 1.0)


@compiled
def short_tile(n_columns: int) -> int:
    """Return how many rows are read twice while they are in the cache."""
    rows = CACHED_VALUES // max(1, n_columns) // TOGETHER * TOGETHER
    return max(2 * TOGETHER, min(PRODUCT_ROWS, rows))


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
