r"""Many penalised models over the same rows, advanced together in shared passes.

Models differ in their penalties, and may differ in how rows count (folds). Each asks
for one point at a time; a pass evaluates those of all that have not converged, and
forms the Hessians of a few. A step leads from a model's best point to the minimum of

    g'd + d'H d / 2 + P(theta + d),

with its own gradient, which is exact, its own penalty, and a Hessian that may be that
of a neighbour: of the models of one family, those over the same rows, the one that is
nearest in the metric of the Hessian. So the steps of a lasso path near converge as fast
as the weights of the rows change little between neighbours, and what is proven of them
takes into account how far the Hessian is off (``composite_certificate``).

With B models of k coefficients a pass costs, per row, reading it, B (4 k + 300)
operations for gradients (see ``many``), and k^2 for every Hessian. Hessians are formed
of as many models as cost about as much as the gradients, one at least.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from dlogreg.evaluation import Evaluation, FloatArray
from dlogreg.solvers.certificate import Certificate, Geometry
from dlogreg.solvers.composite_certificate import certify_composite
from dlogreg.solvers.many import HESSIAN_VALUES, EvaluateMany, one_of
from dlogreg.solvers.penalized_quadratic import minimize_quadratic
from dlogreg.solvers.proximal_newton import estimated_end
from dlogreg.solvers.separable import Separable
from dlogreg.solvers.solution import Status
from dlogreg.solvers.stale_hessian import Found

SUFFICIENT_DECREASE = 1e-4
SHORTER = 0.3
"""Length of a step after one that did not lower the objective."""
PER_ROW = 300
"""Operations of a row's loss, as multiply-adds of a Hessian or a gradient."""


@dataclass(frozen=True, slots=True, eq=False)
class Expansion:
    """Gradient and Hessian of the loss at one point."""

    theta: FloatArray
    gradient: FloatArray
    hessian: FloatArray

    def optimum(self, penalty: Separable) -> tuple[FloatArray, float]:
        """Return the optimum of this expansion plus a penalty, and how far it is.

        The distance is in the norm of the Hessian.
        """
        found = minimize_quadratic(self.hessian, self.gradient, self.theta, penalty)
        return found.theta, self.distance(found.theta)

    def distance(self, theta: FloatArray) -> float:
        """Return how far a point is, in the norm of the Hessian."""
        step = theta - self.theta
        return math.sqrt(max(0.0, float(step @ self.hessian @ step)))


