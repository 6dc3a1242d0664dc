r"""L-BFGS for wide data, where the Hessian is too large to form.

A pass costs reading, and of dense rows the product with four points costs little more
than the product with one. So every pass takes loss and gradient at four points of the
line that the last direction points along, around the length where the minimum is
expected. Of compressed rows each gradient costs as much as the next, so there it is
two points, farther apart in the first passes, which do not know how long steps will be:

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
third of tol. An estimate is not a proof: the status says so. With a penalty on every
slope ``StrongConvexity`` proves a bound, which ends the fit where it is below tol; once
the estimate is, the proof is waited for if that is expected to take few passes more.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Protocol

import numpy as np

from dlogreg.evaluation import Evaluation, FloatArray, TrialPoints
from dlogreg.solvers.convexity import StrongConvexity
from dlogreg.solvers.line import Line
from dlogreg.solvers.metric import Metric
from dlogreg.solvers.pairs import CurvaturePairs
from dlogreg.solvers.solution import Point, Solution, Status

LENGTHS = np.array([0.4, 0.8, 1.2, 2.4])
"""Trial points, in units of the length where the minimum is expected."""
FEW_LENGTHS = np.array([0.8, 1.6])
"""The same where each point costs as much as the next."""
FIRST_LENGTHS, FIRST_PASSES = np.array([0.3, 1.2]), 8
"""The same in so many passes, which do not know lengths; found in trials."""
SAFETY = 3.0
"""By how much the estimated distance must be below tol: it was up to twice too small
in trials with slowly falling gains."""
GAINS = 5
NEAR = 100.0
"""Estimated distance, in units of tol, from which the proof is looked at."""
PROVABLE = 10.0
"""What the proof can say at best, in units of tol, from which it is worth its sums."""
PATIENCE = 0.25
"""Passes waited for a proof, as a share of those made."""
RETREATS = 6
"""Passes in a row that find nothing better, before the fit is called stalled."""
RESOLVED = 1e-9
"""Relative difference of two losses above which their rounding does not matter."""

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

    def minimize(
        self, evaluate: EvaluatePoints, start: Point, observe: ObserveDistance
    ) -> Solution:
        """Start from an evaluated point; return the best point found.

        Ctrl-C during an evaluation returns the best point so far.
        """
        search = _Search.at(start, self.metric)
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

    def _advance(self, evaluate: EvaluatePoints, search: _Search) -> None:
        """Make one pass along the next line."""
        vectors = search.next_line()
        few, lengths = self.few_lengths, search.length * self._lengths(search.spent)
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
        found = search.found(line, found_at, points)
        if proving and line.nearest < bent and self.convexity is not None:
            bends = points.intercept_curvatures
            bend = None if bends is None else bends[:, line.nearest]
            decrement, bound = self.convexity.bounds(found.point, bend)
            found = replace(found, decrement=decrement, bound=bound)
        elif np.isfinite(least):
            found = replace(found, decrement=least)
        search.compare(found)

    def _lengths(self, spent: int) -> FloatArray:
        """Return the trial points of the next line, in units of the expected length."""
        if not self.few_lengths:
            return LENGTHS
        return FIRST_LENGTHS if spent < FIRST_PASSES else FEW_LENGTHS

    def _least(self, search: _Search) -> float:
        """Return the least that a proof could say of lambda at the next line's begin.

        Infinite where there is no proof, or the optimum is too far away for one.
        """
        near = search.best.distance <= NEAR * self.tol
        if self.convexity is None or not near:
            return math.inf
        return self.convexity.least(search.gradient)

    def _verdict(self, search: _Search) -> Status | None:
        best = search.best
        if best.bound <= self.tol:
            return Status.CONVERGED
        if best.point.evaluation.loss < self.separated_below:
            return Status.SEPARATION_SUSPECTED
        close = SAFETY * best.distance <= self.tol
        if close and not self._worth_waiting(search):
            return Status.CONVERGED_UNCERTIFIED
        if search.retreats > RETREATS:
            return Status.CONVERGED_UNCERTIFIED if close else Status.STALLED
        if search.spent >= self.max_evaluations:
            return Status.CONVERGED_UNCERTIFIED if close else Status.MAX_PASSES
        return None

    def _worth_waiting(self, search: _Search) -> bool:
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


@dataclass(frozen=True, slots=True, eq=False)
class _Found:
    """An evaluated point, and how far from the optimum it is."""

    point: Point
    distance: float
    """Estimated, in standard errors."""
    bound: float = math.nan
    """Proven, in standard errors; NaN where that was not looked at."""
    decrement: float = math.nan
    """Proven bound on sqrt(g' H^-1 g), or the least that it could be."""


@dataclass(slots=True, eq=False)
class _Search:
    """What moves, beside LBFGS, which does not."""

    theta: FloatArray
    """The minimum of the last line."""
    gradient: FloatArray
    """Interpolated there."""
    best: _Found
    pairs: CurvaturePairs
    length: float = 1.0
    """Where the next minimum is expected, in units of the direction."""
    gains: list[float] = field(default_factory=list)
    """Losses gained by the steps."""
    spent: int = 0
    retreats: int = 0

    @classmethod
    def at(cls, start: Point, metric: Metric) -> _Search:
        """Begin at an evaluated point."""
        gradient = start.evaluation.gradient
        best = _Found(start, math.inf if gradient.any() else 0.0)
        return cls(start.theta, gradient, best, CurvaturePairs(metric))

    def next_line(self) -> FloatArray:
        """Return where the next line begins and its direction, (n_params, 2)."""
        line = np.empty((2, len(self.theta)))  # the values of a vector lie together
        line[0] = self.theta
        self.theta = line[0]  # which is not held twice
        np.negative(self.pairs.solve(self.gradient), out=line[1])
        return line.T

    def follow(self, line: Line, vectors: FloatArray) -> None:
        """Go to the line's minimum and learn from what was found on it."""
        self.spent += 1
        length, change = line.curvature_pair()
        self.pairs.push(length * vectors[:, 1], change)
        self.gains.append(max(0.0, line.decrease))
        self.theta = vectors @ np.array([1.0, line.minimum])
        self.gradient = line.gradient
        if line.ends_below:
            self.length = 2 * line.lengths[-1]
        elif line.minimum > 0:  # halfway in logarithms, since lengths scatter about 1
            self.length = math.sqrt(self.length * line.minimum)

    def found(self, line: Line, theta: FloatArray, points: TrialPoints) -> _Found:
        """Return the trial point nearest to the line's minimum, which is theta."""
        gradient = points.gradients[:, line.nearest].copy()  # without the other points
        evaluation = Evaluation(float(points.losses[line.nearest]), gradient)
        point = Point(theta, evaluation)
        to_come = math.sqrt(2 * (self._gains_to_come() + line.excess))
        return _Found(point, max(to_come, self.pairs.metric.norm(gradient)))

    def rate(self) -> float:
        """Return the factor by which gains fall from step to step, or infinity."""
        last = self.gains[-GAINS:]
        if len(last) < 3 or not last[0] > 0:
            return math.inf
        return float((last[-1] / last[0]) ** (1 / (len(last) - 1)))

    def _gains_to_come(self) -> float:
        """Return the sum of the gains to come, if they go on to fall at their rate."""
        rate = self.rate()
        return self.gains[-1] * rate / (1 - rate) if rate < 1 else math.inf

    def compare(self, found: _Found) -> None:
        """Keep the better point; go back to it when steps lead nowhere.

        An interpolated gradient can be wrong where the loss bends sharply, and so can
        curvature from where it does not. After two passes without a better point all
        begins again at the best one, whose gradient is exact, with shorter steps.
        """
        if _gain(self.best.point, found.point) > 0:
            self.best, self.retreats = found, 0
            return
        self.retreats += 1
        if self.retreats % 2 == 0:
            self.theta = self.best.point.theta
            self.gradient = self.best.point.evaluation.gradient
            self.pairs.pairs.clear()
            self.length = 0.1 ** (self.retreats // 2 - 1)


def _gain(old: Point, new: Point) -> float:
    """Return how much less the loss is at the new point.

    Losses that differ by little more than their rounding are compared by gradients.
    """
    before, after = old.evaluation.loss, new.evaluation.loss
    if abs(before - after) > RESOLVED * abs(before):
        return before - after
    slope = old.evaluation.gradient + new.evaluation.gradient
    return float(slope @ (old.theta - new.theta)) / 2
