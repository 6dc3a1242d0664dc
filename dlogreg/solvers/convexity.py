r"""A proven bound on the distance to the optimum from the penalty's curvature alone.

Without a Hessian H = A + P, A = sum_i w_i z_i z_i' of the loss and P = diag(penalty),
something below it serves as well. With an intercept, which has no penalty, the first
column of A is summed too, a = A e_0, and the Cauchy-Schwarz inequality in the inner
product of the weights gives  A >= a a' / a_0.  So

    H >= L = P + a a' / a_0     (as quadratic forms),

which is positive definite, because a_0 = sum_i w_i > 0. In it, with a = (a_0, b),

    v' L^-1 v = v_0^2 / a_0 + sum_{j>0} (v_j - b_j v_0 / a_0)^2 / P_j.

Hence lambda^2 = g' H^-1 g <= g' L^-1 g, and kappa^2 = max_i z_i' H^-1 z_i is at most
1 / a_0 + (max_i norm(z_i) + norm(b / a_0))^2, both norms in P^-1. Step 3 of
``certificate`` turns the two into a bound on the error in standard errors; without an
intercept L = P. The price is that directions in which the data say much are counted as
if only the penalty held them: the bound is above the error by up to
sqrt(max_j A_jj / P_j).

The rounding of the sums is allowed for as in ``certificate``.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dlogreg.evaluation import FloatArray
from dlogreg.solvers.certificate import ROUNDING, Geometry, distance
from dlogreg.solvers.solution import Point


@dataclass(frozen=True, slots=True, eq=False)
class StrongConvexity:
    """What a ridge penalty proves."""

    penalty: FloatArray
    """Diagonal of the penalty's Hessian, zero for an intercept, shape (n_params,)."""
    fit_intercept: bool
    geometry: Geometry

    def bounds(
        self, point: Point, intercept_curvature: FloatArray | None
    ) -> tuple[float, float]:
        """Return bounds on lambda and on the distance to the optimum at a point.

        ``intercept_curvature`` is a, of the loss; both are infinite where there is an
        intercept and no a, or where a_0 is zero.
        """
        first = int(self.fit_intercept)
        strength, gradient = self.penalty[first:], point.evaluation.gradient
        far = self._farthest(first)
        if not first:
            rounding = self._rounding(point, 1 / np.sqrt(strength))
            bound = float(np.linalg.norm(gradient / np.sqrt(strength)))
            return bound + rounding, distance(far, bound + rounding)
        if intercept_curvature is None or not intercept_curvature[0] > 0:
            return np.inf, np.inf
        total = float(intercept_curvature[0])
        root = np.sqrt(strength)
        mean = intercept_curvature[1:] / total
        slopes = mean * -gradient[0]  # long vectors are worked on where they lie
        slopes += gradient[1:]
        slopes /= root
        away = float(np.linalg.norm(slopes))
        mean /= root
        centre = float(np.linalg.norm(mean))
        del slopes, mean
        kappa = float(np.hypot(1 / np.sqrt(total), far + centre))
        bound = float(np.hypot(gradient[0] / np.sqrt(total), away))
        deviations = np.concatenate([[np.hypot(1 / np.sqrt(total), centre)], 1 / root])
        bound += self._rounding(point, deviations)
        return bound, distance(kappa, bound)

    def least(self, gradient: FloatArray) -> float:
        """Return what the bound on lambda comes to if the intercept is optimal."""
        first = int(self.fit_intercept)
        return float(np.linalg.norm(gradient[first:] / np.sqrt(self.penalty[first:])))

    def _farthest(self, first: int) -> float:
        """Return a bound on the norm of a row in P^-1, the intercept's 1 left out."""
        strength, geometry = self.penalty[first:], self.geometry
        by_reach = np.linalg.norm(geometry.reach[first:] / np.sqrt(strength))
        return float(min(by_reach, geometry.radius / np.sqrt(strength.min())))

    def _rounding(self, point: Point, deviations: FloatArray) -> float:
        """Return the rounding of the gradient in the norm of L^-1."""
        squares = np.sqrt(self.geometry.column_squares)
        squares *= deviations
        size = float(np.linalg.norm(squares))
        del squares
        of_sums = size * np.sqrt(abs(point.evaluation.loss))
        predictor = float(self.geometry.reach @ np.abs(point.theta))
        return float(ROUNDING * np.hypot(of_sums, size * predictor / 4))
