"""The inverse Hessian of one model: a shared one, corrected by its own gradients.

Between two points of the model, s apart, gradients differ by y, and the Hessian between
them sends s to y. BFGS updates put that into the shared inverse M without forming a
matrix (Nocedal 1980, Math. Comput. 35, 773-782, with M in the place of the scaled
unit matrix). The loss is convex, so s'y > 0 up to rounding.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from dlogreg.evaluation import FloatArray
from dlogreg.solvers.stale_hessian import StaleHessian

MEMORY = 20
LEAST_CURVATURE = 1e-12


@dataclass(slots=True, eq=False)
class InverseHessian:
    """M with the corrections that one model has learned."""

    metric: StaleHessian
    pairs: list[tuple[FloatArray, FloatArray]] = field(default_factory=list)

    def learn(self, step: FloatArray, change: FloatArray) -> None:
        """Take note that the gradient changed by so much along a step."""
        product = float(step @ change)
        size = float(np.linalg.norm(step) * np.linalg.norm(change))
        if product > LEAST_CURVATURE * size:
            self.pairs = [*self.pairs[1 - MEMORY :], (step, change)]

    def times(self, right: FloatArray) -> FloatArray:
        """Return the inverse Hessian times a vector, or a matrix of columns."""
        rest, weights = right, []
        for step, change in reversed(self.pairs):
            weight = (step @ rest) / (step @ change)
            weights.append(weight)
            rest = rest - np.multiply.outer(change, weight)
        solved = self.metric.inverse @ rest
        for (step, change), weight in zip(self.pairs, reversed(weights), strict=True):
            back = (change @ solved) / (step @ change)
            solved = solved + np.multiply.outer(step, weight - back)
        return np.asarray(solved)


@dataclass(frozen=True, slots=True, eq=False)
class Constraint:
    """A'theta = value, under which a model is fitted."""

    directions: FloatArray
    """A, shape (n_params, r), of full rank."""
    value: FloatArray
    """Shape (r,)."""

    def nearest(self, theta: FloatArray, inverse: FloatArray) -> FloatArray:
        """Return the point under the constraint that is nearest in the metric of H."""
        across = inverse @ self.directions
        missing = self.value - self.directions.T @ theta
        moved = theta + across @ np.linalg.solve(self.directions.T @ across, missing)
        return np.asarray(moved)

    def distance(self, theta: FloatArray, inverse: FloatArray) -> float:
        """Return how far that is, in the metric of H: Wald's statistic, its root."""
        across = self.directions.T @ inverse @ self.directions
        missing = self.value - self.directions.T @ theta
        square = float(missing @ np.linalg.solve(across, missing))
        return math.sqrt(max(0.0, square))

    def free(self, inverse: InverseHessian, gradient: FloatArray) -> FloatArray:
        """Return the gradient without what the constraint holds of it.

        That is g - A (A'M A)^-1 A'M g. What is held can be many times as large as what
        is free, and products with the whole gradient would lose its digits.
        """
        across, ahead = inverse.times(self.directions), inverse.times(gradient)
        held = np.linalg.solve(self.directions.T @ across, self.directions.T @ ahead)
        return np.asarray(gradient - self.directions @ held)

    def step(self, inverse: InverseHessian, gradient: FloatArray) -> FloatArray:
        """Return -M_c g, the step along the constraint."""
        return -inverse.times(self.free(inverse, gradient))

    def decrement(self, inverse: InverseHessian, gradient: FloatArray) -> float:
        """Return sqrt(g'M_c g), the length of that step in the metric."""
        free = self.free(inverse, gradient)
        return math.sqrt(max(0.0, float(free @ inverse.times(free))))
