"""L-BFGS for wide data, where the Hessian is too large to form.

scipy's L-BFGS-B does the iterations, in coordinates scaled by the diagonal of the
Hessian at the null model; one evaluation is one pass. Without a Hessian nothing can be
proven about the distance to the optimum: the fit stops on the norm of the gradient in
that diagonal metric, which estimates the distance in standard errors where columns are
not strongly correlated, and on the decrease of the loss having died away.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from scipy.optimize import minimize

from dlogreg.evaluation import FloatArray
from dlogreg.solvers.solution import Evaluate, Point, Solution, Status

MEMORY = 20
SETTLED = 5
"""Evaluations over which the loss must have stopped to decrease."""


class _Done(Exception):  # noqa: N818 - a signal, not an error
    """The stopping rule is met."""


@dataclass(frozen=True, slots=True, eq=False)
class LBFGS:
    """Minimize from gradients alone."""

    tol: float
    max_evaluations: int
    curvature: FloatArray
    """Diagonal of the Hessian at the start, shape (n_params,)."""

    def minimize(self, evaluate: Evaluate, start: Point) -> Solution:
        """Start from an evaluated point; return the best point found."""
        search = _Search(evaluate, start, self)
        status = Status.STALLED
        try:
            minimize(
                search,
                start.theta * search.unit,
                jac=True,
                method="L-BFGS-B",
                options={
                    "maxcor": MEMORY,
                    "maxiter": 10 * self.max_evaluations,
                    "maxfun": 10 * self.max_evaluations,
                    "ftol": 0.0,
                    "gtol": 0.0,
                },
            )
        except _Done:
            status = search.status
        except KeyboardInterrupt:
            status = Status.INTERRUPTED
        best = search.best
        if status is Status.STALLED and search.settled(best):
            status = Status.CONVERGED_UNCERTIFIED
        return Solution(best.theta, best, status, np.nan, search.spent)


@dataclass(slots=True, eq=False)
class _Search:
    """The function that scipy calls, which also watches for the end."""

    evaluate: Evaluate
    start: Point
    rule: LBFGS
    unit: FloatArray = field(init=False)
    best: Point = field(init=False)
    losses: list[float] = field(init=False)
    spent: int = 0
    status: Status = Status.STALLED

    def __post_init__(self) -> None:
        largest = self.rule.curvature.max()
        self.unit = np.sqrt(np.maximum(self.rule.curvature, 1e-12 * largest))
        self.best = self.start
        self.losses = [self.start.evaluation.loss]

    def __call__(self, scaled: FloatArray) -> tuple[float, FloatArray]:
        theta = scaled / self.unit
        if np.array_equal(theta, self.start.theta):
            evaluation = self.start.evaluation
        else:
            self._check_end()
            evaluation = self.evaluate(theta, order=1)
            self.spent += 1
            self.losses.append(evaluation.loss)
        if evaluation.loss <= self.best.evaluation.loss:
            self.best = Point(theta, evaluation)
        return evaluation.loss, evaluation.gradient / self.unit

    def _check_end(self) -> None:
        """Look at the best point before another pass is paid for."""
        if self.settled(self.best) and self._loss_settled():
            self.status = Status.CONVERGED_UNCERTIFIED
            raise _Done
        if self.spent >= self.rule.max_evaluations:
            self.status = Status.MAX_PASSES
            raise _Done

    def settled(self, point: Point) -> bool:
        """Tell whether the scaled gradient is below a tenth of tol."""
        scaled = point.evaluation.gradient / self.unit
        return float(np.linalg.norm(scaled)) <= 0.1 * self.rule.tol

    def _loss_settled(self) -> bool:
        if len(self.losses) <= SETTLED:
            return float(np.linalg.norm(self.best.evaluation.gradient)) == 0.0
        best = min(self.losses)
        before = min(self.losses[:-SETTLED])
        floor = 4 * np.finfo(float).eps * abs(best)
        return before - best <= max(self.rule.tol**2 / 2, floor)
