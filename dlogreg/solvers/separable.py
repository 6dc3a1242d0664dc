r"""A penalty of every coefficient for itself: lasso, ridge and bounds.

    P(theta) = sum_j l1_j abs(theta_j) + l2_j theta_j^2 / 2,   low <= theta <= high.

A point is the optimum of a smooth f plus P where no coefficient has a way down: with r
the gradient of f and the ridge part, the slopes of the whole to the right and to the
left of theta_j,

    right_j = r_j + l1_j (theta_j >= 0 ? 1 : -1),
    left_j  = r_j + l1_j (theta_j >  0 ? 1 : -1),

are not negative and not positive, where there is room on that side. What is missing,
min(right, 0) + max(left, 0), is the element of least size of the subdifferential.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from dlogreg.evaluation import FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class Separable:
    """l1_j abs(theta_j) + l2_j theta_j^2 / 2 in bounds, all of shape (n_params,)."""

    l1: FloatArray
    """Weights of the absolute values, not negative."""
    l2: FloatArray
    """Curvatures of the ridge part, not negative."""
    low: FloatArray
    """Smallest values, -inf without a bound."""
    high: FloatArray
    """Largest values, not below ``low``."""

    @classmethod
    def of(
        cls,
        n_params: int,
        l1: npt.ArrayLike = 0.0,
        l2: npt.ArrayLike = 0.0,
        low: npt.ArrayLike = -np.inf,
        high: npt.ArrayLike = np.inf,
    ) -> Separable:
        """Return the penalty of so many coefficients; numbers count for all of them."""
        full = [np.full(n_params, part, dtype=np.float64) for part in (l1, l2)]
        ends = [np.full(n_params, part, dtype=np.float64) for part in (low, high)]
        return cls(*full, *ends)

    def at(self, part: npt.NDArray[np.intp]) -> Separable:
        """Return the penalty of some of the coefficients."""
        return Separable(self.l1[part], self.l2[part], self.low[part], self.high[part])

    def nearest(self, theta: FloatArray) -> FloatArray:
        """Return the point within the bounds that is nearest in every coefficient."""
        return np.minimum(np.maximum(theta, self.low), self.high)

    def value(self, theta: FloatArray) -> float:
        """Return the penalty, the ridge part included; bounds are not checked."""
        return float(self.l1 @ np.abs(theta) + 0.5 * self.l2 @ theta**2)

    def proximal(self, point: FloatArray, curvature: FloatArray) -> FloatArray:
        """Minimize curvature_j (theta_j - point_j)^2 / 2 + l1_j abs(theta_j) in bounds.

        The ridge part is left out: it belongs to what is smooth.
        """
        width = self.l1 / curvature
        shrunk = point - np.minimum(np.maximum(point, -width), width)
        return self.nearest(shrunk)

    def subgradient(self, theta: FloatArray, smooth: FloatArray) -> FloatArray:
        """Return the least subgradient, of which every zero is an optimum.

        ``smooth`` is the gradient of everything but the absolute values.
        """
        right = smooth + np.where(theta >= 0, self.l1, -self.l1)
        left = smooth + np.where(theta > 0, self.l1, -self.l1)
        missing = np.where(theta < self.high, np.minimum(right, 0.0), 0.0)
        return missing + np.where(theta > self.low, np.maximum(left, 0.0), 0.0)

    def slack(self, theta: FloatArray, smooth: FloatArray) -> FloatArray:
        """Return by how much slopes may change before a coefficient leaves its place.

        0 for those that stand neither at a kink nor at a bound; infinite for those
        that cannot leave. Negative where the slopes are such that it should leave.
        """
        right = smooth + np.where(theta >= 0, self.l1, -self.l1)
        left = smooth + np.where(theta > 0, self.l1, -self.l1)
        free = (left == right) & (theta > self.low) & (theta < self.high)
        upward = np.where(theta < self.high, right, np.inf)
        room = np.minimum(upward, np.where(theta > self.low, -left, np.inf))
        return np.where(free, 0.0, room)
