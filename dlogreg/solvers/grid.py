r"""A grid of models: several sets of rows, several penalties, all of them together.

The rows come in parts, and a set of rows is a sum of parts. So what a pass finds at one
point, by part, serves every set: the sets' losses, gradients and Hessians at a point
cost what one of all rows costs. The grid is solved in two stages.

1. The penalties for all rows (``anchors``): points are evaluated, and from the one of
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
from dlogreg.solvers.anchors import SHORTER, Anchor, Step, proximal_step
from dlogreg.solvers.certificate import Geometry, certify
from dlogreg.solvers.separable import Separable
from dlogreg.solvers.stale_hessian import StaleHessian, prove
from dlogreg.solvers.system import NewtonSystem

LARGEST_STALE, LARGEST_FROM_NODE = 0.5, 1.0
"""Of S0, from the anchor and from its node, above which a model gets a Hessian of its
own."""
LARGEST_SHIFT = 8.0
"""Of a predictor, beyond which a gradient and the Hessian at the anchor have little to
do with each other; below where sums are not exact, see ``kernel/nearby.py``."""
SINGLE = 48 * 2.0**-24
"""Share of sums of absolute values by which those in float32 may be off, see there."""
LARGEST_MOVE = 30.0
"""Of a predictor in one step, at most as far as ranges of columns tell."""
OVERSHOT = 0.1
"""Share of the first slope that there may be, upward, where a step ends."""
LEAST_SHARE = 0.1
IDLE_SHARE = 0.01
"""Of tol, below which a step ends a model whatever is proven: there is nothing to gain
by another."""


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
