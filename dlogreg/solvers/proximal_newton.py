"""Newton's method for a loss plus lasso, ridge and bounds.

A step leads to the minimum of the quadratic model of the loss plus the whole penalty
(Lee, Sun and Saunders 2014, SIAM J. Optim. 24, 1420-1443). With exact steps it descends
at least as far as Newton's does, F(theta + d) <= F(theta) - lambda^2 (1 - (exp(S) - 1 -
S)/S^2), lambda = norm(d)_H, so that everything of ``newton`` stays as it is, but for
the step and its certificate.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from dlogreg.solvers.certificate import Certificate, remainder
from dlogreg.solvers.composite_certificate import certify_composite
from dlogreg.solvers.newton import Newton
from dlogreg.solvers.separable import Separable
from dlogreg.solvers.solution import Point, Status

LARGEST_REACH = 0.5
"""How far a step may move a predictor where the gap it leaves is only estimated."""


@dataclass(frozen=True, slots=True, eq=False)
class ProximalNewton(Newton):
    """Newton's method with the absolute values and the bounds of a penalty."""

    penalty: Separable | None = None
    """Without the ridge part, which the objective has."""

    def certify(self, point: Point) -> Certificate:
        """Return the step and its bounds at an evaluated point."""
        assert self.penalty is not None
        return certify_composite(
            point.evaluation, point.theta, self.penalty, self.geometry
        )

    def verdict(self, history: list[Certificate], spent: int) -> Status | None:
        """Return how the search has ended, by an estimate where nothing is proven."""
        if estimated_end(history[-1], 0.0, self.tol):
            return Status.CONVERGED_UNCERTIFIED
        return Newton.verdict(self, history, spent)


def estimated_end(known: Certificate, stale: float, tol: float) -> bool:
    """Tell whether a step ends near the optimum, where the Hessian is singular.

    By how much the objective is then above its least value is about half the square of
    lambda times what is in the certificate for a step with a Hessian from another
    point, which must be below tol. It is an estimate.
    """
    if not known.singular or stale + known.step_reach > LARGEST_REACH:
        return False
    changed = math.exp(stale) * (1 + remainder(known.step_reach)) - 1
    return known.decrement * changed <= tol
