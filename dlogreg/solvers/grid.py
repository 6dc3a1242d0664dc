r"""A grid of models: several sets of rows, several penalties, all of them together.

The rows come in parts, and a set of rows is a sum of parts. So what a pass finds at one
point, by part, serves every set: the sets' losses, gradients and Hessians at a point
cost what one of all rows costs. The grid is solved in two stages.

1. The penalties for all rows (``Path``): points are evaluated, and from the point of
   least objective a step of proximal Newton leads to the next, until each penalty has
   an *anchor*: an evaluated point from which its optimum is near. The first points lie
   on a line, which tells where the optima are (``ray``); of those that follow, only
   some get Hessians of their own (``hessian_nodes``).
2. Every model starts where the quadratic of its own rows at the anchor has its minimum.
   Passes evaluate exact gradients at all of these points (``kernel/nearby.py``), and
   steps follow by the Hessian of the model's own rows at its anchor, or at the anchor's
   node. It is stale by no more than S0, the largest change of a row's predictor that
   the pass has seen, and that from the node.

Of a step d of proximal Newton, g + H d + u = 0 for a subgradient u of the penalty at
its end, so that what is left there is the integral of (H_t - H) d: the bound of
``stale_hessian`` holds with norm(d)_H in the place of lambda_old, whatever the convex
penalty, and kappa of the Hessian with the ridge part. Where S0 is large, as with few
rows, a model gets gradient and Hessian of its own in every pass.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

import numpy as np

from dlogreg.evaluation import Evaluation, FloatArray
from dlogreg.kernel.part_sums import PartSums
from dlogreg.solvers.certificate import Geometry, certify
from dlogreg.solvers.penalized_quadratic import minimize_quadratic
from dlogreg.solvers.ray import Ray
from dlogreg.solvers.separable import Separable
from dlogreg.solvers.stale_hessian import StaleHessian, prove
from dlogreg.solvers.system import NewtonSystem

NEAR = 0.05
"""Root mean square of the change of predictors, in the metric of the Hessian, within
which a point is an anchor."""
LEAST_NEAR = 0.005
LEFT_OVER = 0.65
"""The bound after two steps from a distance D is about LEFT_OVER sqrt(sum of w) D^2
times S0: found on generated data."""
LARGEST_STALE, LARGEST_FROM_NODE = 0.5, 1.0
"""Of S0, from the anchor and from its node, above which a model gets a Hessian of its
own."""
LARGEST_SHIFT = 8.0
"""Of a predictor, beyond which a gradient and the Hessian at the anchor have little to
do with each other; below where sums are not exact, see ``kernel/nearby.py``."""
SINGLE = 4 * 2.0**-24
SHORTER = 0.25
LARGEST_MOVE = 30.0
"""Of a predictor in one step, at most as far as ranges of columns tell."""
OVERSHOT = 0.1
"""Share of the first slope that there may be, upward, where a step ends."""
LEAST_SHARE = 0.1
IDLE_SHARE = 0.01
"""Of tol, below which a step ends a model whatever is proven: there is nothing to gain
by another."""


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


@dataclass(frozen=True, slots=True, eq=False)
class Line:
    """A step, of which a part is tried."""

    start: FloatArray
    move: FloatArray
    length: float
    """Share of the move that is tried."""
    first: float = 0.0
    """Slope of the objective at the start, negative."""

    @property
    def end(self) -> FloatArray:
        """The point that is tried."""
        return self.start + self.length * self.move

    def slope(
        self, gradient: FloatArray, penalty: Separable, at: float | None = None
    ) -> float:
        """Return the slope of loss and penalty along the move, at its end or ``at``."""
        theta = self.start + (self.length if at is None else at) * self.move
        smooth = gradient + penalty.l2 * theta
        kinks = np.where(theta == 0, np.abs(self.move), np.sign(theta) * self.move)
        return float(smooth @ self.move + penalty.l1 @ kinks)

    def shortened(self, last: float) -> Line | None:
        """Return a shorter try by the slope at the end, unless that will do."""
        if last <= OVERSHOT * abs(self.first):
            return None
        share = abs(self.first) / (abs(self.first) + last)
        return replace(self, length=self.length * max(share, LEAST_SHARE))


@dataclass(slots=True, eq=False)
class GridModel:
    """One model: a set of rows and a penalty."""

    rows: FloatArray
    """1 for each part of its rows, shape (n_parts,)."""
    penalty: Separable
    anchor: Anchor
    geometry: Geometry
    tol: float
    single: bool
    """Sums are made in float32, see the kernels."""
    theta: FloatArray = field(default_factory=lambda: np.empty(0))
    """The point to be evaluated next, or the answer."""
    error: float = np.inf
    """Proven distance to the optimum, in standard errors; NaN: only estimated."""
    done: bool = False
    own: bool = False
    """Whether its own gradient and Hessian are needed at the next point."""
    n_evaluations: int = 0
    _base: Evaluation = field(default_factory=lambda: Evaluation(0.0, np.empty(0)))
    _before: FloatArray = field(default_factory=lambda: np.empty(0))
    _length: float = np.inf
    _line: Line | None = None
    """The way to the next point, if it is long."""

    def __post_init__(self) -> None:
        """Begin where the quadratic at the anchor has its minimum."""
        anchor = self.anchor
        found = anchor.of(self.rows)
        step = proximal_step(found, anchor.theta, self.penalty, anchor.theta)
        self.theta, self._before = step.theta, anchor.theta
        self._base = anchor.proven(self.rows)

    @property
    def shift(self) -> FloatArray:
        """The next point as seen from the anchor."""
        return self.theta - self.anchor.theta

    def receive(self, change: FloatArray, stale: float) -> None:
        """Take how the gradient has changed from the anchor to the point.

        ``stale`` is the largest change of a row's predictor on the way. A point
        from which the next step would be longer is not used: half-way there the model
        gets a Hessian of its own.
        """
        self.n_evaluations += 1
        base = self._base
        found = Evaluation(base.loss, base.gradient + change, base.hessian)
        far = stale > LARGEST_SHIFT
        step = proximal_step(found, self.theta, self.penalty, self.theta)
        whole = stale + self.anchor.stale
        self.own = far or stale > LARGEST_STALE or whole > LARGEST_FROM_NODE
        if far or step.length > max(2 * self._length, self.tol):
            self.own = True
            part = min(SHORTER, 1 / max(stale, 1.0))
            self.theta = self._before + part * (self.theta - self._before)
            return
        self._move(step, self._bound(found, step, whole, single=self.single), 1.0)
        if self.done and self.anchor.stale and not self.error <= self.tol:
            self.done, self.own = False, True  # at the end, but for a proof

    def receive_own(self, gradient: FloatArray, hessian: FloatArray) -> None:
        """Take the gradient of the loss and the Hessian at the point.

        Of a step that moves predictors by more than 1 it is not sure that the objective
        falls. Where it rises again at the end, by its slope, the point is not used: the
        next lies where the slope would be 0 if it changed evenly.
        """
        self.n_evaluations += 1
        if self._line is not None:
            shorter = self._line.shortened(self._line.slope(gradient, self.penalty))
            if shorter is not None:
                self._line, self.theta = shorter, shorter.end
                return
        found = Evaluation(self._base.loss, gradient, hessian)
        step = proximal_step(found, self.theta, self.penalty, self.theta)
        move = step.theta - self.theta
        reach = float(self.geometry.reach @ np.abs(move))
        length = min(1.0, LARGEST_MOVE / reach) if reach > 1 else 1.0
        line = Line(self.theta, move, length)
        slope = line.slope(gradient, self.penalty, 0.0)
        self._line = replace(line, first=slope) if reach > 1 else None
        self._move(step, self._bound(found, step, 0.0, single=False), length)

    def _move(self, step: Step, error: float, length: float) -> None:
        """Take the step, or a part of it."""
        self._before, self._length = self.theta, step.length
        self.theta = self.theta + length * (step.theta - self.theta)
        if length == 1:
            self.theta, self.error = step.theta, error
            idle = step.length <= IDLE_SHARE * self.tol
            self.done = error <= self.tol or idle

    def _bound(
        self, found: Evaluation, step: Step, stale: float, *, single: bool
    ) -> float:
        """Return the proven error after the step; NaN where nothing can be proven."""
        assert found.hessian is not None
        hessian, every = found.hessian, np.arange(len(self.theta))
        matrix = hessian + np.diag(self.penalty.l2)
        system = NewtonSystem.of(matrix, every)
        if system.regularized:
            return np.nan
        whole = Evaluation(found.loss, found.gradient, matrix)
        known = certify(whole, system, self.theta, self.geometry, single=single)
        inverse, shift = system.inverse(), self.shift
        eps = known.single_error if single else 0.0
        if eps >= 1:
            return np.nan
        rounding = known.rounding
        rounding += math.sqrt(max(0.0, float(step.left @ inverse @ step.left)))
        if single:
            moved = math.sqrt(max(0.0, float(shift @ hessian @ shift)))
            both = float(np.diagonal(inverse) @ np.diagonal(hessian))
            rounding += SINGLE * math.exp(min(stale, 50)) * moved * math.sqrt(both)
        metric = StaleHessian(self.theta, inverse, known.kappa, rounding, self.geometry)
        move = step.theta - self.theta
        reach = metric.step_reach(move, step.length)
        proof = prove(metric, 0.0, step.length, stale - math.log1p(-eps), reach)
        return proof.after
