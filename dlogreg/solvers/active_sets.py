"""A way down to the minimum of a quadratic function plus a penalty that must end.

See ``penalized_quadratic``: coefficients are free or stand at a kink or a bound; a step
ends at the least point towards the minimum over the free ones.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from dlogreg.evaluation import FloatArray
from dlogreg.solvers.quadratic_model import QuadraticMinimum, QuadraticModel

JOINING = 0.5
"""Share of the steepest slope from which coefficients join the free ones together."""
SETTLED = 1e-2
"""Share of the steepest slope below which those of the free ones must be, before
any other joins."""
RAISED = 1e-11
"""What is added to the diagonal, as a share of it, where the matrix is singular."""


def descend(model: QuadraticModel, found: QuadraticMinimum) -> QuadraticMinimum:
    """Go down with every step, until no slope is left."""
    most = 10 * len(model.matrix) + 100
    for _ in range(most):
        if found.solved:
            return found
        direction, signs = _direction(model, found)
        if direction is None:
            return found
        ends = (
            _folded(model, found, direction, signs),
            _lowest(model, found, direction, signs),
        )
        trials = [model.looked_at(theta, theta - model.centre) for theta in ends]
        gains = [_gain(model, found, trial) for trial in trials]
        after = trials[int(np.argmax(gains))]
        stopped = (trials[1].free != found.free).any()
        if not max(gains) > 0:
            if not stopped:
                return min(found, *trials, key=model.size)
            after = trials[1]
        found = after
    return found


def _joined(
    model: QuadraticModel, found: QuadraticMinimum, share: float = JOINING
) -> npt.NDArray[np.bool_]:
    """Return the free coefficients and, once these are settled, the steepest."""
    slope = np.where(model.usable, np.abs(found.residual) / model.root, 0.0)
    inner = float(slope[found.free].max(initial=0.0))
    outer = np.where(found.free, 0.0, slope)
    steepest = float(outer.max(initial=0.0))
    free = found.free & model.usable
    if steepest == 0 or inner > SETTLED * steepest:
        return free
    return np.asarray(free | (outer >= share * steepest))


def _direction(
    model: QuadraticModel, found: QuadraticMinimum
) -> tuple[FloatArray | None, FloatArray]:
    """Return a way down on the free coefficients, and their signs.

    A coefficient that leaves a kink or a bound must go down its own slope; others
    stay there. Where the matrix is singular they leave one by one.
    """
    slope, free, raised = found.residual, _joined(model, found), 0.0
    while free.any():
        places = np.flatnonzero(free)
        solved = model.solve(places, slope[places], raised)
        if solved is None:
            if raised:
                break
            free, raised = _joined(model, found, 1.0), RAISED
            continue
        direction = np.zeros(len(slope))
        direction[places] = -solved
        wrong = free & ~found.free & (direction * slope >= 0)
        if not wrong.any():
            at_kink = found.theta == 0
            return direction, np.sign(np.where(at_kink, direction, found.theta))
        free = free & ~wrong
    return None, slope


def _folded(
    model: QuadraticModel,
    found: QuadraticMinimum,
    direction: FloatArray,
    signs: FloatArray,
) -> FloatArray:
    """Return the end of the whole step, where what changes its sign becomes 0."""
    theta = found.theta + direction
    crossed = (model.penalty.l1 > 0) & (signs * theta < 0)
    return model.penalty.nearest(np.where(crossed, 0.0, theta))


def _lowest(
    model: QuadraticModel,
    found: QuadraticMinimum,
    direction: FloatArray,
    signs: FloatArray,
) -> FloatArray:
    """Return the least point of a step, across kinks, up to a bound."""
    theta, penalty = found.theta, model.penalty
    slope = float(found.residual @ direction)
    bend = float(direction @ model.matrix @ direction)
    moving = direction != 0
    with np.errstate(divide="ignore", invalid="ignore"):
        kinks = np.where(
            moving & (penalty.l1 > 0) & (signs * direction < 0),
            -theta / direction,
            np.inf,
        )
        ends = np.where(direction > 0, penalty.high, penalty.low)
        ends = np.where(moving, (ends - theta) / direction, np.inf)
    last = int(np.argmin(ends))
    for j in np.argsort(kinks):
        at = kinks[j]
        if not at < min(1.0, ends[last]):
            break
        if slope + at * bend >= 0:
            return _after(model, theta, direction, -slope / bend)
        slope += 2 * penalty.l1[j] * abs(float(direction[j]))
        if slope + at * bend >= 0:
            return _after(model, theta, direction, at, j, 0.0)
    # beyond the step's end there is nothing but rounding, where the matrix is singular
    length = min(1.0, -slope / bend if bend > 0 else 1.0)
    if length < ends[last]:
        return _after(model, theta, direction, length)
    end = penalty.high[last] if direction[last] > 0 else penalty.low[last]
    return _after(model, theta, direction, float(ends[last]), last, float(end))


def _after(
    model: QuadraticModel,
    theta: FloatArray,
    direction: FloatArray,
    length: float,
    stopped: int | np.intp | None = None,
    value: float = 0.0,
) -> FloatArray:
    """Return the point so far along, one coefficient exactly where it stopped."""
    after = model.penalty.nearest(theta + length * direction)
    if stopped is not None:
        after[stopped] = value
    return after


def _gain(
    model: QuadraticModel, before: QuadraticMinimum, after: QuadraticMinimum
) -> float:
    """Return by how much the objective is lower, from slopes at both ends."""
    penalty, move = model.penalty, after.theta - before.theta
    smooth = float((before.smooth + after.smooth) @ move) / 2
    bends = np.abs(after.theta) - np.abs(before.theta)
    return -smooth - float(penalty.l1 @ bends)
