r"""The minimum of a quadratic function plus lasso, ridge and bounds.

    min over theta of  g'(theta - c) + (theta - c)'H (theta - c) / 2 + P(theta)

with H positive semidefinite and P as in ``separable``. This is the step of proximal
Newton, with g and H the gradient and the Hessian of the loss at c.

Where signs and the coefficients that stand at a kink or a bound are known, the rest is
one linear system. So it is solved in two ways:

1. Semismooth Newton (Hintermueller, Ito and Kunisch 2003, SIAM J. Optim. 13, 865-888):
   a proximal step in every coefficient guesses the signs, the system is solved, and so
   on until the guess repeats. From a warm start two or three systems are the rule, but
   it may go round in circles.
2. Then a method of active sets (feature-sign search, Lee et al. 2007, NIPS 19) that
   goes down with every step and so must end: coefficients with the steepest slopes join
   those that are free, and the step towards the minimum over these is followed to the
   least point on it, through any change of sign, or to its end, where all that
   would change their signs become 0, if that is lower (``active_sets``). Where H is
   singular on them, it is raised by a trifle for the direction alone.

All is done in theta - c, so that what is lost to rounding is small beside the step.
"""

from __future__ import annotations

import numpy as np

from dlogreg.evaluation import FloatArray
from dlogreg.solvers.active_sets import descend
from dlogreg.solvers.quadratic_model import QuadraticMinimum, QuadraticModel
from dlogreg.solvers.separable import Separable

GUESSES = 25
"""Systems that the first way solves before the second takes over."""
PATIENCE = 8
"""Of these, in a row that bring nothing."""
ROUNDS = 3
"""Times that the second way is taken; what it leaves to rounding the first mends."""


def minimize_quadratic(
    hessian: FloatArray,
    gradient: FloatArray,
    centre: FloatArray,
    penalty: Separable,
    start: FloatArray | None = None,
) -> QuadraticMinimum:
    """Minimize the quadratic function plus the penalty.

    Parameters
    ----------
    hessian
        H of the loss, without the ridge part, shape (n_params, n_params), positive
        semidefinite; any scale of columns will do.
    gradient
        g of the loss at ``centre``, shape (n_params,).
    centre
        c, where gradient and Hessian were taken; it need not keep the bounds.
    penalty
        Lasso, ridge, bounds; a coefficient without any has zeros and infinities.
    start
        A point near the minimum, such as that of a problem like this one.

    Returns
    -------
    QuadraticMinimum
    """
    model = QuadraticModel.of(hessian, gradient, centre, penalty)
    theta = penalty.nearest(centre if start is None else start)
    found = _guess(model, theta)
    for _ in range(ROUNDS):
        if found.solved:
            break
        found = _guess(model, descend(model, found).theta)
    return found


def _guess(model: QuadraticModel, theta: FloatArray) -> QuadraticMinimum:
    """Guess signs and solve, until nothing changes or it leads nowhere."""
    found = model.looked_at(theta, theta - model.centre)
    best, size, penalty, idle = found, model.size(found), model.penalty, 0
    for _ in range(GUESSES):
        if found.solved:
            return found
        if idle == PATIENCE:
            break
        point = found.theta - found.smooth / model.curvature
        target = penalty.proximal(point, model.curvature)
        free = (target > penalty.low) & (target < penalty.high) & model.usable
        free &= (target != 0) | (penalty.l1 == 0)
        sign = np.sign(target)
        step = np.where(free, 0.0, target - model.centre)
        right = model.slope + penalty.l1 * sign + model.matrix @ step
        places = np.flatnonzero(free)
        if len(places):
            solved = model.solve(places, right[places])
            if solved is None:
                return best
            step[places] = -solved
        theta = np.where(free, model.centre + step, target)
        found = model.looked_at(theta, step)
        idle += 1
        if (now := model.size(found)) < size:
            best, size, idle = found, now, 0
    return found if found.solved else best
