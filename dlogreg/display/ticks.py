"""Round numbers for axes, few enough that their labels stay apart."""

from __future__ import annotations

import math
from collections.abc import Sequence

STEPS = (1.0, 2.0, 2.5, 5.0, 10.0, 20.0)
WIDE = math.log(2.5)
"""Odds ratios that reach farther than this factor have ticks of a logarithmic axis."""
FACTORS = ((1, 1.5, 2, 3, 5, 7), (1, 2, 5), (1, 3), (1,))
"""Ticks of a power of ten, of which the first choice is taken that is not too many."""
BEYOND = 690.0
"""Logarithms of ratios that are numbers."""


def round_ticks(low: float, high: float, most: int = 5) -> list[float]:
    """Return at most so many multiples of a round step between two numbers."""
    if not (math.isfinite(low) and math.isfinite(high) and low < high and most > 0):
        return []
    power = 10.0 ** math.floor(math.log10((high - low) / most))
    for step in (step * power for step in STEPS):
        first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
        if last - first < most:
            break
    # rounded, because 3 * 0.1 is not 0.3
    return [float(f"{k * step:.12g}") for k in range(first, last + 1)]


def ratio_ticks(low: float, high: float, most: int = 5) -> list[float]:
    """Return round odds ratios between two log-odds, 1 among them if it lies there."""
    low, high = max(low, -BEYOND), min(high, BEYOND)
    if high - low <= WIDE:
        inside = round_ticks(math.exp(low), math.exp(high), most)
        return [tick for tick in inside if tick > 0]
    first, last = math.floor(low / math.log(10)), math.ceil(high / math.log(10))
    for factors in FACTORS:
        ticks = _powers(factors, first, last, low, high)
        if len(ticks) <= most:
            return ticks
    every = math.ceil(len(ticks) / most)
    return [tick for tick in ticks if round(math.log10(tick)) % every == 0]


def _powers(
    factors: Sequence[float], first: int, last: int, low: float, high: float
) -> list[float]:
    found = (float(f"{f}e{k}") for k in range(first, last + 1) for f in factors)
    return [tick for tick in found if low - 1e-9 <= math.log(tick) <= high + 1e-9]


def tick_text(value: float) -> str:
    """Return the shortest text of a round number."""
    text = f"{value:.12g}" if abs(value - 1) < 1e-3 else f"{value:.6g}"
    return "0" if text in ("-0", "0") else text.replace("e-0", "e-").replace("e+0", "e")
