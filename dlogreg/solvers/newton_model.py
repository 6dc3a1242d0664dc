r"""Newton's method for several models at once, each asking for a point at a time.

The models differ in their outcomes, so that no two have the same Hessian H = Z'SWZ:
where a model needs a new one, it is its own, k^2 operations per row; a gradient takes
4 k. A Hessian is kept where that should cost no pass: with S0 the largest change of a
row's predictor since it was formed, which the pass that evaluates the gradient finds,

    exp(-S0) H_old <= H <= exp(S0) H_old,

and the certificate of ``certificate.py`` holds with eps = exp(S0) - 1. Points, bounds
and ends are those of ``newton.py`` but for steps that do not lower the objective: they
are shortened in the next pass.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

import numpy as np
import numpy.typing as npt

from dlogreg.evaluation import Evaluation, FloatArray, ManyEvaluation
from dlogreg.solvers.certificate import Certificate, Geometry, certify, remainder
from dlogreg.solvers.many import one_of
from dlogreg.solvers.newton import (
    HOPE,
    LARGEST_ERROR,
    LARGEST_STALE,
    SUFFICIENT_DECREASE,
    growing_without_end,
)
from dlogreg.solvers.solution import Point, Solution, Status
from dlogreg.solvers.stale_hessian import Found
from dlogreg.solvers.system import NewtonSystem

WORSE = 1.1
"""Times the objective without columns, above which a start is not worth its name."""
SHORTER = 0.3
"""Length of a step after one that did not lower the objective."""
NOISE = 2.0**-48
"""Of the objective, by which rounding may let it rise."""


@dataclass(slots=True, eq=False)
class NewtonModel:
    """One model on its way to the optimum of its summed loss and ridge penalty."""

    geometry: Geometry
    kept: npt.NDArray[np.intp]
    """Columns that are not aliased; the others stay at zero."""
    curvature: FloatArray
    """Of the penalty sum_j curvature_j theta_j^2 / 2, shape (n_params,)."""
    tol: float
    trial: FloatArray | None
    """The point to evaluate next; None: there is none."""
    fallback: FloatArray
    """Where to begin if the first point has a much larger objective than this one."""
    ceiling: float
    """The objective at the fallback; NaN where it is not known."""
    finite: bool = False
    """A finite optimum is known to exist."""
    closing: bool = False
    """The last point is to serve for inference."""
    wants_hessian: bool = True
    status: Status | None = None
    point: Point | None = None
    """The best point, with the Hessian at hand, which may be that of another."""
    certificate: Certificate | None = None
    n_evaluations: int = 0
    _origin: FloatArray | None = field(default=None, init=False)
    """Where the Hessian at hand was formed."""
    _history: list[Certificate] = field(default_factory=list, init=False)

    @property
    def move(self) -> FloatArray:
        """How far the next point is from where the Hessian at hand was formed."""
        assert self.trial is not None
        origin = self.trial if self._origin is None else self._origin
        return self.trial - origin

    @property
    def unproven(self) -> bool:
        """Tell whether even the existence of a finite optimum is not proven."""
        known = self.certificate
        return not self.finite and (known is None or known.unproven)

    def receive(self, found: Found) -> None:
        """Take what was found at the trial point, and choose the next."""
        self.n_evaluations += 1
        fresh = self._penalized(found)
        if self.n_evaluations == 1 and fresh.loss > WORSE * self.ceiling:
            self.trial, self.wants_hessian = self.fallback, True
            return
        if self.point is not None and not self._lower(fresh.loss):
            move = found.theta - self.point.theta
            self.trial = self.point.theta + SHORTER * move
            self.wants_hessian = True
            return
        if found.hessian is not None:
            self._origin = found.theta
        self.point = Point(found.theta, fresh)
        assert fresh.hessian is not None
        system = NewtonSystem.of(fresh.hessian, self.kept)
        self.certificate = certify(fresh, system, found.theta, self.geometry)
        self._history.append(self.certificate)
        self._judge(system)

    def end(self, status: Status) -> None:
        """Stop where the model is."""
        self.status, self.trial = status, None

    def solution(self) -> Solution:
        """Return the answer: a step beyond the best point where that is certified.

        Without any, the point to fall back to.
        """
        point, known, status = self.point, self.certificate, self.status
        assert status is not None
        if point is None or known is None:
            start = self.fallback
            nothing = Evaluation(self.ceiling, np.zeros_like(start))
            return Solution(start, Point(start, nothing), status, math.inf, 0)
        lost = status in (Status.SEPARATED, Status.SEPARATION_SUSPECTED)
        theta, bound = point.theta, math.inf if lost else known.here
        if math.isfinite(known.after) and not lost:
            theta, bound = point.theta + known.step, known.after
        evaluation, bend = point.evaluation, 0.0
        if (
            evaluation.stale and evaluation.hessian is not None
        ):  # standard errors would be those of another point
            step = theta - point.theta
            bend = float(step @ evaluation.hessian @ step)
            point = Point(point.theta, replace(evaluation, hessian=None))
        spent = self.n_evaluations
        return Solution(theta, point, status, bound, spent, known.step, bend)

    def _penalized(self, found: Found) -> Evaluation:
        """Return the evaluation with the penalty, and the Hessian at hand."""
        curvature, theta = self.curvature, found.theta
        loss = found.loss + 0.5 * float(curvature @ theta**2)
        gradient = found.gradient + curvature * theta
        if found.hessian is not None:
            hessian = found.hessian + np.diag(curvature)
            return Evaluation(loss, gradient, hessian, meat=found.meat)
        known = None if self.point is None else self.point.evaluation.hessian
        return Evaluation(loss, gradient, known, stale=found.stale)

    def _lower(self, value: float) -> bool:
        """Tell whether the objective fell as a step should let it.

        A step that moves no row's predictor by more than 1 is sure to.
        """
        known, point = self.certificate, self.point
        assert known is not None
        assert point is not None
        if known.step_reach <= 1:
            return True
        least = SUFFICIENT_DECREASE * known.decrement**2
        before = point.evaluation.loss
        return value <= before - least + NOISE * abs(before)

    def _judge(self, system: NewtonSystem) -> None:
        """Stop, or choose the end of Newton's step as the next point."""
        known, point = self.certificate, self.point
        assert known is not None
        assert point is not None
        fresh = not (self.closing and point.evaluation.stale)
        if known.after <= self.tol:
            if not self.closing or (fresh and self._serves(system)):
                self.end(Status.CONVERGED)
                return
        elif fresh and known.after_exact <= self.tol:  # rounding hides the proof
            self.end(Status.STALLED)
            return
        elif not self.finite and growing_without_end(self._history):
            self.end(Status.SEPARATION_SUSPECTED)
            return
        elif fresh and len(self._history) > 2 and self._exhausted(known):
            self.end(Status.STALLED)
            return
        self.trial = point.theta + known.step
        self.wants_hessian = self._needs_hessian(known, point.evaluation.stale)

    @staticmethod
    def _exhausted(known: Certificate) -> bool:
        return known.decrement <= 2 * known.rounding

    def _serves(self, system: NewtonSystem) -> bool:
        """Tell whether standard errors of this point are as exact as coefficients.

        Their relative error is at most exp(S/2) - 1, S how far the optimum moves any
        row's predictor. The first point was not chosen by its data, and never serves.
        """
        known = self.certificate
        assert known is not None
        kappa = self.geometry.kappa(system.inverse(), self.kept)
        moved = float(self.geometry.reach @ np.abs(known.step)) + kappa * known.after
        exact = math.expm1(min(moved, 50.0) / 2) <= min(self.tol, LARGEST_ERROR)
        return exact and self.n_evaluations > 1

    def _needs_hessian(self, known: Certificate, stale: float) -> bool:
        """Tell whether to do with the gradient alone at the next point costs a pass.

        A step with the Hessian at hand leaves eps of what is there. For inference the
        last point needs its own in any case; then the question is whether the point
        after the next can be the last either way.
        """
        moved, tol = stale + known.step_reach, self.tol
        if moved > LARGEST_STALE:
            return True
        eps = math.expm1(moved)
        if not self.closing:
            return known.after * eps > 0.5 * tol
        shrink = remainder(known.step_reach)
        expected = min(known.after, known.decrement * (math.expm1(stale) + shrink))
        reach = known.step_reach * expected / max(known.decrement, 1e-300)
        if HOPE * expected * remainder(reach) <= tol:
            return True  # the next point may be the last
        moves = reach * eps
        serves = moves <= min(tol, LARGEST_ERROR)
        return not (serves and expected * eps * remainder(moves) <= 0.5 * tol)


