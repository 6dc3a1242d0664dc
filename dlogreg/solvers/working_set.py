r"""Proximal Newton on the columns that matter, for data too wide for a Hessian of all.

Every pass gives the gradient of all columns at the point, and the Hessian of a working
set: the coefficients that are not 0, those without a penalty, and of the others those
whose slopes are nearest to letting them leave 0. The step is that of proximal Newton on
the set. What the gradient says of the other columns is the check of the conditions of
the optimum, in the same pass: columns that should leave 0 join the set for the next.

The certificate is that of ``composite_certificate`` for the set, in which the other
columns rest. The slope of column j outside it has changed from the point to the optimum
of the set by at most

    sqrt(s_j / 4) (exp(S/2) lambda + exp(kappa+ r / 2) r),      s_j = sum_i s_i z_ij^2,

because weights are at most s_i / 4, so abs(a'W_t b) <= sqrt(s_a / 4) norm(b)_{H_t}.
Where every slope has that much room left, the optimum of the set is that of the whole.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from dlogreg.errors import DataError
from dlogreg.evaluation import Evaluation, FloatArray
from dlogreg.solvers.certificate import Certificate, Geometry
from dlogreg.solvers.composite_certificate import LARGEST_REACH, certify_composite
from dlogreg.solvers.proximal_newton import estimated_end
from dlogreg.solvers.separable import Separable
from dlogreg.solvers.solution import Observe, Point, Solution, Status

MOST = 1000
"""Columns in a working set."""
AT_LEAST = 100
"""Columns beside those that are needed, as far as there are so many."""
SUFFICIENT_DECREASE = 1e-4
SHORTER = 0.3

Columns = npt.NDArray[np.intp]
EvaluateSome = Callable[[FloatArray, Columns], tuple[Evaluation, FloatArray]]
"""One pass: theta and columns -> loss and gradient of all, Hessian of the columns."""


@dataclass(frozen=True, slots=True, eq=False)
class WorkingSet:
    """Minimize until the optimum of a set is proven to be that of all columns."""

    tol: float
    max_evaluations: int
    geometry: Geometry
    penalty: Separable
    """Without the ridge part, which the objective has."""

    def minimize(
        self, evaluate: EvaluateSome, start: Point, observe: Observe
    ) -> Solution:
        """Start from a point whose gradient is known; return the solution."""
        theta, gradient = start.theta, start.evaluation.gradient
        best, known, expected = start, None, 0.0
        spent, status = 0, None
        columns = self.columns(theta, gradient)
        while True:
            if spent >= self.max_evaluations:
                status = Status.MAX_PASSES
                break
            try:
                found, hessian = evaluate(theta, columns)
            except KeyboardInterrupt:
                status = Status.INTERRUPTED
                break
            spent += 1
            least = SUFFICIENT_DECREASE * expected - 2.0**-48 * abs(found.loss)
            if known is not None and not found.loss <= best.evaluation.loss - least:
                theta = best.theta + SHORTER * (theta - best.theta)
                expected *= SHORTER
                columns = self.columns(theta, best.evaluation.gradient)
                continue
            best = Point(theta, found)
            known = self.certify(best, hessian, columns)
            observe(known)
            if (status := self._verdict(best, known, columns)) is not None:
                break
            theta = theta + known.step
            expected = known.decrement**2
            columns = self.columns(theta, found.gradient)
        return _end(best, known, status, spent)

    def columns(self, theta: FloatArray, gradient: FloatArray) -> Columns:
        """Return the working set: what is needed, and what is nearest to leaving 0."""
        penalty = self.penalty
        needed = (theta != 0) | ((penalty.l1 == 0) & (penalty.low < penalty.high))
        count = int(needed.sum())
        unit = np.sqrt(np.maximum(self.geometry.column_squares, 1e-300))
        room = penalty.slack(theta, gradient) / unit
        room[needed] = np.inf
        if count + bool((room < 0).any()) > MOST:
            raise DataError(
                f"more than {MOST:,} coefficients are not 0 or not penalised, and of "
                f"data so wide at most {MOST:,} can be; give a larger alpha"
            )
        more = min(max(AT_LEAST, count), MOST - count)
        nearest = np.argsort(room, kind="stable")[:more]
        return np.union1d(np.flatnonzero(needed), nearest[np.isfinite(room[nearest])])

    def certify(
        self, point: Point, hessian: FloatArray, columns: Columns
    ) -> Certificate:
        """Return the step on the working set, and what is proven of it there."""
        evaluation, geometry = point.evaluation, self.geometry
        inside = replace(
            evaluation, gradient=evaluation.gradient[columns], hessian=hessian
        )
        part = Geometry(
            geometry.reach[columns],
            geometry.radius,
            geometry.column_squares[columns],
        )
        known = certify_composite(
            inside, point.theta[columns], self.penalty.at(columns), part
        )
        step = np.zeros(len(point.theta))
        step[columns] = known.step
        return replace(known, step=step)

    def _verdict(
        self, point: Point, known: Certificate, columns: Columns
    ) -> Status | None:
        outside = np.ones(len(point.theta), dtype=bool)
        outside[columns] = False
        slack = self.penalty.slack(point.theta, point.evaluation.gradient)[outside]
        if estimated_end(known, 0.0, self.tol) and (slack >= 0).all():
            return Status.CONVERGED_UNCERTIFIED
        if not (known.after <= self.tol or known.after_exact <= self.tol):
            return None
        if (slack < self._drift(known)[outside]).any():
            return None
        return Status.CONVERGED if known.after <= self.tol else Status.STALLED

    def _drift(self, known: Certificate) -> FloatArray:
        """Return how far slopes may change from the point to the optimum of the set."""
        reach, after = known.step_reach, known.after
        bend = known.kappa * math.exp(reach / 2) * after if after < np.inf else np.inf
        if reach + bend > LARGEST_REACH:
            return np.full(len(known.step), np.inf)
        far = known.decrement * math.exp(reach / 2) + math.exp(bend / 2) * after
        return np.asarray(np.sqrt(self.geometry.column_squares / 4) * far)


def _end(
    point: Point, known: Certificate | None, status: Status, spent: int
) -> Solution:
    """Take the certified step; elsewhere stay at the best point."""
    if known is None or status in (Status.MAX_PASSES, Status.INTERRUPTED):
        return Solution(point.theta, point, status, np.inf, spent)
    unproven = status is Status.CONVERGED_UNCERTIFIED
    bound = np.nan if unproven else known.after
    theta, bend = point.theta + known.step, known.decrement**2
    return Solution(theta, point, status, bound, spent, known.step, bend)
