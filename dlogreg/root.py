"""The root of a function of one variable, by Brent's method (1973)."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module


def root_between(
    function: Callable[[float], float], low: float, high: float, xtol: float
) -> float:
    """Return where a function that changes its sign between two points is zero.

    Of scipy's optimizers, which take 0.1 s to load and few fits need.
    """
    brentq = import_module("scipy.optimize").brentq
    return float(brentq(function, low, high, xtol=xtol))