class EvaluateModels(Protocol):
    """One pass: the next points of some models -> losses and gradients."""

    def __call__(
        self,
        active: Sequence[int],
        thetas: FloatArray,
        moves: FloatArray,
        hessian_of: tuple[int, ...],
    ) -> ManyEvaluation:
        """Evaluate these models at the columns of thetas."""
        ...


def advance_newton(
    evaluate: EvaluateModels,
    models: Sequence[NewtonModel],
    passes_left: int,
    observe: Callable[[], None],
) -> None:
    """Advance every model until it ends, or no pass is left.

    Ctrl-C during a pass ends all that are left where they are. ``observe`` is called
    after every pass.
    """
    for _ in range(passes_left):
        active = [i for i, model in enumerate(models) if model.trial is not None]
        if not active:
            return
        some = [models[i] for i in active]
        thetas = np.column_stack([model.trial for model in some])  # type: ignore[misc]
        moves = np.column_stack([model.move for model in some])
        chosen = tuple(i for i, model in enumerate(some) if model.wants_hessian)
        try:
            found = evaluate(active, thetas, moves, chosen)
        except KeyboardInterrupt:
            _end_all(models, Status.INTERRUPTED)
            return
        take(some, thetas, found, chosen)
        observe()
    _end_all(models, Status.MAX_PASSES)


def take(
    models: Sequence[NewtonModel],
    thetas: FloatArray,
    found: ManyEvaluation,
    chosen: tuple[int, ...],
) -> None:
    """Give every model what a pass has found for it."""
    for i, model in enumerate(models):
        if model.trial is not None:  # else it has been ended meanwhile
            model.receive(one_of(found, i, thetas[:, i], chosen))


def _end_all(models: Sequence[NewtonModel], status: Status) -> None:
    for model in models:
        if model.trial is not None:
            model.end(status)
