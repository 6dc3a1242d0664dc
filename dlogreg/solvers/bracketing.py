"""The end of a profile interval by a bracket: slow and sure.

At each v the loss is minimized with a'theta = v, as far as is needed to tell on which
side of the level it lies. v itself comes from a secant of the signed root
r(v) = sqrt(2 (F_p(v) - F*)), which is nearly linear in v, kept inside the bracket.

F_p is convex and F_p(v^) = F* at the estimate v^, so a chord bounds the end: if F_p(v)
lies within [lo, hi], the end is nearer to v than

    abs(v - v^) max((hi - T)/(q/2), (T - lo)/(lo - F*)).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from dlogreg.evaluation import FloatArray
from dlogreg.solvers.quasi_newton import Constraint, InverseHessian
from dlogreg.solvers.restricted import Restricted
from dlogreg.solvers.stale_hessian import Found, Proof, StaleHessian

LARGEST_GROWTH = 2.0
"""Of the distance from the estimate, as long as no value beyond the end is known."""
INSIDE = 0.05
"""The minimization stops where it is off by this share of what v is off."""
MARGIN = 0.05
"""A new value keeps this share of the bracket from its borders."""
MOST_VALUES = 30


@dataclass(frozen=True, slots=True)
class Level:
    """The height T that the profile reaches at its ends."""

    optimum: float
    """F*, the least loss of all."""
    error: float
    """Of F*, proven."""
    half_quantile: float
    """q/2."""
    deviation: float
    """Standard error of the coefficient, the unit of errors."""

    @property
    def top(self) -> float:
        """T = F* + q/2."""
        return self.optimum + self.half_quantile


def end_bound(proof: Proof, level: Level, length: float) -> float:
    """Return how far from v the end is at most; ``length`` is abs(v - v^)."""
    top, slack = level.top, 2 * level.error
    beyond = max(0.0, proof.highest - top + slack)
    before = max(0.0, top - proof.lowest + slack)
    height = proof.lowest - level.optimum - slack
    if not height > 0:
        return np.inf if before > 0 else beyond / level.half_quantile * length
    return max(beyond / level.half_quantile, before / height) * length


def corrected(v: float, move: float, bound: float) -> float:
    """Return v after a last correction, which the proven bound limits."""
    return v + min(max(move, -bound), bound)


@dataclass(slots=True, eq=False)
class BracketSearch:
    """Finds the end between a value inside the interval and one outside."""

    direction: FloatArray
    estimate: float
    sign: float
    level: Level
    tol: float
    inner: Restricted
    """The minimization at the present value."""
    near: tuple[float, float] = (0.0, 0.0)
    """Largest distance from the estimate known to be inside, with its root."""
    far: tuple[float, float] | None = None
    """Smallest distance known to be outside."""
    farthest: float = np.inf
    """Distance from the estimate from which on an end is taken for infinite."""
    value: float = np.nan
    error_bound: float = np.inf
    n_values: int = 1

    @property
    def trial(self) -> FloatArray | None:
        """The point to evaluate next; None: the search is over."""
        return self.inner.trial

    @property
    def wants_hessian(self) -> bool:
        """Whether the next pass is to form the Hessian."""
        return self.inner.wants_hessian

    @property
    def metric(self) -> StaleHessian:
        """The metric in use."""
        return self.inner.metric

    def receive(self, found: Found) -> None:
        """Go on with the minimization, or else to the next value."""
        self.inner.receive(found)
        best, proof = self.inner.best, self.inner.proof
        assert best is not None
        assert proof is not None
        v = float(self.inner.constraint.value[0])
        beyond = self.sign * (v - self.estimate) >= self.farthest
        if beyond and best.loss < self.level.top:
            self.value, self.error_bound = self.sign * np.inf, 0.0
            self.inner.trial = None
            return
        least = best.loss - proof.decrement**2 / 2
        across = self.metric.inverse @ self.direction
        path = across / (self.direction @ across)
        slope = float(path @ best.gradient)
        lacking = self.level.top - least
        bound = end_bound(proof, self.level, abs(v - self.estimate))
        if bound / self.level.deviation <= self.error_bound:
            self.error_bound = bound / self.level.deviation
            self.value = corrected(v, lacking / slope if slope else 0.0, bound)
        if self.error_bound <= self.tol / 2 or self.n_values >= MOST_VALUES:
            self.inner.trial = None
            return
        close = proof.decrement**2 / 2 <= INSIDE * abs(lacking)
        settled = close and proof.here < np.inf
        if settled or self.inner.trial is None:
            self._go_on(best, v, least, slope, path)

    def _go_on(
        self, best: Found, v: float, least: float, slope: float, path: FloatArray
    ) -> None:
        """Take note on which side v lies, and minimize at the next value."""
        length = self.sign * (v - self.estimate)
        root = math.sqrt(2 * max(0.0, least - self.level.optimum))
        goal = math.sqrt(2 * self.level.half_quantile)
        if root < goal:
            self.near = max(self.near, (length, root))
        elif self.far is None or length < self.far[0]:
            self.far = (length, root)
        steepness = self.sign * slope / max(root, 1e-8)
        ahead = (goal - root) / steepness if steepness > 0 else np.inf
        longer = self._kept_inside(length, length + ahead, goal)
        v_next = self.estimate + self.sign * longer
        constraint = Constraint(self.direction[:, None], np.array([v_next]))
        along = self.inner.constraint.step(InverseHessian(self.metric), best.gradient)
        start = best.theta + along + path * (v_next - v)
        inner = self.inner
        self.inner = Restricted(inner.metric, inner.kept, constraint, inner.tol, start)
        self.n_values += 1

    def _kept_inside(self, length: float, wanted: float, goal: float) -> float:
        """Return a new distance from the estimate, inside the bracket."""
        low, low_root = self.near
        if self.far is None:
            return min(wanted, LARGEST_GROWTH * length)
        high, high_root = self.far
        room = MARGIN * (high - low)
        if low < wanted < high:
            return wanted
        secant = low + (goal - low_root) / (high_root - low_root) * (high - low)
        return min(max(secant, low + room), high - room)
