"""Many models advanced together: one pass evaluates the next point of each.

What a pass costs with B models of k coefficients left, per row: reading it, 4 k B
operations in two matrix products, B times exp and log1p (about 300 operations), and k^2
for every Hessian of a model's own. Reading is shared by all, and models that have
converged drop out, so that hundreds of models cost the passes of the slowest and, for
narrow data, little more than its time.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from dlogreg.evaluation import FloatArray, ManyEvaluation
from dlogreg.solvers.stale_hessian import Found, StaleHessian

HESSIAN_VALUES = 2**20
"""Values in the Hessians of one pass, at most; the slowest models come first. Every
task holds several sums of them, so this is what bounds its memory."""


class Model(Protocol):
    """What asks for one point at a time until it has converged."""

    metric: StaleHessian
    trial: FloatArray | None
    wants_hessian: bool
    n_evaluations: int

    def receive(self, found: Found) -> None:
        """Take what was found at the trial point, and choose the next."""
        ...


class EvaluateMany(Protocol):
    """One pass: B parameter vectors -> losses and gradients."""

    def __call__(
        self, thetas: FloatArray, moves: FloatArray, hessian_of: tuple[int, ...] = ()
    ) -> ManyEvaluation:
        """Evaluate at the columns of thetas."""
        ...


def advance_together(evaluate: EvaluateMany, models: Sequence[Model]) -> None:
    """Advance every model until it has converged or gives up."""
    while active := [model for model in models if model.trial is not None]:
        thetas = np.column_stack([model.trial for model in active])  # type: ignore[misc]
        moves = thetas - np.column_stack([model.metric.theta for model in active])
        chosen = _hessians(active, len(thetas))
        found = evaluate(thetas, moves, chosen)
        for i, model in enumerate(active):
            model.receive(one_of(found, i, thetas[:, i], chosen))


def _hessians(active: Sequence[Model], n_params: int) -> tuple[int, ...]:
    """Return the models, by position, whose Hessian is formed in this pass."""
    wanted = [i for i, model in enumerate(active) if model.wants_hessian]
    wanted.sort(key=lambda i: -active[i].n_evaluations)
    return tuple(sorted(wanted[: max(1, HESSIAN_VALUES // n_params**2)]))


def one_of(
    found: ManyEvaluation, i: int, theta: FloatArray, chosen: Sequence[int] = ()
) -> Found:
    """Return what a pass found for the model at position i."""
    hessian = meat = None
    if i in chosen:
        place = list(chosen).index(i)
        hessian = found.hessians[place]
        meat = found.meats[place] if found.meats else None
    gradient = np.ascontiguousarray(found.gradients[:, i])
    loss, reach = float(found.losses[i]), float(found.reaches[i])
    return Found(theta, loss, gradient, reach, hessian, meat)
