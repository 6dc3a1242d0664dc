"""The path of a grid: points near the optima of all penalties, for all rows.

See ``grid.py``, of which this is the first stage.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

import numpy as np

from dlogreg.evaluation import Evaluation, FloatArray
from dlogreg.kernel.part_sums import PartSums
from dlogreg.solvers.penalized_quadratic import minimize_quadratic
from dlogreg.solvers.ray import Ray
from dlogreg.solvers.separable import Separable

NEAR = 0.05
"""Root mean square of the change of predictors, in the metric of the Hessian, within
which a point is an anchor."""
LEAST_NEAR = 0.005
LEFT_OVER = 0.65
"""The bound after two steps from a distance D is about LEFT_OVER sqrt(sum of w) D^2
times S0: found on generated data."""
SHORTER = 0.25
"""Share of a step that was too long, tried next."""


@dataclass(frozen=True, slots=True, eq=False)
class Anchor:
    """A point at which the sums of every part are known."""

    theta: FloatArray
    losses: FloatArray
    """Shape (n_parts,)."""
    gradients: FloatArray
    hessians: FloatArray
    """At the point, or interpolated there if there is a node."""
    node: FloatArray | None = None
    """Hessians at a point nearby, see ``hessian_nodes``."""
    stale: float = 0.0
    """Largest change of a row's predictor from there."""

    def of(self, rows: FloatArray) -> Evaluation:
        """Return the evaluation of a set of rows, given by 1 for each of its parts."""
        return Evaluation(
            float(rows @ self.losses),
            rows @ self.gradients,
            np.tensordot(rows, self.hessians, axes=1),
        )

    def proven(self, rows: FloatArray) -> Evaluation:
        """Return the same with a Hessian that is that of a point."""
        hessians = self.hessians if self.node is None else self.node
        return replace(self.of(rows), hessian=np.tensordot(rows, hessians, axes=1))


def anchors_of(points: FloatArray, sums: PartSums) -> list[Anchor]:
    """Return what a pass found at the columns of points."""
    found = zip(points.T, sums.losses, sums.gradients, sums.hessians, strict=True)
    return [Anchor(*parts) for parts in found]


@dataclass(frozen=True, slots=True, eq=False)
class Step:
    """The minimum of a quadratic with a penalty, seen from its centre."""

    theta: FloatArray
    length: float
    """norm(d) in the metric of H and the ridge part."""
    left: FloatArray
    """What the inner solver has left of the subgradient."""


def proximal_step(
    found: Evaluation, theta: FloatArray, penalty: Separable, start: FloatArray
) -> Step:
    """Return the step of proximal Newton from an evaluated point."""
    assert found.hessian is not None
    end = minimize_quadratic(found.hessian, found.gradient, theta, penalty, start)
    move = end.theta - theta
    square = move @ found.hessian @ move + penalty.l2 @ move**2
    return Step(end.theta, math.sqrt(max(0.0, float(square))), end.residual)


@dataclass(slots=True, eq=False)
class Path:
    """Points near the optima of several penalties, for all rows."""

    penalties: list[Separable]
    rows: FloatArray
    """1 for every part."""
    anchors: list[Anchor | None] = field(default_factory=list)
    """The point of least objective of every penalty."""
    values: list[float] = field(default_factory=list)
    lengths: list[float] = field(default_factory=list)
    trials: list[FloatArray] = field(default_factory=list)
    distances: list[float] = field(default_factory=list)
    """Of the anchors to the next point, in root mean squares of predictors."""

    def __post_init__(self) -> None:
        """Begin without any anchor."""
        n = len(self.penalties)
        self.anchors, self.values = [None] * n, [np.inf] * n
        self.lengths, self.distances = [1.0] * n, [np.inf] * n
        self.trials = [np.empty(0)] * n

    def take(self, found: list[Anchor], tried: set[int]) -> None:
        """Take evaluated points, and choose the next of every penalty.

        ``tried`` are the penalties whose next points are among them. Where such a
        point is no better than the last anchor, the step was too long.
        """
        known = [anchor.of(self.rows) for anchor in found]
        for i, penalty in enumerate(self.penalties):
            values = [
                evaluation.loss + penalty.value(anchor.theta)
                for evaluation, anchor in zip(known, found, strict=True)
            ]
            best = int(np.argmin(values))
            if values[best] < self.values[i]:
                self.anchors[i], self.values[i] = found[best], values[best]
                self.lengths[i] = 1.0
                self._look_ahead(i, known[best])
            elif i in tried:
                self.lengths[i] *= SHORTER
                anchor = self.anchors[i]
                assert anchor is not None
                self._look_ahead(i, anchor.of(self.rows))

    def look_along(self, ray: Ray) -> None:
        """Choose the next points by what a line through evaluated points tells."""
        theta = ray.origin
        for i, penalty in enumerate(self.penalties):
            end = ray.optimum(penalty, theta)
            if end is not None:
                anchor, theta = self.anchors[i], end
                assert anchor is not None
                self._aim(i, anchor.of(self.rows), end)

    def _look_ahead(self, i: int, found: Evaluation) -> None:
        anchor = self.anchors[i]
        assert anchor is not None
        step = proximal_step(found, anchor.theta, self.penalties[i], anchor.theta)
        self._aim(i, found, step.theta)

    def _aim(self, i: int, found: Evaluation, end: FloatArray) -> None:
        """Choose the next point on the way from the anchor to another point."""
        anchor = self.anchors[i]
        assert anchor is not None
        assert found.hessian is not None
        weight = max(float(found.hessian[0, 0]), np.finfo(float).tiny)
        move = end - anchor.theta
        square = max(0.0, float(move @ found.hessian @ move))
        self.distances[i] = math.sqrt(square / weight)
        trial = anchor.theta + self.lengths[i] * move
        self.trials[i] = self.penalties[i].nearest(trial)  # but for rounding, it is

    @property
    def far(self) -> list[int]:
        """Penalties whose anchors are not near their optima yet."""
        return self.beyond(NEAR)

    def beyond(self, distance: float) -> list[int]:
        """Return the penalties whose optima are farther from their anchors."""
        return [i for i, size in enumerate(self.distances) if not size <= distance]


def near_enough(tol: float, weight: float, peak: float) -> float:
    """Return how near to an optimum a point leaves nothing to do but two steps.

    ``weight`` is the sum of w, and ``peak`` the largest change of a row's predictor by
    a move, in root mean squares of it.
    """
    near = float(np.cbrt(tol / 2 / (LEFT_OVER * math.sqrt(weight) * peak)))
    return min(NEAR, max(LEAST_NEAR, near))
