"""Newton's method for the models of many groups: a pass advances all that are left.

Every model takes the steps that ``Newton`` takes, with its own step lengths and its own
certificate, and rests once it has converged or given up, so that the passes are those
of the slowest. On the driver a model takes one factorisation for every pass.

Where rows have offsets, the model with an intercept alone is sought beside each: by
Newton's steps in one dimension, s = -g/h, damped to log(1 + abs(s)) so that each
decreases the loss, since abs(l''') <= l''.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from dlogreg.evaluation import Evaluation, FloatArray
from dlogreg.solvers.certificate import Certificate
from dlogreg.solvers.newton import (
    SHORTER_STEPS,
    SUFFICIENT_DECREASE,
    Newton,
    best_length,
    end_at,
)
from dlogreg.solvers.solution import Point, Solution, Status
from dlogreg.standardization import Standardization

if TYPE_CHECKING:
    from dlogreg.penalty import Ridge

N_LENGTHS = len(SHORTER_STEPS) + 1
NULL_STEP = 1e-7
"""Last step of the model with an intercept alone; its loss is off by the square."""


@dataclass(slots=True, eq=False)
class NullIntercept:
    """The model with an intercept beside the offsets."""

    intercept: float
    loss: float = math.nan
    step: float = math.inf

    @property
    def found(self) -> bool:
        """Whether the loss is exact."""
        return abs(self.step) <= NULL_STEP

    def receive(self, loss: float, slope: float, bend: float) -> None:
        """Take the sums at the intercept, and the next step."""
        step = -slope / bend if bend > 0 else 0.0
        self.loss = loss + 0.5 * slope * step
        self.step = step
        self.intercept += math.copysign(math.log1p(abs(step)), step)


@dataclass(slots=True, eq=False)
class GroupModel:
    """The search for one group's optimum."""

    place: int
    """Position of the group among all."""
    newton: Newton
    standardization: Standardization
    penalty: Ridge
    trial: FloatArray | None
    """Where the model is to be evaluated next; None when it rests."""
    factor: float = 1.0
    """What sums over its rows are multiplied with."""
    exact: float = math.inf
    """Largest relative error of standard errors that is allowed."""
    null: NullIntercept | None = None
    point: Point | None = None
    history: list[Certificate] = field(default_factory=list)
    solution: Solution | None = None
    bse_error: float = math.nan
    """Proven relative error of the standard errors of ``point``."""
    _spent: int = 0
    _shortened: bool = False

    @property
    def active(self) -> bool:
        """Whether another pass is wanted."""
        return self.trial is not None or not (self.null is None or self.null.found)

    @property
    def place_of_trial(self) -> FloatArray:
        """Where the model is evaluated; of one that rests, the sums are not used."""
        if self.trial is not None:
            return self.trial
        assert self.point is not None
        return self.point.theta

    @property
    def step(self) -> FloatArray | None:
        """The step of which shorter lengths are to be tried beside the full one."""
        far = self.history and self.history[-1].step_reach > 1
        tries = far and not self._shortened and self.trial is not None
        return self.history[-1].step if tries else None

    @property
    def lengths(self) -> FloatArray:
        """Lengths to be tried, shape (N_LENGTHS,); the last decreases the loss."""
        reach = max(self.history[-1].step_reach, 1e-300)
        return np.array([*SHORTER_STEPS, float(np.log1p(reach) / reach)])

    def begin(self, point: Point) -> None:
        """Start from a point that is evaluated already."""
        self._accept(point)

    def receive(self, sums: Evaluation) -> None:
        """Take the sums at the trial, in centred columns, and choose the next."""
        theta, last = self.trial, self.point
        if theta is None:
            return
        self._spent += 1
        found = self.standardization.scaled(_weighted(sums, self.factor))
        step = self.step
        trials = []
        if step is not None and last is not None:
            trials = [last.theta + length * step for length in self.lengths]
        else:
            found = replace(found, trial_losses=None)
        found = self.penalty.added(found, theta, trials)
        if step is not None and last is not None and self._fails(found, last):
            assert found.trial_losses is not None
            length = best_length(tuple(self.lengths.tolist()), found.trial_losses)
            self.trial, self._shortened = last.theta + length * step, True
            if self._spent >= self.newton.max_evaluations:
                self._end(last, Status.MAX_PASSES)
            return
        self._accept(Point(theta, found))

    def _fails(self, found: Evaluation, last: Point) -> bool:
        """Tell whether the full step has not decreased the loss enough."""
        least = SUFFICIENT_DECREASE * self.history[-1].decrement ** 2
        return not found.loss <= last.evaluation.loss - least

    def _accept(self, point: Point) -> None:
        """Judge a new point; rest there, or step on."""
        self.point, self._shortened = point, False
        certificate = self.newton.certify(point)
        self.history.append(certificate)
        status = self.newton.verdict(self.history, self._spent)
        self.bse_error = self._error(certificate)
        left = self.newton.max_evaluations - self._spent
        if status is Status.CONVERGED and self.bse_error > self.exact and left:
            status = None  # one more pass makes standard errors exact
        if status is None:
            self.trial = point.theta + certificate.step
        else:
            self._end(point, status)

    def _end(self, point: Point, status: Status) -> None:
        certificate = self.history[-1]
        self.solution = end_at(point, certificate, status, self._spent)
        self.trial = None

    def _error(self, certificate: Certificate) -> float:
        """Return exp(S/2) - 1, S how far the optimum moves any row's predictor."""
        step = self.newton.geometry.reach @ np.abs(certificate.step)
        reach = float(step + certificate.kappa * certificate.after)
        return math.expm1(reach / 2) if reach < 1400 else math.inf

    def rests_at(self, status: Status) -> bool:
        """Rest where the search stands; tell whether it has begun at all."""
        if self.point is not None and self.solution is None:
            self._end(self.point, status)
        self.trial = None
        return self.solution is not None


def _weighted(sums: Evaluation, factor: float) -> Evaluation:
    if factor == 1.0:
        return sums
    trials, hessian = sums.trial_losses, sums.hessian
    return replace(
        sums,
        loss=factor * sums.loss,
        gradient=factor * sums.gradient,
        hessian=None if hessian is None else factor * hessian,
        trial_losses=None if trials is None else factor * trials,
    )


EvaluateGroups = Callable[[Sequence[GroupModel]], None]
"""One pass: gives every model the sums at its trial."""


def advance_groups(
    evaluate: EvaluateGroups, models: Sequence[GroupModel], most: int
) -> None:
    """Advance every model until it rests, in at most so many passes."""
    for _ in range(most):
        active = [model for model in models if model.active]
        if not active:
            return
        evaluate(active)
