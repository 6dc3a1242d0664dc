r"""Many models whose rows are weighted at random, advanced together from one fit.

A replicate weights the rows of a fit by drawn counts. Its Hessian is that of the fit up
to a relative O(sqrt(k / n)), and its optimum lies a few standard errors away, so steps
with the shared inverse M,

    d+ = d - M g_b(d),

shrink the error by about that factor each: with n = 2 million and k = 50 two hundred
times. BFGS updates by the replicate's own gradients (``quasi_newton``) make later
steps better still. Where the factor is not small, as with few rows, a replicate gets a
Hessian of its own. Every replicate ends where the error that its last step leaves,
which was not evaluated any more, is estimated to be below tol standard errors: the
length of the step in the norm of H times the factor by which steps have shrunk. That
is an estimate, not a bound: to bound it would take a Hessian for every replicate.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import numpy.typing as npt

from dlogreg.evaluation import FloatArray
from dlogreg.kernel.nearby import NearbySums
from dlogreg.solvers.many import HESSIAN_VALUES
from dlogreg.solvers.system import NewtonSystem

SLOW = 0.3
"""Factor per step from which a replicate gets a Hessian of its own."""
FIRST_FACTOR = 0.5
"""What the first step is trusted with, before anything was evaluated after it."""
LARGEST_REACH = 30.0
"""Of a predictor, beyond which a replicate is taken to be without an optimum; sums are
not exact there."""
MEMORY = 10


class EvaluateShifts(Protocol):
    """One pass: shifts of some replicates -> what their gradients change by."""

    def __call__(
        self,
        replicates: Sequence[int],
        shifts: FloatArray | None,
        hessian_of: tuple[int, ...] = (),
    ) -> NearbySums:
        """Evaluate these replicates; without shifts at the fit itself."""
        ...


@dataclass(slots=True, eq=False)
class Replicate:
    """One replicate: where it is, and what it has learned."""

    number: int
    inverse: FloatArray
    """The shared inverse Hessian, or its own."""
    gradient: FloatArray
    """At the shift."""
    shift: FloatArray
    trial: FloatArray
    curvature: FloatArray
    """That of the penalty."""
    error: float = np.inf
    """Estimate of the distance of the trial point to the optimum."""
    length: float = np.inf
    """Of the last step, in the norm of the Hessian."""
    own: bool = False
    failed: bool = False
    wants_hessian: bool = False
    pairs: list[tuple[FloatArray, FloatArray]] = field(default_factory=list)

    def step(self, factor: float) -> None:
        """Choose the next point; ``factor`` is how much steps shrink."""
        move = -self._times(self.gradient)
        self.length = math.sqrt(max(0.0, -float(move @ self.gradient)))
        self.trial = self.shift + move
        self.error = factor * self.length

    def receive(
        self,
        gradient: FloatArray,
        hessian: FloatArray | None,
        kept: npt.NDArray[np.intp],
    ) -> None:
        """Take the gradient at the trial point."""
        before, moved = self.length, self.trial - self.shift
        change = gradient - self.gradient
        if hessian is not None:
            self._take(hessian, kept)
            if self.failed:
                return
        elif float(moved @ change) > 0:
            self.pairs = [*self.pairs[1 - MEMORY :], (moved, change)]
        now = math.sqrt(max(0.0, float(gradient @ self._times(gradient))))
        if not math.isfinite(now) or now > 2 * before:
            self.trial = self.shift + moved / 2
            self.length, self.error = before / 2, np.inf
            self.wants_hessian = not self.own
            return
        factor = min(1.0, now / before) if before > 0 else 0.0
        self.gradient, self.shift = gradient, self.trial
        self.step(FIRST_FACTOR if hessian is not None else factor)
        self.wants_hessian = factor > SLOW and hessian is None

    def _take(self, hessian: FloatArray, kept: npt.NDArray[np.intp]) -> None:
        full = hessian + np.diag(self.curvature)
        self.wants_hessian = False
        if not np.isfinite(full).all():
            self.failed = True
            return
        system = NewtonSystem.of(full, kept)
        self.failed = system.regularized
        self.inverse = np.zeros_like(full)
        self.inverse[np.ix_(kept, kept)] = system.inverse()
        self.own, self.pairs = True, []

    def _times(self, right: FloatArray) -> FloatArray:
        """Return the inverse Hessian, with what was learned, times a vector."""
        rest, weights = right, []
        for step, change in reversed(self.pairs):
            weight = (step @ rest) / (step @ change)
            weights.append(weight)
            rest = rest - weight * change
        solved = self.inverse @ rest
        for (step, change), weight in zip(self.pairs, reversed(weights), strict=True):
            solved = solved + (weight - (change @ solved) / (step @ change)) * step
        return np.asarray(solved)


def advance_replicates(
    evaluate: EvaluateShifts,
    replicates: Sequence[Replicate],
    base: FloatArray,
    gradients: FloatArray,
    theta: FloatArray,
    kept: npt.NDArray[np.intp],
    tol: float,
    passes_left: int,
) -> None:
    """Advance replicates until their errors are below tol, or no pass is left.

    Parameters
    ----------
    base
        Gradients of the loss at the fit, shape (n_params, B).
    gradients
        The same with the penalty.
    theta
        The fit.
    """
    for one, gradient in zip(replicates, gradients.T, strict=True):
        one.gradient = gradient
        one.step(FIRST_FACTOR)
    for _ in range(passes_left):
        active = [one for one in replicates if not one.failed and one.error > tol]
        if not active:
            return
        most = max(1, HESSIAN_VALUES // len(theta) ** 2)
        wanted = [i for i, one in enumerate(active) if one.wants_hessian][:most]
        shifts = np.column_stack([one.trial for one in active])
        found = evaluate([one.number for one in active], shifts, tuple(wanted))
        for i, one in enumerate(active):
            if not found.reaches[i] < LARGEST_REACH:
                one.failed = True
                continue
            gradient = base[:, one.number] + found.gradients[:, i]
            gradient = gradient + one.curvature * (theta + one.trial)
            own = found.hessians[wanted.index(i)] if i in wanted else None
            one.receive(gradient, own, kept)
