"""A model under linear constraints, advanced by quasi-Newton steps.

The metric of the first steps is shared with other models. Dropping columns is the
constraint that their coefficients are zero, a profile that one coefficient has a given
value. The model starts where the shared quadratic model has its
optimum under the constraint (Wald's estimate), and takes steps with the shared inverse
Hessian, corrected by BFGS. Where that is slow, because the weights of the rows are far
from those of the shared Hessian, its own Hessian is formed at the next point.

A step that does not lower the loss is shortened to the least point of the cubic through
losses and slopes at its two ends, which are known, and costs one pass.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from dlogreg.evaluation import FloatArray
from dlogreg.solvers.quasi_newton import Constraint, InverseHessian
from dlogreg.solvers.stale_hessian import Found, Proof, StaleHessian, prove
from dlogreg.solvers.system import LEAST_SQUARES

SUFFICIENT_DECREASE = 1e-4
MOST_EVALUATIONS = 40
FREE_PASSES = 2.0
"""A model never gets a Hessian of its own to save so many passes."""


def hessian_price(n_params: int) -> float:
    """Return the passes of a model that its own Hessian must save to be formed.

    A Hessian takes k^2 operations per row, a gradient 4 k and about 300 for exp and
    log1p; a quarter, since every pass saved also saves reading. A rule of k alone, so
    that the result does not depend on the machine.
    """
    return FREE_PASSES + n_params**2 / (4 * (4 * n_params + 300))


@dataclass(slots=True, eq=False)
class Restricted:
    """The minimum of the loss under a constraint; asks for one point at a time."""

    metric: StaleHessian
    """Shared at first; its own once that was formed."""
    kept: npt.NDArray[np.intp]
    constraint: Constraint
    tol: float
    """Largest distance to its optimum, in standard errors of this model."""
    trial: FloatArray | None
    """The point to evaluate next; None: there is none."""
    origin: Found | None = None
    """A point without the constraint, from which the first one was found."""
    wants_hessian: bool = False
    proof: Proof | None = None
    theta: FloatArray | None = None
    """The answer so far."""
    best: Found | None = None
    n_evaluations: int = 0
    _inverse: InverseHessian = field(init=False)
    _moved: float = field(init=False)
    """Length of the last step in the metric, with which the decrement is compared."""

    def __post_init__(self) -> None:
        """Begin with the metric as it is."""
        self._inverse = InverseHessian(self.metric)
        self._moved = np.inf
        if self.origin is not None:
            distance = self.constraint.distance(self.origin.theta, self.metric.inverse)
            self._moved = distance

    @property
    def error_bound(self) -> float:
        """Proven distance of ``theta`` from the optimum, in standard errors."""
        return np.inf if self.proof is None else min(self.proof.here, self.proof.after)

    def receive(self, found: Found) -> None:
        """Take what was found at the trial point, and choose the next."""
        self.n_evaluations += 1
        before, known = self.best, self.best or self.origin
        if found.hessian is not None and not self._invertible(found.hessian):
            found = replace(
                found, hessian=None
            )  # far out: the metric at hand is better
        if found.hessian is not None:
            self._renew_metric(found)
        elif known is not None:
            step, change = found.theta - known.theta, found.gradient - known.gradient
            self._inverse.learn(step, change)
        if before is not None and not _lower(before, found):
            self.trial = before.theta + _shortened(before, found)
            self.wants_hessian = True
            self._stop_if_long()
            return
        self.best = found
        self._judge(found)

    def _invertible(self, hessian: FloatArray) -> bool:
        """Tell whether no curvature is so small that its inverse overflows."""
        return bool((np.diagonal(hessian)[self.kept] > LEAST_SQUARES).all())

    def _renew_metric(self, found: Found) -> None:
        self.metric = self.metric.renewed(found, self.kept)
        self._inverse = InverseHessian(self.metric)

    def _judge(self, found: Found) -> None:
        """Prove what can be proven, and stop or step."""
        metric = InverseHessian(self.metric)
        plain = self.constraint.step(metric, found.gradient)
        decrement = self.constraint.decrement(metric, found.gradient)
        stale = 0.0 if found.hessian is not None else found.stale
        reach = self.metric.step_reach(plain, decrement)
        self.proof = prove(self.metric, found.loss, decrement, stale, reach)
        further = self.proof.after < self.proof.here
        self.theta = found.theta + plain if further else found.theta
        step = self.constraint.step(self._inverse, found.gradient)
        length = self.constraint.decrement(self._inverse, found.gradient)
        rate = decrement / max(self._moved, decrement)
        self._moved = max(decrement, length)
        self.trial = found.theta + step
        if self.error_bound <= self.tol or not decrement > 2 * self.metric.rounding:
            self.trial = None
            return
        self.wants_hessian = self._slow(rate, stale)
        self._stop_if_long()

    def _slow(self, rate: float, stale: float) -> bool:
        """Tell whether a Hessian is cheaper than the passes at the present rate."""
        assert self.proof is not None
        if not math.isfinite(self._moved) or rate >= 1:
            return self.n_evaluations > 1
        if self.n_evaluations > 1 and stale > 1 and not self.proof.here < np.inf:
            return True
        wanted = self.tol * math.exp(-stale / 2)
        if wanted <= 10 * self.metric.rounding:
            return True
        passes = math.log(wanted / self.proof.decrement) / math.log(max(rate, 1e-6))
        return passes > hessian_price(len(self.metric.theta))

    def _stop_if_long(self) -> None:
        if self.n_evaluations >= MOST_EVALUATIONS:
            self.trial = None


def _lower(before: Found, found: Found) -> bool:
    """Tell whether a step has lowered the loss enough, rounding apart."""
    slope = float(before.gradient @ (found.theta - before.theta))
    noise = 2.0**-50 * abs(before.loss)
    return found.loss <= before.loss + SUFFICIENT_DECREASE * slope + noise


def _shortened(before: Found, found: Found) -> FloatArray:
    """Return the part of a step up to the least point of the cubic through its ends."""
    step = found.theta - before.theta
    start, end = float(before.gradient @ step), float(found.gradient @ step)
    twist = 3 * (before.loss - found.loss) + start + end
    root = twist**2 - start * end
    length = 0.5
    if math.isfinite(root) and root >= 0 and end - start + 2 * math.sqrt(root) > 0:
        root = math.sqrt(root)
        length = 1 - (end + root - twist) / (end - start + 2 * root)
    return np.asarray(step * min(max(length, 0.05), 0.7))
