"""Newton's method with the Hessian, a search along the step, and the certificate.

An iteration evaluates the full step, which on acceptance is already the evaluation
of the next iteration. Only where the step moves some row's linear predictor by more
than 1 can the full step fail to decrease the objective (F(theta + d) <= F(theta)
- lambda^2 (1 - (e^S - 1 - S)/S^2)); there the losses at shorter steps come from the
same read, so a rejected step costs one pass whatever the number of halvings.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from dlogreg.evaluation import Evaluation, FloatArray
from dlogreg.solvers.certificate import (
    Certificate,
    Geometry,
    bound_after_step,
    certify,
    remainder,
    single_error,
)
from dlogreg.solvers.solution import (
    Evaluate,
    Observe,
    Point,
    Solution,
    Status,
    Watch,
)
from dlogreg.solvers.system import NewtonSystem

SUFFICIENT_DECREASE = 1e-4
SHORTER_STEPS = (0.5, 0.25, 0.125, 0.03125)
USUAL_DECREMENT = 0.1
"""Of a start that the first pass has learned, per root of the number of columns, where
there are 100,000 rows for each."""
LARGEST_STALE = 0.3
"""Of S0, up to which a Hessian is kept."""
SMALL_TOL = 1e-3
"""Below, one step from a start is hardly ever enough."""
LARGEST_SINGLE_ERROR = 0.1
HOPE = 0.1
"""What a pass brings, of what is sure: sums for inference in vain cost half a pass, and
to have done without them in vain costs a whole one."""
LARGEST_ERROR = 1e-4
"""Of standard errors, relative: a pass further from the optimum cannot be the closing
pass, whatever tol is."""
LINEAR_RATE = 0.4
"""Along a separating direction the decrement falls by exp(-1/2) = 0.61 per step, while
towards a finite optimum it ends up falling quadratically."""


@dataclass(frozen=True, slots=True, eq=False)
class Newton:
    """Minimize by Newton steps until the next one is certified to end within tol."""

    tol: float
    max_evaluations: int
    geometry: Geometry
    kept: npt.NDArray[np.intp]
    """Columns that are not aliased; the others stay at zero."""
    finite: bool = False
    """A finite optimum is known to exist, because every slope is penalised."""
    rounds: bool = False
    """Products for the Hessian may be made in float32 where that costs no pass."""
    closing: bool = False
    """The last pass is to serve for inference."""
    watch: Watch | None = None
    """Looks for separation meanwhile."""

    def minimize(self, evaluate: Evaluate, start: Point, observe: Observe) -> Solution:
        """Start from an evaluated point; return the solution.

        Ctrl-C during an evaluation returns the best point with its bound.
        """
        point, spent = start, 0
        history: list[Certificate] = []
        while True:
            certificate = self.certify(point)
            observe(certificate)
            history.append(certificate)
            status = self.verdict(history, spent)
            if status is not None:
                return end_at(point, certificate, status, spent)
            try:
                left = self.max_evaluations - spent
                point, cost = self._advance(evaluate, point, certificate, left)
            except KeyboardInterrupt:
                return end_at(point, certificate, Status.INTERRUPTED, spent)
            spent += cost

    def certify(self, point: Point) -> Certificate:
        """Return the Newton step and its bounds at an evaluated point."""
        hessian = point.evaluation.hessian
        assert hessian is not None
        system = NewtonSystem.of(hessian, self.kept)
        known = (point.evaluation, system, point.theta, self.geometry)
        return certify(*known, single=self.rounds)

    def first_precision(self, information: FloatArray) -> str:
        """Return how to evaluate the start, where this is known of its Hessian.

        Products in float32 cost no pass where another one follows in any case, or where
        what they are off by hides in tol, from a start of usual quality.
        """
        if not self.rounds:
            return "double"
        system = NewtonSystem.of(information, self.kept)
        inverse = system.inverse()
        error = single_error(inverse, system.unit)
        if error >= LARGEST_SINGLE_ERROR:
            return "double"
        if self.closing or self.tol < SMALL_TOL:
            return "mixed"
        usual = USUAL_DECREMENT * math.sqrt(len(self.kept))
        kappa = self.geometry.kappa(inverse, self.kept)
        double, mixed = (
            bound_after_step(usual, kappa * usual, kappa, 0.0, eps)
            for eps in (0.0, error)
        )
        return "double" if double <= self.tol < mixed else "mixed"

    def next_precision(self, last: Certificate) -> str:
        """Return how to evaluate the next point: as closing pass, if it may be that.

        What is expected there is the bound, or to first order what the step leaves.
        """
        error, shrink = last.single_error, remainder(min(last.step_reach, 2.0))
        expected = min(last.after, last.decrement * shrink)
        moves = min(last.kappa * expected, last.step_reach * shrink)
        after = expected * remainder(min(moves, 2.0))
        if self.closing and HOPE * after <= self.tol:
            serves = HOPE * moves <= 2 * min(self.tol, LARGEST_ERROR)
            return "closing" if serves else "double"
        if not self.rounds or error >= LARGEST_SINGLE_ERROR:
            return "double"
        fits = after > self.tol or error * expected <= 0.25 * self.tol
        return "mixed" if fits else "double"

    def keeps_hessian(self, known: Evaluation, last: Certificate) -> bool:
        """Tell whether the gradient alone will do at the next point, for certain.

        What the step after it leaves is in proportion to how far the Hessian is off.
        """
        moved = known.stale + last.step_reach
        if self.closing or moved > LARGEST_STALE:
            return False
        error = last.single_error if known.rounding else 0.0
        error = (1 + error) * math.exp(moved) - 1
        return last.after * error <= 0.5 * self.tol

    def verdict(self, history: list[Certificate], spent: int) -> Status | None:
        """Return how the search has ended at the last point, None if it goes on."""
        last = history[-1]
        if last.after <= self.tol:
            return Status.CONVERGED
        if last.after_exact <= self.tol:  # reached, but rounding hides the proof
            return Status.STALLED
        if self.watch is not None and self.watch.separated:
            return Status.SEPARATED
        if self._may_be_separated and growing_without_end(history):
            watched = self.watch is not None
            return Status.UNDECIDED if watched else Status.SEPARATION_SUSPECTED
        if len(history) > 2 and last.decrement <= 2 * last.rounding:
            return Status.STALLED
        if spent >= self.max_evaluations:
            return Status.MAX_PASSES
        return None

    @property
    def _may_be_separated(self) -> bool:
        """Tell whether nobody knows better, or is about to."""
        watch = self.watch
        known = watch is not None and (watch.overlaps or watch.searching)
        return not (self.finite or known)

    def _advance(
        self, evaluate: Evaluate, point: Point, certificate: Certificate, left: int
    ) -> tuple[Point, int]:
        """Take the full step or, where that fails, the best shorter one.

        The point stays where no evaluation is left for the shorter step.
        """
        step, reach = certificate.step, certificate.step_reach
        theta = point.theta + step
        if self.keeps_hessian(point.evaluation, certificate):
            found, known = evaluate(theta, order=1), point.evaluation
            kept = replace(
                found,
                hessian=known.hessian,
                rounding=known.rounding,
                stale=known.stale + reach,
            )
            return Point(theta, kept), 1
        precision = self.next_precision(certificate)
        if reach <= 1:
            return Point(theta, evaluate(theta, precision=precision)), 1
        return self._with_trials(evaluate, point, certificate, precision, left)

    def _with_trials(
        self,
        evaluate: Evaluate,
        point: Point,
        certificate: Certificate,
        precision: str,
        left: int,
    ) -> tuple[Point, int]:
        """Take the full step, or the best of the shorter ones tried in its read."""
        step, reach = certificate.step, certificate.step_reach
        theta = point.theta + step
        lengths = (*SHORTER_STEPS, float(np.log1p(reach) / reach))
        back = tuple(length - 1 for length in lengths)
        full = evaluate(theta, direction=step, step_lengths=back, precision=precision)
        loss = point.evaluation.loss
        least = SUFFICIENT_DECREASE * certificate.decrement**2
        if full.loss <= loss - least:
            return Point(theta, full), 1
        if left < 2:
            return point, 1
        assert full.trial_losses is not None
        length = best_length(lengths, full.trial_losses)
        theta = point.theta + length * step
        return Point(theta, evaluate(theta, precision=precision)), 2


def best_length(lengths: tuple[float, ...], losses: FloatArray) -> float:
    """Return the length of least loss; the last one is sure to decrease it."""
    finite = np.where(np.isfinite(losses), losses, np.inf)
    best = int(np.argmin(finite))
    return lengths[best] if np.isfinite(finite[best]) else lengths[-1]


def growing_without_end(history: list[Certificate]) -> bool:
    """Tell whether the decrement is small and still falls only at a linear rate."""
    if len(history) < 4:
        return False
    tail = history[-3:]
    slow = all(
        after.decrement > LINEAR_RATE * before.decrement
        for before, after in pairwise(tail)
    )
    return slow and tail[-1].decrement < 0.1 and tail[-1].unproven


def end_at(
    point: Point, certificate: Certificate, status: Status, spent: int
) -> Solution:
    """Take the certified step; without a certificate stay at the evaluated point.

    Where the Hessian is singular there is none, and the step is taken by its estimate.
    """
    if status is Status.CONVERGED_UNCERTIFIED:
        theta = point.theta + certificate.step
        return Solution(theta, point, status, np.nan, spent, certificate.step)
    separated = status in (Status.SEPARATION_SUSPECTED, Status.UNDECIDED)
    if np.isfinite(certificate.after) and not separated:
        theta, bound = point.theta + certificate.step, certificate.after
    else:
        theta, bound = point.theta, np.inf if separated else certificate.here
    return Solution(theta, point, status, bound, spent, certificate.step)
