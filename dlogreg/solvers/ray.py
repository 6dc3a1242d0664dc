r"""What points on a line tell of the optima of penalties near it.

At points a_j = a_0 + t_j u, t_j from 0 to 1, gradient and Hessian of the loss are
known. The gradient along the line is the polynomial of degree 2 m - 1 through the m
gradients with the slopes H_j u (Hermite), the Hessian that of degree m - 1 through the
Hessians, and beside the line

    g(theta) ~ g(t) + H(t) (theta - a_0 - t u),

with t where the line is nearest. Between the null model and the maximum of likelihood
the optima of a path of penalties lie a few tenths beside the line, in root mean squares
of predictors, so that this leads to within some thousandths of them where a step from
the nearest of the points ends some hundredths away. Nothing is proven of it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from dlogreg.evaluation import Evaluation, FloatArray
from dlogreg.solvers.penalized_quadratic import minimize_quadratic
from dlogreg.solvers.separable import Separable

ROUNDS = 8
"""Steps within which the optimum is found, or not at all."""
CLOSE = 1e-3
"""Root mean square of the change of predictors by the last step."""
STRAIGHT = 1e-9
"""Share of the line's length by which points may lie beside it."""


@dataclass(frozen=True, slots=True, eq=False)
class Ray:
    """Polynomials of gradient and Hessian along a line."""

    origin: FloatArray
    direction: FloatArray
    """From the first point to the last."""
    gradients: FloatArray
    """Coefficients of the powers of t, shape (2 m, n_params)."""
    hessians: FloatArray
    """Shape (m, n_params, n_params)."""
    metric: FloatArray
    """The mean Hessian, per weight."""

    @classmethod
    def through(cls, points: FloatArray, found: Sequence[Evaluation]) -> Ray | None:
        """Return what the points tell, None where they are not on a line.

        Parameters
        ----------
        points
            In order, shape (n_params, m).
        found
            Gradient and Hessian at each.
        """
        if len(found) < 2:
            return None
        origin, direction = points[:, 0], points[:, -1] - points[:, 0]
        length = float(np.linalg.norm(direction))
        moves = points - origin[:, None]
        times = direction @ moves / length**2 if length else np.zeros(len(found))
        beside = np.linalg.norm(moves - np.outer(direction, times), axis=0)
        if not (np.diff(times) > 0).all() or beside.max() > STRAIGHT * length:
            return None
        hessians = np.array([one.hessian for one in found])
        known = np.array([one.gradient for one in found])
        slopes = hessians @ direction
        weight = max(float(hessians[:, 0, 0].sum()), np.finfo(float).tiny)
        return cls(
            origin,
            direction,
            np.linalg.solve(_hermite(times), np.concatenate([known, slopes])),
            np.tensordot(np.linalg.inv(np.vander(times, increasing=True)), hessians, 1),
            hessians.sum(axis=0) / weight,
        )

    def optimum(self, penalty: Separable, start: FloatArray) -> FloatArray | None:
        """Return about where loss and penalty are least, None if it is not found."""
        theta = start
        for _ in range(ROUNDS):
            gradient, hessian = self._at(theta)
            end = minimize_quadratic(hessian, gradient, theta, penalty, theta).theta
            move = end - theta
            theta = end
            size = float(move @ self.metric @ move)
            if not math.isfinite(size):
                return None
            if size <= CLOSE**2:
                return theta
        return None

    def _at(self, theta: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return the gradient and the Hessian that are supposed at a point."""
        slope = self.metric @ self.direction
        along = slope @ (theta - self.origin) / (slope @ self.direction)
        t = float(np.clip(along, 0.0, 1.0))
        powers = t ** np.arange(len(self.gradients))
        hessian = np.tensordot(powers[: len(self.hessians)], self.hessians, 1)
        beside = theta - self.origin - t * self.direction
        return powers @ self.gradients + hessian @ beside, hessian


def _hermite(times: FloatArray) -> FloatArray:
    """Return values, then slopes, of the powers of t at these times."""
    n = np.arange(2 * len(times))
    values = times[:, None] ** n
    slopes = n * times[:, None] ** np.maximum(n - 1, 0)
    return np.concatenate([values, slopes])
