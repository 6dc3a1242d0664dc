"""Profile intervals where the classes are separated, so that some ends are infinite.

The loss then has no least value, but falls towards one along a direction in which the
predictors of some rows grow without end. From where the fit stopped, points far along
the last Newton step are evaluated until the loss has no more to lose than rounding.
There the Hessian is all but singular in that direction: a coefficient that it moves has
a standard error beyond all measure, and its ends are found by a bracket, each infinite
if the profile stays below the level however far one goes. The other coefficients have
the ends of the limiting problem.

Nothing is proven here; errors are those of a quadratic loss.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from dlogreg.errors import InferenceError
from dlogreg.evaluation import FloatArray
from dlogreg.inference.batch import Batch
from dlogreg.solvers.bracketing import Level
from dlogreg.solvers.many import one_of
from dlogreg.solvers.profile import ProfileEnd
from dlogreg.solvers.quasi_newton import Constraint
from dlogreg.solvers.stale_hessian import Found, StaleHessian

SIGNS = (-1.0, 1.0)
LENGTHS = (1.0, 2.0, 4.0, 8.0, 16.0, 24.0)
"""Newton steps tried at once; each makes the loss that is left smaller by e^-1. The
shortest that is enough is taken, since the farther, the nearer to singular."""
MOST_ROUNDS = 8
NOTHING_LEFT = 1e-6
"""Of the loss, where the classes are separated completely."""
COMPLETE = (
    "the classes are separated completely, and the likelihood has no more to say than "
    "that: no interval by it means anything; give a penalty, alpha > 0, or leave out "
    "the columns that separate them"
)
ENOUGH = 1e-9
"""What a round must still take off the loss."""
UNMEASURED = 30.0
"""A standard error that moves some row's predictor by more is that of a coefficient
without a finite optimum."""
FIRST_MOVE = 4.0
"""Of a row's predictor, where such a coefficient has a finite end."""
FARTHEST_MOVE = 500.0
"""Of a row's predictor, beyond turning all predictors round; an end that is not within
it is infinite."""


def separated_ends(
    batch: Batch,
    directions: Sequence[FloatArray],
    quantile: float,
    tol: float,
    limit: float | None,
) -> list[ProfileEnd]:
    """Return the ends of every direction's coefficient, ready to be advanced.

    ``limit`` is what the loss falls to, if the limiting problem has been solved.
    """
    falling = batch.metric.inverse @ batch.origin.gradient
    metric, origin = _limit(batch)
    if origin.loss < NOTHING_LEFT:
        raise InferenceError(COMPLETE)
    farthest = FARTHEST_MOVE + 2 * float(metric.geometry.reach @ np.abs(origin.theta))
    left = float(origin.gradient @ metric.inverse @ origin.gradient) / 2
    least = origin.loss - left if limit is None else limit
    ends = []
    for a in directions:
        path = metric.inverse @ a
        variance = float(a @ path)
        path = path / variance
        reach = float(metric.geometry.reach @ np.abs(path))
        deviation = float(np.sqrt(variance))
        level = Level(least, 0.0, quantile / 2, min(deviation, 1 / reach))
        for sign in SIGNS:
            end = ProfileEnd(
                metric, batch.kept, a, sign, level, tol, origin, origin.theta
            )
            if deviation * reach <= UNMEASURED:
                wald = float(a @ origin.theta) + sign * np.sqrt(quantile) * deviation
                constraint = Constraint(a[:, None], np.array([wald]))
                end.trial = constraint.nearest(origin.theta, metric.inverse)
            else:
                endless = sign * float(a @ falling) < 0
                _search_far(end, path, reach, farthest, endless=endless)
            ends.append(end)
    return ends


def _search_far(
    end: ProfileEnd, path: FloatArray, reach: float, farthest: float, *, endless: bool
) -> None:
    """Begin at the far border where the loss falls to that side, else nearby."""
    move = farthest if endless else FIRST_MOVE
    theta = end.origin.theta + end.sign * move / reach * path
    border = farthest / reach * (1 - 1e-9)
    # so far out the Hessian may have no digits left
    end.search(theta, border, wants_hessian=not endless)


def _limit(batch: Batch) -> tuple[StaleHessian, Found]:
    """Return a point at which the loss has all but reached its lower limit."""
    metric, best = replace(batch.metric, nominal=True), batch.origin
    every = tuple(range(len(LENGTHS)))
    for _ in range(MOST_ROUNDS):
        step = -metric.inverse @ best.gradient
        thetas = best.theta[:, None] + np.multiply.outer(step, LENGTHS)
        evaluation = batch.objective(thetas, np.zeros_like(thetas), every)
        found = [one_of(evaluation, i, thetas[:, i], every) for i in every]
        lowest = np.nanmin([f.loss for f in found])
        gain = best.loss - lowest
        if gain > 0:
            best = next(f for f in found if f.loss <= lowest + ENOUGH)
            metric = metric.renewed(best, batch.kept)
        if not gain > ENOUGH:
            break
    return metric, best
