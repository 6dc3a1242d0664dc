"""L-BFGS for wide data, where the Hessian is too large to form.

scipy's L-BFGS-B does the iterations, in coordinates scaled by the diagonal of the
Hessian at the null model; one evaluation is one pass. Without a Hessian nothing can be
proven about the distance to the optimum: the fit stops on the norm of the gradient in
that diagonal metric, which estimates the distance in standard errors where columns are
not strongly correlated, and on the decrease of the loss having died away.

A sum of losses resolves its own decrease only down to about 1e-16 of itself, which
leaves the gradient at 1e-8 of its start. scipy gives up there; the search then goes on
from the best point with the decrease measured from gradients by the trapezoidal rule
(Hager and Zhang 2005, SIAM J. Optim. 16, 170-192, the approximate Wolfe condition).
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from scipy.optimize import minimize

from dlogreg.evaluation import FloatArray
from dlogreg.solvers.solution import Evaluate, Point, Solution, Status

MEMORY = 20
RESTARTS = 3
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
        status = search.run()
        for _ in range(RESTARTS):
            if status is not Status.STALLED or search.settled(search.best):
                break
            search.measure_from_best()
            status = search.run()
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
    origin: Point | None = None
    """Where the decrease is measured from; None: from the losses."""

    def __post_init__(self) -> None:
        largest = self.rule.curvature.max()
        self.unit = np.sqrt(np.maximum(self.rule.curvature, 1e-12 * largest))
        self.best = self.start
        self.losses = [self.start.evaluation.loss]

    def run(self) -> Status:
        """Let scipy search from the best point until it or the rule says stop."""
        most = 10 * max(1, self.rule.max_evaluations)
        try:
            minimize(
                self,
                self.best.theta * self.unit,
                jac=True,
                method="L-BFGS-B",
                options={
                    "maxcor": MEMORY,
                    "maxiter": most,
                    "maxfun": most,
                    "ftol": 0.0,
                    "gtol": 0.0,
                },
            )
        except _Done:
            return self.status
        except KeyboardInterrupt:
            return Status.INTERRUPTED
        return Status.STALLED

    def measure_from_best(self) -> None:
        """Measure the decrease from gradients from now on."""
        self.start = self.origin = self.best

    def __call__(self, scaled: FloatArray) -> tuple[float, FloatArray]:
        theta = scaled / self.unit
        if np.array_equal(theta, self.start.theta):
            evaluation = self.start.evaluation
        else:
            self._check_end()
            evaluation = self.evaluate(theta, order=1)
            self.spent += 1
            self.losses.append(evaluation.loss)
        point = Point(theta, evaluation)
        if self._is_best(point):
            self.best = point
        return self._value(point), evaluation.gradient / self.unit

    def _is_best(self, point: Point) -> bool:
        if self.origin is None:
            return point.evaluation.loss <= self.best.evaluation.loss
        return self._distance(point) <= self._distance(self.best)

    def _value(self, point: Point) -> float:
        """Return the loss or, near the optimum, what it gained since the origin."""
        if self.origin is None:
            return point.evaluation.loss
        slope = point.evaluation.gradient + self.origin.evaluation.gradient
        return float(slope @ (point.theta - self.origin.theta)) / 2

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
        return self._distance(point) <= 0.1 * self.rule.tol

    def _distance(self, point: Point) -> float:
        return float(np.linalg.norm(point.evaluation.gradient / self.unit))

    def _loss_settled(self) -> bool:
        if len(self.losses) <= SETTLED:
            return float(np.linalg.norm(self.best.evaluation.gradient)) == 0.0
        best = min(self.losses)
        before = min(self.losses[:-SETTLED])
        floor = 4 * np.finfo(float).eps * abs(best)
        return before - best <= max(self.rule.tol**2 / 2, floor)
