r"""Firth's bias-reduced estimate: the maximum of the likelihood times root det H.

The penalised loss F*(theta) = F(theta) - log det H(theta) / 2 has the gradient

    g* = g + a,   a = sum_i h_i (p_i - 1/2) z_i,   h_i = s_i w_i z_i'H^-1 z_i,

with a finite optimum even where the classes are separated. One read gives F, g and H,
and so F* exactly; the leverages in a would take H^-1 beforehand. So a read takes the
Hessian M of the point before, and what that leaves open is known: with S a bound on how
far the step between the two points has moved any row's predictor,
exp(-S) M <= H <= exp(S) M, so that

    norm(a - a_M)_{H^-1} <= (exp(S) - 1) exp(S/2)
                            sum_i s_i w_i abs(p_i - 1/2) (z_i'M^-1 z_i)^(3/2),

a sum of the same read. Where that *lag* is larger than norm(g + a_M)_{H^-1}, the point
is read once more for its own leverages. So an iteration costs one read near the optimum
and two on the way there. The fit ends where lag and norm together are within tol: the
exact score of the penalised likelihood is then at most tol standard errors. How far the
optimum is follows only to first order, since nothing is proven of the curvature of
log det H; there is no error bound.

Steps are d = -H^-1 (g + a), since the curvature of log det H is small beside H where
there is much more than a row per coefficient. Where they become slow, pairs of steps
and of changes of the gradient correct H as in BFGS. A point where F* is larger than
before is given up for one halfway, by another read.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Protocol

import numpy as np
import numpy.typing as npt

from dlogreg.evaluation import Evaluation, FloatArray
from dlogreg.kernel.leverages import Adjustment
from dlogreg.solvers.certificate import Geometry
from dlogreg.solvers.solution import Point, Solution, Status
from dlogreg.solvers.system import NewtonSystem

MOST_HALVINGS = 30
TOLERATED = 0.1
"""Of decrement^2, by which F* may grow: steps are only as good as their leverages."""
ROUNDING = 1e-12
"""Of the loss, below which no decrease can be seen."""
NEAR = 1.0
"""Decrement below which a start is left by a step without leverages, and from which
slow progress is that of the method."""
SLOW = 0.5
"""Share of the decrement that is left by a slow step."""
MOST_PAIRS = 30
LARGEST_DOUBT = 0.1
"""Share of a gradient that may be in doubt where it is learned from."""
LEAST_CURVATURE = 1e-3
"""Of a pair, relative to that by H."""


class Penalized(Protocol):
    """What a pass finds; ``root`` is C with C C' = M^-1, M near H."""

    def evaluate(
        self, theta: FloatArray, root: FloatArray
    ) -> tuple[Evaluation, Adjustment]:
        """Return F with its derivatives, and what the leverages add."""
        ...

    def leverages(self, theta: FloatArray, root: FloatArray) -> Adjustment:
        """Return the latter alone."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Firth:
    """Minimize the penalised loss."""

    tol: float
    max_evaluations: int
    geometry: Geometry
    kept: npt.NDArray[np.intp]

    def minimize(
        self, penalized: Penalized, start: Point, observe: Callable[[float], None]
    ) -> Solution:
        """Start from an evaluated point; return the solution.

        ``observe`` is told the norm of the penalised score, in standard errors. Ctrl-C
        during an evaluation returns the last point.
        """
        search = _Search(FirthState(start, NewtonSystem.of(_hessian(start), self.kept)))
        while True:
            state = search.state
            observe(state.decrement + state.lag)
            status = self._verdict(search)
            if status is None:
                try:
                    self._advance(penalized, search)
                    continue
                except KeyboardInterrupt:
                    status = Status.INTERRUPTED
            done, point = status is Status.BIAS_REDUCED, state.point
            theta = point.theta + state.newton_step if done else point.theta
            return Solution(theta, point, status, np.nan, search.spent)

    def _verdict(self, search: _Search) -> Status | None:
        state = search.state
        if state.decrement + state.lag <= self.tol:
            return Status.BIAS_REDUCED
        if search.stalled:
            return Status.STALLED
        if search.spent >= self.max_evaluations:
            return Status.MAX_PASSES
        return None

    def _advance(self, penalized: Penalized, search: _Search) -> None:
        """Get leverages that are good enough, or take a step."""
        state = search.state
        root = inverse_root(state.system)
        near = state.adjustment is None and state.decrement <= NEAR
        if state.lag > state.decrement and not near:
            search.spent += 1
            own = penalized.leverages(state.point.theta, root)
            search.state = replace(state, adjustment=own, moved=0.0)
            return
        step = search.step()
        length, slope = 1.0, abs(float(state.gradient @ step))
        most = state.penalized + TOLERATED * slope + ROUNDING * abs(state.penalized)
        left = min(self.max_evaluations - search.spent, MOST_HALVINGS)
        for _ in range(left):
            theta = state.point.theta + length * step
            found = state.followed(
                theta, *penalized.evaluate(theta, root), self.geometry
            )
            search.spent += 1
            falls = near and found.point.evaluation.loss <= state.point.evaluation.loss
            if found.penalized <= most or (falls and not found.system.regularized):
                search.state = found
                return
            if search.pairs:  # they may be from where the loss bends otherwise
                search.pairs, step = [], state.newton_step
            else:
                length /= 2
        search.stalled = left == MOST_HALVINGS


@dataclass(frozen=True, slots=True, eq=False)
class FirthState:
    """An evaluated point."""

    point: Point
    system: NewtonSystem
    adjustment: Adjustment | None = None
    """From the leverages by the Hessian of another point."""
    moved: float = 0.0
    """S, how far that point is."""

    def followed(
        self,
        theta: FloatArray,
        evaluation: Evaluation,
        adjustment: Adjustment,
        geometry: Geometry,
    ) -> FirthState:
        """Return what was found at the next point, with leverages from this one."""
        point = Point(theta, evaluation)
        system = NewtonSystem.of(_hessian(point), self.system.kept)
        moved = self._reach(theta - self.point.theta, geometry)
        return FirthState(point, system, adjustment, moved)

    def _reach(self, step: FloatArray, geometry: Geometry) -> float:
        """Bound how far a step moves any row's predictor."""
        kappa = geometry.kappa(self.system.inverse(), self.system.kept)
        length = math.sqrt(float(step @ self.hessian @ step))
        return min(geometry.moved(step), kappa * length)

    @property
    def hessian(self) -> FloatArray:
        """Of the loss."""
        return _hessian(self.point)

    @property
    def gradient(self) -> FloatArray:
        """Of the penalised loss, as far as it is known."""
        gradient = self.point.evaluation.gradient
        added = self.adjustment
        return gradient if added is None else gradient + added.gradient

    @property
    def newton_step(self) -> FloatArray:
        """-H^-1 times the gradient."""
        return -self.system.solve(self.gradient)

    @property
    def decrement(self) -> float:
        """The norm of the gradient, in standard errors."""
        return math.sqrt(max(0.0, -float(self.gradient @ self.newton_step)))

    @property
    def doubt(self) -> float:
        """The lag relative to the decrement."""
        return self.lag / max(self.decrement, 1e-300)

    @property
    def lag(self) -> float:
        """Bound on what the gradient lacks, in standard errors."""
        if self.adjustment is None or self.moved > 50:
            return math.inf
        growth = math.expm1(self.moved) * math.exp(self.moved / 2)
        return growth * self.adjustment.size

    @property
    def penalized(self) -> float:
        """The penalised loss, exactly."""
        return penalized_loss(self.point.evaluation.loss, self.system)


