"""What moves while L-BFGS searches: where it stands, and what it has learned.

The distance is estimated as the docstring of ``lbfgs`` says.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from dlogreg.evaluation import Evaluation, FloatArray, TrialPoints
from dlogreg.solvers.line import Line
from dlogreg.solvers.metric import Metric
from dlogreg.solvers.pairs import CurvaturePairs
from dlogreg.solvers.solution import Point

GAINS = 5
RESOLVED = 1e-9
"""Relative difference of two losses above which their rounding does not matter."""


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """An evaluated point, and how far from the optimum it is."""

    point: Point
    distance: float
    """Estimated, in standard errors."""
    bound: float = math.nan
    """Proven, in standard errors; NaN where that was not looked at."""
    decrement: float = math.nan
    """Proven bound on sqrt(g' H^-1 g), or the least that it could be."""


@dataclass(slots=True, eq=False)
class Search:
    """The state of a search by L-BFGS."""

    theta: FloatArray
    """The minimum of the last line."""
    gradient: FloatArray
    """Interpolated there."""
    best: Found
    pairs: CurvaturePairs
    length: float = 1.0
    """Where the next minimum is expected, in units of the direction."""
    gains: list[float] = field(default_factory=list)
    """Losses gained by the steps."""
    missed: bool = False
    """The minimum of the last line was not between its points."""
    spent: int = 0
    retreats: int = 0

    @classmethod
    def at(cls, start: Point, metric: Metric) -> Search:
        """Begin at an evaluated point."""
        gradient = start.evaluation.gradient
        best = Found(start, math.inf if gradient.any() else 0.0)
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
        self.missed = line.missed
        length, change = line.curvature_pair()
        self.pairs.push(length * vectors[:, 1], change)
        self.gains.append(max(0.0, line.decrease))
        self.theta = vectors @ np.array([1.0, line.minimum])
        self.gradient = line.gradient
        if line.ends_below:
            self.length = 2 * line.lengths[-1]
        elif line.minimum > 0:  # halfway in logarithms, since lengths scatter about 1
            self.length = math.sqrt(self.length * line.minimum)

    def found(
        self, line: Line, theta: FloatArray, points: TrialPoints, look: float
    ) -> Found:
        """Return the trial point nearest to the line's minimum, which is theta.

        From an estimate of ``look`` on it is told apart what directions say of which
        the curvature is small.
        """
        gradient = points.gradients[:, line.nearest].copy()  # without the other points
        evaluation = Evaluation(float(points.losses[line.nearest]), gradient)
        point = Point(theta, evaluation)
        to_come = math.sqrt(2 * (self._gains_to_come() + line.excess))
        norm = self.pairs.metric.norm(gradient)
        distance = max(to_come, norm)
        if distance <= look:
            distance = max(distance, norm / math.sqrt(self.pairs.least_curvature()))
        return Found(point, distance)

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

    def compare(self, found: Found) -> None:
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
