r"""L-BFGS for wide data, where the Hessian is too large to form.

A pass costs reading, and of dense rows the product with four points costs little more
than the product with one. So every pass takes loss and gradient at four points of the
line that the last direction points along, around the length where the minimum is
expected. Of compressed rows each gradient costs as much as the next, so there it is
two points, farther apart where it is not known how long steps will be, in the first
passes and after a line that has missed its minimum:

- the minimum of the line, and the gradient there, are interpolated (see ``line``). The
  next line starts from that point without another pass, so that every step is an exact
  line search, with which L-BFGS does what preconditioned conjugate gradients do;
- the curvature pair is the change of the gradient between two points of the same pass,
  so that as a rule nothing interpolated enters the Hessian's approximation.

The start of that approximation is ``Metric``: the diagonal of the Hessian at the null
model, with the correlations of a sample of rows as far as they are not noise.

Where to stop. Minimizing along directions that are conjugate, the loss gained from a
point on is half the squared distance to the optimum in the metric of the Hessian, that
is in standard errors (Strakos and Tichy 2002, ETNA 13, 56-80). The gains fall at a
rate that the last five show; their sum to infinity, and the norm of the gradient in
the metric of the start, both estimate the distance, and the larger must be below a
third of tol. An estimate is not a proof: the status says so, and whoever can looks at
it again (``dlogreg.sampled_bound``). Where nobody can, the norm is divided by the root
of the least curvature that was met. What has not been met, as the direction that tells
two nearly collinear columns apart before all others have converged, stays hidden.

With a penalty on every slope ``StrongConvexity`` proves a bound, which ends the fit
where it is below tol; once the estimate is, the proof is waited for if that is expected
to take few passes more. Where rows are few for the coefficients, and nobody looks
again, it is always waited for: directions of which rows say little are then many, and
estimates were wrong in most trials, while the proof came as soon as the distance was
below a third of tol, give or take a tenth of the passes.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from dlogreg.evaluation import FloatArray, TrialPoints
from dlogreg.solvers.convexity import StrongConvexity
from dlogreg.solvers.lbfgs_search import Search
from dlogreg.solvers.line import Line
from dlogreg.solvers.metric import Metric
from dlogreg.solvers.solution import Point, Solution, Status

LENGTHS = np.array([0.4, 0.8, 1.2, 2.4])
"""Trial points, in units of the length where the minimum is expected."""
FEW_LENGTHS = np.array([0.8, 1.6])
"""The same where each point costs as much as the next."""
FIRST_LENGTHS, FIRST_PASSES = np.array([0.3, 1.2]), 8
"""The same in so many passes, which do not know lengths; found in trials."""
MISSED_LENGTHS = np.array([0.25, 2.0])
"""The same after a line whose minimum was not between its points. Where rows are nearly
separated, lengths scatter: these two reached optima in 15 of 17 trials that four points
after a miss reached in 8, and 0.8 and 1.6 in 6, and cost others no pass."""
SAFETY = 3.0
"""By how much the estimated distance must be below tol: it was up to twice too small
in trials with slowly falling gains."""
NEAR = 100.0
"""Estimated distance, in units of tol, from which the proof is looked at."""
PROVABLE = 10.0
"""What the proof can say at best, in units of tol, from which it is worth its sums."""
PATIENCE = 0.25
"""Passes waited for a proof, as a share of those made."""
RETREATS = 6
"""Passes in a row that find nothing better, before the fit is called stalled."""

ObserveDistance = Callable[[float, float], None]
"""Is told the estimated distance in standard errors and the proven bound, or NaN."""


class EvaluatePoints(Protocol):
    """One pass: loss and gradient at the columns of ``vectors @ mixing``."""

    def __call__(
        self,
        vectors: FloatArray,
        mixing: FloatArray,
        *,
        intercept_curvatures: int = 0,
    ) -> TrialPoints:
        """Evaluate at every column, and for a proof curvatures at the first of them.

        ``vectors`` has shape (n_params, n_vectors), ``mixing`` (n_vectors, n_points).
        """
        ...


@dataclass(frozen=True, slots=True, eq=False)
class LBFGS:
    """Minimize from gradients alone."""

    tol: float
    max_evaluations: int
    metric: Metric
    """Stands in for the Hessian at the start."""
    convexity: StrongConvexity | None = None
    """Given where every slope is penalised."""
    separated_below: float = 0.0
    """Loss below which some slope must grow for ever: log(2) of one row, without a
    penalty, since every row is then on its right side. Zero if that cannot be told."""
    few_lengths: bool = False
    """Look at two points of a line, not at four."""
    last_word: bool = False
    """Nobody looks at the estimate again, since there will be no Hessian."""
    scarce: bool = False
    """Rows are so few for the coefficients that a penalty decides about many of them;
    then only a proof will do, where there is one."""

    def minimize(
        self, evaluate: EvaluatePoints, start: Point, observe: ObserveDistance
    ) -> Solution:
        """Start from an evaluated point; return the best point found.

        Ctrl-C during an evaluation returns the best point so far.
        """
        search = Search.at(start, self.metric)
        status = self._verdict(search)
        while status is None:
            try:
                self._advance(evaluate, search)
            except KeyboardInterrupt:
                status = Status.INTERRUPTED
                break
            observe(search.best.distance, search.best.bound)
            status = self._verdict(search)
        best, theta = search.best, search.best.point.theta
        if status is Status.SEPARATION_SUSPECTED:
            bound = np.inf
            return Solution(theta, best.point, status, bound, search.spent, theta)
        return Solution(theta, best.point, status, best.bound, search.spent)

    def _advance(self, evaluate: EvaluatePoints, search: Search) -> None:
        """Make one pass along the next line."""
        vectors = search.next_line()
        few, lengths = self.few_lengths, search.length * self._lengths(search)
        mixing = np.stack([np.ones(len(lengths)), lengths])
        least = self._least(search)
        proving = least <= PROVABLE * self.tol
        # with two points the first is the nearer one, unless the minimum is far off
        bent = 1 if few else len(lengths)
        curvatures = bent if proving else 0
        points = evaluate(vectors, mixing, intercept_curvatures=curvatures)
        line = Line.of(vectors[:, 1], search.gradient, lengths, points)
        found_at = vectors @ mixing[:, line.nearest]
        search.follow(line, vectors)
        look = self.tol / SAFETY if self.last_word else 0.0
        found = search.found(line, found_at, points, look)
        if proving and line.nearest < bent and self.convexity is not None:
            bends = points.intercept_curvatures
            bend = None if bends is None else bends[:, line.nearest]
            decrement, bound = self.convexity.bounds(found.point, bend)
            found = replace(found, decrement=decrement, bound=bound)
        elif np.isfinite(least):
            found = replace(found, decrement=least)
        search.compare(found)

    def _lengths(self, search: Search) -> FloatArray:
        """Return the trial points of the next line, in units of the expected length."""
        if not self.few_lengths:
            return LENGTHS
        if search.missed:
            return MISSED_LENGTHS
        return FIRST_LENGTHS if search.spent < FIRST_PASSES else FEW_LENGTHS

    def _least(self, search: Search) -> float:
        """Return the least that a proof could say of lambda at the next line's begin.

        Infinite where there is no proof, or the optimum is too far away for one.
        """
        near = search.best.distance <= NEAR * self.tol
        if self.convexity is None or not near:
            return math.inf
        return self.convexity.least(search.gradient)

    def _verdict(self, search: Search) -> Status | None:
        best = search.best
        if best.bound <= self.tol:
            return Status.CONVERGED
        if best.point.evaluation.loss < self.separated_below:
            return Status.SEPARATION_SUSPECTED
        close = SAFETY * best.distance <= self.tol and not self._only_proof
        if close and not self._worth_waiting(search):
            return Status.CONVERGED_UNCERTIFIED
        if search.retreats > RETREATS:
            return Status.CONVERGED_UNCERTIFIED if close else Status.STALLED
        if search.spent >= self.max_evaluations:
            return Status.CONVERGED_UNCERTIFIED if close else Status.MAX_PASSES
        return None

    @property
    def _only_proof(self) -> bool:
        """Tell whether a proof is needed, except of a gradient that is zero."""
        return self.last_word and self.scarce and self.convexity is not None

    def _worth_waiting(self, search: Search) -> bool:
        """Tell whether the proof is expected soon, at the rate of the last gains."""
        decrement, left = search.best.decrement, self.max_evaluations - search.spent
        if self.convexity is None or decrement == 0:
            return False
        if math.isnan(decrement):
            return search.spent > 0
        rate = search.rate()
        if not (math.isfinite(decrement) and 0 < rate < 1):
            return False
        missing = 2 * math.log(decrement / self.tol) / -math.log(rate)
        return missing <= min(left, 1 + PATIENCE * search.spent)