@dataclass(slots=True, eq=False)
class PenalizedModel:
    """One model, on its way to the optimum."""

    penalty: Separable
    """Absolute values, ridge part and bounds."""
    geometry: Geometry
    tol: float
    metric: Expansion
    """The Hessian with which it steps, its own or a neighbour's."""
    trial: FloatArray | None
    """The point to evaluate next; None: there is none."""
    family: int = 0
    """Models of the same rows."""
    wants_hessian: bool = True
    status: Status | None = None
    best: Found | None = None
    certificate: Certificate | None = None
    """At ``best``."""
    n_evaluations: int = 0
    _value: float = field(default=np.inf, init=False)
    _expected: float = field(default=np.inf, init=False)
    """By how much the trial point should lower the objective."""
    _decrement: float = field(default=np.inf, init=False)
    """Of the step to the trial point."""

    @property
    def theta(self) -> FloatArray:
        """The answer: one step beyond the best point where that step is certified."""
        known, best = self.certificate, self.best
        assert best is not None
        assert known is not None
        ended = self.status is not None and self.status.converged
        return best.theta + known.step if ended else best.theta

    @property
    def error_bound(self) -> float:
        """Proven distance of the answer from the optimum, in standard errors."""
        known = self.certificate
        assert known is not None
        if self.status is Status.CONVERGED_UNCERTIFIED:
            return np.nan
        ended = self.status is not None and self.status.converged
        return known.after if ended else known.here

    @property
    def loss(self) -> float:
        """Loss at the answer without the penalty, to second order."""
        best, known = self.best, self.certificate
        assert best is not None
        assert known is not None
        step = self.theta - best.theta
        bend = float(step @ self.metric.hessian @ step) / 2
        return best.loss + float(best.gradient @ step) + bend

    def receive(self, found: Found, metrics: Sequence[Expansion]) -> None:
        """Take what was found at the trial point, and choose the next.

        ``metrics`` are the Hessians that the same pass has formed for its family.
        """
        self.n_evaluations += 1
        if found.hessian is not None:
            self.metric = Expansion(found.theta, found.gradient, found.hessian)
            found = replace(found, stale=0.0)
        value, known = found.loss + self.penalty.value(found.theta), self.best
        noise = 2.0**-48 * abs(value)
        if known is not None and not (
            value <= self._value - SUFFICIENT_DECREASE * self._expected + noise
        ):
            move = found.theta - known.theta
            self._expected *= SHORTER
            self.trial, self.wants_hessian = known.theta + SHORTER * move, True
            return
        before = self._decrement
        self.best, self._value = found, value
        self._judge(found, found.stale)
        if self.status is None and found.hessian is None:
            self._take_nearer(metrics, found)
        if self.status is None:
            self._go(before)

    def _take_nearer(self, metrics: Sequence[Expansion], found: Found) -> None:
        """Go on with the nearest of the new Hessians, if it is nearer."""
        nearest = min(metrics, key=lambda m: m.distance(found.theta), default=None)
        here = self.metric.distance(found.theta)
        if nearest is None or nearest.distance(found.theta) >= here:
            return
        self.metric = nearest
        self._judge(found, self.geometry.moved(found.theta - nearest.theta))

    def _judge(self, found: Found, stale: float) -> None:
        """Find the step and what is proven of it."""
        penalty = self.penalty
        hessian = self.metric.hessian.copy()
        hessian.flat[:: len(hessian) + 1] += penalty.l2
        gradient = found.gradient + penalty.l2 * found.theta
        evaluation = Evaluation(self._value, gradient, hessian, stale=stale)
        kinks = replace(penalty, l2=np.zeros_like(penalty.l2))
        known = certify_composite(evaluation, found.theta, kinks, self.geometry)
        self.certificate = known
        if known.after <= self.tol:
            self.status = Status.CONVERGED
        elif estimated_end(known, stale, self.tol):
            self.status = Status.CONVERGED_UNCERTIFIED
        elif known.after_exact <= self.tol or known.decrement <= known.rounding:
            self.status = Status.STALLED
        if self.status is not None:
            self.trial = None

    def _go(self, before: float) -> None:
        """Choose the step's end as the next point.

        The model wants a Hessian there unless steps shrink so fast that the one after
        it is within tol without.
        """
        known, best = self.certificate, self.best
        assert known is not None
        assert best is not None
        self.trial = best.theta + known.step
        rate = min(1.0, known.decrement / before) if np.isfinite(before) else 1.0
        self.wants_hessian = known.decrement * rate**2 > self.tol
        self._decrement, self._expected = known.decrement, known.decrement**2


def advance_models(
    evaluate: EvaluateMany,
    models: Sequence[PenalizedModel],
    passes_left: int,
) -> None:
    """Advance every model until it has converged, or no pass is left.

    Models of one family that follow each other should be alike, as those of a path are.
    """
    for _ in range(passes_left):
        active = [model for model in models if model.trial is not None]
        if not active:
            return
        thetas = np.column_stack([model.trial for model in active])  # type: ignore[misc]
        moves = thetas - np.column_stack([model.metric.theta for model in active])
        chosen = spread_hessians(active, len(thetas))
        found = evaluate(thetas, moves, chosen)
        each = [one_of(found, i, thetas[:, i], chosen) for i in range(len(active))]
        new = [
            (active[i].family, Expansion(each[i].theta, each[i].gradient, hessian))
            for i, hessian in zip(chosen, found.hessians, strict=True)
        ]
        for model, one in zip(active, each, strict=True):
            model.receive(one, [m for family, m in new if family == model.family])
    for model in models:
        if model.status is None:
            model.status = Status.MAX_PASSES


def spread_hessians(active: Sequence[PenalizedModel], n_params: int) -> tuple[int, ...]:
    """Return the models, by position, whose Hessian is formed in this pass.

    They are spread evenly over those that want one, so that neighbours find a near one.
    """
    wanted = [i for i, model in enumerate(active) if model.wants_hessian]
    worth = len(active) * (4 * n_params + PER_ROW) // n_params**2
    most = max(1, min(worth, HESSIAN_VALUES // n_params**2))
    if len(wanted) <= most:
        return tuple(wanted)
    places = (np.arange(most) + 0.5) * len(wanted) / most
    return tuple(wanted[int(place)] for place in places)