@dataclass(slots=True, eq=False)
class _Search:
    """What moves."""

    state: FirthState
    spent: int = 0
    stalled: bool = False
    slow: bool = False
    left: FirthState | None = None
    """From where the last step went."""
    pairs: list[tuple[FloatArray, FloatArray]] = field(default_factory=list)
    """Steps, and the changes of the gradient by them."""

    def step(self) -> FloatArray:
        """Return the step by the Hessian, corrected by the pairs if that is slow."""
        state = self.state
        self._learn()
        self.left = state
        if not self.pairs:
            return state.newton_step
        kept = state.system.kept
        bend = _hessian(state.point)[np.ix_(kept, kept)]
        for step, change in self.pairs:
            s, y = step[kept], change[kept]
            image = bend @ s
            bend = (
                bend + np.outer(y, y) / (y @ s) - np.outer(image, image) / (s @ image)
            )
        full = np.zeros(len(step))
        full[kept] = -np.linalg.solve(bend, state.gradient[kept])
        return full

    def _learn(self) -> None:
        """Take the way from the point that was left last for a pair."""
        before, state = self.left, self.state
        if before is None or max(before.doubt, state.doubt) > LARGEST_DOUBT:
            return
        self.slow |= SLOW * before.decrement < state.decrement < NEAR
        if not self.slow:
            return
        step = state.point.theta - before.point.theta
        change = state.gradient - before.gradient
        bend = float(step @ _hessian(state.point) @ step)
        if step @ change > LEAST_CURVATURE * bend:
            self.pairs = [*self.pairs, (step, change)][-MOST_PAIRS:]


def penalized_loss(loss: float, system: NewtonSystem) -> float:
    """Return F - log det H / 2; infinite where H is singular."""
    if system.regularized:
        return math.inf
    roots = np.log(np.diagonal(system.factor)) - np.log(system.unit)
    return loss - float(roots.sum())


def inverse_root(system: NewtonSystem) -> FloatArray:
    """Return C with C C' = H^-1 on the kept columns, (n_params, n_kept)."""
    root = np.zeros((system.n_params, len(system.kept)))
    eye = np.eye(len(system.kept))
    root[system.kept] = (
        system.unit[:, None] * np.linalg.solve(np.tril(system.factor), eye).T
    )
    return root


def _hessian(point: Point) -> FloatArray:
    hessian = point.evaluation.hessian
    assert hessian is not None
    return hessian
