"""Transforms that need to know all rows, found from sums that add.

A transform first says which moments of its argument it needs. Those of two parts of the
data give those of the whole, so that one pass finds them. What would need the rows in
order, such as quantiles, is refused with what to write instead.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Protocol

import numpy as np

from dlogreg.errors import DataError
from dlogreg.evaluation import FloatArray
from dlogreg.formula.moments import Moments

State = Mapping[str, Sequence[float]]


class Transform(Protocol):
    """A transform with its options, which its text gives."""

    @property
    def order(self) -> int:
        """Highest moment that is needed."""
        ...

    @property
    def fields(self) -> tuple[int, ...] | None:
        """Names of several columns; None for one."""
        ...

    @property
    def spans_intercept(self) -> bool:
        """Whether the columns add up to a constant."""
        ...

    @property
    def lengths(self) -> Mapping[str, int]:
        """How many numbers the state has of each name."""
        ...

    def resolve(self, moments: Moments) -> State:
        """Return the state from the moments of all rows."""
        ...

    def apply(self, x: FloatArray, state: State) -> FloatArray:
        """Return the column, or columns, of some rows."""
        ...


@dataclass(frozen=True, slots=True)
class Scale:
    """``(x - center) / scale``."""

    center: float | None
    """None: the mean."""
    scale: float | None
    """None: the standard deviation."""
    ddof: float
    fields: tuple[int, ...] | None = None
    spans_intercept: bool = False
    order: int = 2

    @property
    def lengths(self) -> Mapping[str, int]:
        """One centre and one scale."""
        return {"center": 1, "scale": 1}

    def resolve(self, moments: Moments) -> State:
        """Return centre and scale."""
        center = moments.mean if self.center is None else self.center
        scale = self.scale
        if scale is None:
            squares = float(moments.central[0])
            squares += moments.n * (moments.mean - center) ** 2
            left = moments.n - self.ddof
            scale = math.sqrt(squares / left) if left > 0 else 0.0
            if not scale > 0:
                raise DataError("it is scaled, but constant; leave scale() out")
        return {"center": [center], "scale": [scale]}

    def apply(self, x: FloatArray, state: State) -> FloatArray:
        """Return the scaled column."""
        return np.asarray((x - state["center"][0]) / state["scale"][0])


@dataclass(frozen=True, slots=True)
class Polynomial:
    """Powers of x, or the polynomials that are orthonormal over all rows."""

    degree: int
    raw: bool
    spans_intercept: bool = False

    @property
    def order(self) -> int:
        """Twice the degree; no moments for powers."""
        return 1 if self.raw else 2 * self.degree

    @property
    def fields(self) -> tuple[int, ...]:
        """The degrees, and those of powers less 1, as formulaic names them."""
        return tuple(range(not self.raw, self.degree + (not self.raw)))

    @property
    def lengths(self) -> Mapping[str, int]:
        """Coefficients of the recurrence, and squared norms."""
        return {} if self.raw else {"alpha": self.degree, "norms": self.degree + 1}

    def resolve(self, moments: Moments) -> State:
        """Return the coefficients of the recurrence (Gautschi 2004, section 2.1)."""
        if self.raw:
            return {}
        spread = math.sqrt(moments.central[0] / moments.n) if moments.n else 0.0
        if not spread > 0:
            raise DataError(f"poly of degree {self.degree} needs different values")
        sums = np.array([moments.n, 0.0, *moments.central])
        sums /= spread ** np.arange(len(sums))
        last, here = np.zeros(1), np.ones(1)
        alpha: list[float] = []
        norms: list[float] = []
        for k in range(self.degree + 1):
            square = np.convolve(here, here)
            norms.append(float(square @ sums[: len(square)]))
            if not norms[-1] > 1e-12 * moments.n:
                raise DataError(
                    f"poly of degree {self.degree} needs more than {self.degree} "
                    "different values"
                )
            if k == self.degree:
                break
            alpha.append(float(square @ sums[1 : len(square) + 1]) / norms[-1])
            grown = np.convolve(here, [-alpha[-1], 1.0])
            if k:
                grown[: len(last)] -= norms[-1] / norms[-2] * last
            last, here = here, grown
        return {
            "alpha": [moments.mean + spread * a for a in alpha],
            "norms": [norm * spread ** (2 * k) for k, norm in enumerate(norms)],
        }

    def apply(self, x: FloatArray, state: State) -> FloatArray:
        """Return the columns by the three-term recurrence."""
        if self.raw:
            return x[:, None] ** np.arange(1, self.degree + 1)
        alpha, norms = state["alpha"], state["norms"]
        out = np.ones((len(x), self.degree + 1))
        for k in range(1, self.degree + 1):
            out[:, k] = (x - alpha[k - 1]) * out[:, k - 1]
            if k > 1:
                out[:, k] -= norms[k - 1] / norms[k - 2] * out[:, k - 2]
        return np.asarray(out[:, 1:] / np.sqrt(norms[1:]))


@dataclass(frozen=True, slots=True)
class Spline:
    """B-splines with given interior knots, between the smallest and largest value."""

    knots: tuple[float, ...]
    degree: int
    include_intercept: bool
    low: float | None
    high: float | None
    extrapolation: str
    order: int = 1

    @property
    def spans_intercept(self) -> bool:
        """Whether the columns add up to 1."""
        return self.include_intercept

    @property
    def fields(self) -> tuple[int, ...]:
        """Numbers of the columns; the first is left out without an intercept."""
        n = len(self.knots) + self.degree + 1
        return tuple(range(0 if self.include_intercept else 1, n))

    @property
    def lengths(self) -> Mapping[str, int]:
        """All knots, those at the ends repeated."""
        return {"knots": len(self.knots) + 2 * (self.degree + 1)}

    def resolve(self, moments: Moments) -> State:
        """Return all knots."""
        low = moments.low if self.low is None else self.low
        high = moments.high if self.high is None else self.high
        if not low < high:
            raise DataError(f"bs() needs different values, but all are {low:g}")
        outside = [k for k in self.knots if not low <= k <= high]
        if outside:
            raise DataError(
                f"bs() has a knot at {outside[0]:g}, outside of the values, which go "
                f"from {low:g} to {high:g}; move it inside"
            )
        ends = self.degree + 1
        return {"knots": [*[low] * ends, *sorted(self.knots), *[high] * ends]}

    def apply(self, x: FloatArray, state: State) -> FloatArray:
        """Return the columns."""
        knots = np.array(state["knots"], dtype=np.float64)
        low, high = knots[0], knots[-1]
        outside = (x < low) | (x > high)
        extend = self.extrapolation == "extend"
        if outside.any() and self.extrapolation == "raise":
            value = x[np.flatnonzero(outside)[0]]
            raise DataError(
                f"the value {value:g} lies outside of the values that bs() was fitted "
                f"to, {low:g} to {high:g}; say what to do there, as "
                'bs(..., extrapolation="extend") or "clip"'
            )
        inside = x if extend else np.clip(x, low, high)
        made = import_module("scipy.interpolate").BSpline  # takes 0.1 s, seldom needed
        design = made.design_matrix(inside, knots, self.degree, extrapolate=extend)
        out: FloatArray = design.toarray()
        if self.extrapolation == "zero":
            out[outside] = 0.0
        return out if self.include_intercept else out[:, 1:]
