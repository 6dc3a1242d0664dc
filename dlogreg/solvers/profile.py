"""One end of a profile-likelihood interval, found in passes shared with the others.

The end v of the interval of a'theta solves F_p(v) = T, where F_p(v) is the least loss
with a'theta = v and T = F* + q/2, q the quantile of chi-squared. Each pass moves the
other coefficients and v at once (Venzon and Moolgavkar 1988, Appl. Stat. 37, 87-94):
with M the inverse Hessian, shared and corrected by BFGS, u = M a / a'M a, mu = u'g and
the step d_c = -M_c g along the constraint, the model

    F - lambda^2 / 2 + mu delta + delta^2 / (2 a'M a) = T

gives delta, and the next point is theta + d_c + delta u. Where that does not converge,
the slower but sure method of ``bracketing`` goes on from there.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from dlogreg.evaluation import FloatArray
from dlogreg.solvers.bracketing import BracketSearch, Level, corrected, end_bound
from dlogreg.solvers.quasi_newton import Constraint, InverseHessian
from dlogreg.solvers.restricted import Restricted
from dlogreg.solvers.stale_hessian import Found, StaleHessian, prove

LARGEST_GROWTH = 3.0
"""Of the distance from the estimate, from one pass to the next."""
PROGRESS = 0.5
"""A pass that leaves more of what was missing than this counts as a failure."""
FAILURES = 2


@dataclass(slots=True, eq=False)
class ProfileEnd:
    """Where the profile of one coefficient reaches a level, on one side."""

    metric: StaleHessian
    kept: npt.NDArray[np.intp]
    direction: FloatArray
    """a, shape (n_params,)."""
    sign: float
    """1 for the upper end, -1 for the lower."""
    level: Level
    tol: float
    """Largest distance from the exact end, in standard errors."""
    origin: Found
    """The optimum."""
    trial: FloatArray | None
    wants_hessian: bool = False
    value: float = np.nan
    """The end."""
    error_bound: float = np.inf
    """Proven distance from it, in standard errors of the estimate."""
    n_evaluations: int = 0
    _inverse: InverseHessian = field(init=False)
    _last: Found | None = None
    _missing: float = np.inf
    _failures: int = 0
    _search: BracketSearch | None = None

    def __post_init__(self) -> None:
        """Begin with the shared inverse Hessian."""
        self._inverse = InverseHessian(self.metric)

    def receive(self, found: Found) -> None:
        """Take what was found at the trial point, and choose the next."""
        self.n_evaluations += 1
        if self._search is not None:
            self._search.receive(found)
            self._follow(self._search)
            return
        self._learn(found)
        a, across = self.direction, self._inverse.times(self.direction)
        path = across / (a @ across)
        slope, v = float(path @ found.gradient), float(a @ found.theta)
        along = Constraint(a[:, None], np.array([v])).step(
            self._inverse, found.gradient
        )
        least = found.loss + float(found.gradient @ along) / 2
        self._prove(found, v, (self.level.top - least) / slope if slope else 0.0)
        if self.error_bound <= self.tol / 2:
            self.trial = None
            return
        if self._failed(abs(found.loss - least) + abs(least - self.level.top)):
            self.search((self._last or found).theta)
            return
        self._last = found
        move = self._move(v, slope, least, float(1 / (a @ across)))
        self.trial = found.theta + along + move * path

    def _learn(self, found: Found) -> None:
        if found.hessian is not None:
            self.metric = self.metric.renewed(found, self.kept)
            self._inverse = InverseHessian(self.metric)
            return
        before = self._last or self.origin
        step, change = found.theta - before.theta, found.gradient - before.gradient
        self._inverse.learn(step, change)

    def _prove(self, found: Found, v: float, move: float) -> None:
        constraint = Constraint(self.direction[:, None], np.array([v]))
        metric = InverseHessian(self.metric)
        plain = constraint.step(metric, found.gradient)
        decrement = constraint.decrement(metric, found.gradient)
        stale = 0.0 if found.hessian is not None else found.stale
        reach = self.metric.step_reach(plain, decrement)
        proof = prove(self.metric, found.loss, decrement, stale, reach)
        length = abs(v - float(self.direction @ self.origin.theta))
        bound = end_bound(proof, self.level, length)
        self.error_bound = bound / self.level.deviation
        self.value = corrected(v, move, bound)

    def _failed(self, missing: float) -> bool:
        """Tell whether the passes lead nowhere."""
        slow = not missing <= PROGRESS * self._missing
        self._failures += slow and math.isfinite(self._missing)
        self._missing = min(missing, self._missing)
        self.wants_hessian = slow and self._failures > 0
        return self._failures >= FAILURES

    def _move(self, v: float, slope: float, least: float, bend: float) -> float:
        """Return delta, kept within what the model can be trusted for."""
        outward, lacking = self.sign * slope, self.level.top - least
        root = outward**2 + 2 * bend * lacking
        if root > 0 and outward + math.sqrt(root) > 0:
            delta = 2 * lacking / (outward + math.sqrt(root))
        else:
            delta = -outward / bend
        length = self.sign * (v - float(self.direction @ self.origin.theta))
        longest, shortest = LARGEST_GROWTH * length, length / LARGEST_GROWTH
        return self.sign * (min(max(length + delta, shortest), longest) - length)

    def search(
        self,
        theta: FloatArray,
        farthest: float = np.inf,
        *,
        wants_hessian: bool = True,
    ) -> None:
        """Go on by a bracket, beginning at a point and its value of the coefficient.

        An end that is farther than so much from the estimate is taken for infinite.
        """
        a, tol = self.direction, math.sqrt(self.tol) / 3
        constraint = Constraint(a[:, None], np.array([float(a @ theta)]))
        inner = Restricted(self.metric, self.kept, constraint, tol, theta)
        inner.wants_hessian = wants_hessian
        estimate = float(a @ self.origin.theta)
        self._search = BracketSearch(
            a, estimate, self.sign, self.level, self.tol, inner, farthest=farthest
        )
        self._follow(self._search)

    def _follow(self, search: BracketSearch) -> None:
        self.trial, self.wants_hessian = search.trial, search.wants_hessian
        self.value, self.metric = search.value, search.metric
        self.error_bound = search.error_bound
