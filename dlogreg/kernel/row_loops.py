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

from dlogreg.evaluation import FloatArray
from dlogreg.kernel.compiling import compiled_as_written, inlined
from dlogreg.kernel.vectors import LANES, set_signs

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

ETA, MISS, RESIDUAL, CURVATURE, GIVEN, OBSERVED, BEND, SQUARE, SIGN, ROOT = range(10)
"""Lines of what is known of every row: see ``RowTerms``; the weight s; s y;
s p (1 - p) (1 - 2p); s (p - y)^2; 1 for an event, -1 otherwise; and a root."""
N_LINES = 10
MOST_ROWS = 32
"""Whose terms are found at once: a number that the compiler knows, so that it sees that
lines do not overlap, and makes vectors."""


@inlined
def row_terms(
    event: npt.NDArray[np.bool_],
    weight: FloatArray,
    first: int,
    n_rows: int,
    flat: FloatArray,
) -> float:
    """Set what every pass knows of so many rows; return the sum of their s * loss.

    ``flat`` has ``N_LINES`` lines of ``MOST_ROWS`` each, and linear predictors in the
    first. An empty weight stands for ones.
    """
    whole = n_rows // LANES * LANES
    for i in range(0, whole, LANES):
        set_signs(event, first + i, flat, SIGN * MOST_ROWS + i)
    for i in range(whole, n_rows):
        flat[SIGN * MOST_ROWS + i] = 1.0 if event[first + i] else -1.0
    for i in range(MOST_ROWS):
        flat[GIVEN * MOST_ROWS + i] = 1.0
    if len(weight) > 0:
        for i in range(n_rows):
            flat[GIVEN * MOST_ROWS + i] = weight[first + i]
    for i in range(n_rows, MOST_ROWS):
        flat[ETA * MOST_ROWS + i] = flat[GIVEN * MOST_ROWS + i] = 0.0
        flat[SIGN * MOST_ROWS + i] = 1.0
    total = 0.0
    for i in range(MOST_ROWS):
        sign, factor = flat[SIGN * MOST_ROWS + i], flat[GIVEN * MOST_ROWS + i]
        margin = sign * flat[ETA * MOST_ROWS + i]
        e = exp_minus(abs(margin))
        share = 1.0 / (1.0 + e)
        miss = (e if margin > 0.0 else 1.0) * share
        total += factor * (log1p_unit(e) - (margin if margin < 0.0 else 0.0))
        flat[MISS * MOST_ROWS + i] = miss
        flat[RESIDUAL * MOST_ROWS + i] = -(sign * factor * miss)
        flat[CURVATURE * MOST_ROWS + i] = factor * (e * share * share)
    return total


@inlined
def describe_terms(flat: FloatArray, squares_weight: bool) -> None:
    """Set the terms that only a closing pass asks for; ``row_terms`` are known."""
    for i in range(MOST_ROWS):
        sign, factor = flat[SIGN * MOST_ROWS + i], flat[GIVEN * MOST_ROWS + i]
        miss = flat[MISS * MOST_ROWS + i]
        again = factor if squares_weight else 1.0
        flat[OBSERVED * MOST_ROWS + i] = factor if sign > 0.0 else 0.0
        bend = sign * (2.0 * miss - 1.0)
        flat[BEND * MOST_ROWS + i] = flat[CURVATURE * MOST_ROWS + i] * bend
        flat[SQUARE * MOST_ROWS + i] = miss * miss * factor * again


@inlined
def set_roots(flat: FloatArray, line: int) -> None:
    """Set the roots of a line of terms."""
    for i in range(MOST_ROWS):
        flat[ROOT * MOST_ROWS + i] = np.sqrt(flat[line * MOST_ROWS + i])


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
