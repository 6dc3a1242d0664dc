"""A quadratic function plus a penalty, and what is missing to its minimum."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.linalg import lapack

from dlogreg.evaluation import FloatArray
from dlogreg.solvers.separable import Separable

ROUNDING = 512 * 2.0**-53
"""A slope is zero below so much of the terms that it is the sum of."""
REFINEMENTS = 8
PIVOT = 1e-12
"""A squared pivot, of 1, below which the matrix is singular: dividing by it would
take steps along what is only rounding."""


@dataclass(frozen=True, slots=True, eq=False)
class QuadraticMinimum:
    """Where the minimum is, and what is missing to it."""

    theta: FloatArray
    """Exactly 0, or at a bound, where it ends there; shape (n_params,)."""
    residual: FloatArray
    """Least subgradient of the whole at theta, zero at the optimum."""
    smooth: FloatArray
    """Gradient of the quadratic function and the ridge part there."""
    free: npt.NDArray[np.bool_]
    """Coefficients that stand neither at a kink nor at a bound."""
    solved: bool
    """No slope is left but what rounding may be."""
    n_systems: int


@dataclass(slots=True, eq=False)
class QuadraticModel:
    """q(theta) + P(theta), in steps from the centre of q."""

    matrix: FloatArray
    """H with the ridge part."""
    slope: FloatArray
    """Smooth gradient at the centre."""
    centre: FloatArray
    penalty: Separable
    curvature: FloatArray
    """Diagonal of the matrix, 1 where that is zero."""
    root: FloatArray
    usable: npt.NDArray[np.bool_]
    terms: FloatArray
    """Sizes of the terms of every slope, apart from the step's."""
    n_systems: int = 0

    @classmethod
    def of(
        cls,
        hessian: FloatArray,
        gradient: FloatArray,
        centre: FloatArray,
        penalty: Separable,
    ) -> QuadraticModel:
        """Return the model of gradient and Hessian at the centre."""
        matrix = hessian.copy()
        matrix.flat[:: len(matrix) + 1] += penalty.l2
        curvature = np.array(np.diagonal(matrix))
        usable = curvature > np.finfo(float).tiny
        curvature[~usable] = 1.0
        pull = penalty.l2 * centre
        terms = np.abs(gradient) + np.abs(pull) + penalty.l1
        return cls(
            matrix,
            gradient + pull,
            centre,
            penalty,
            curvature,
            np.sqrt(curvature),
            usable,
            terms,
        )

    def smooth_at(self, step: FloatArray) -> FloatArray:
        """Return the smooth gradient after a step from the centre."""
        return np.asarray(self.slope + self.matrix @ step)

    def looked_at(self, theta: FloatArray, step: FloatArray) -> QuadraticMinimum:
        """Return a point, judged."""
        penalty, smooth = self.penalty, self.smooth_at(step)
        missing = penalty.subgradient(theta, smooth)
        small = self.terms + self.root * float(self.root @ np.abs(step))
        within = (theta >= penalty.low) & (theta <= penalty.high)
        solved = bool((within & (np.abs(missing) <= ROUNDING * small)).all())
        inside = (theta > penalty.low) & (theta < penalty.high)
        free = inside & ((theta != 0) | (penalty.l1 == 0))
        return QuadraticMinimum(theta, missing, smooth, free, solved, self.n_systems)

    def size(self, found: QuadraticMinimum) -> float:
        """Return how much is missing, infinite outside the bounds."""
        theta, penalty = found.theta, self.penalty
        if (theta < penalty.low).any() or (theta > penalty.high).any():
            return np.inf
        return float(np.linalg.norm(found.residual / self.root))

    def solve(
        self, places: npt.NDArray[np.intp], right: FloatArray, raised: float = 0.0
    ) -> FloatArray | None:
        """Solve with the matrix on some coefficients; None where it is singular."""
        self.n_systems += 1
        unit = 1 / self.root[places]
        whole = len(places) == len(self.matrix)
        inside = self.matrix if whole else self.matrix[np.ix_(places, places)]
        inside = inside * unit * unit[:, None]
        lifted = inside
        if raised:
            lifted = inside.copy()
            lifted.flat[:: len(places) + 1] += raised
        factor, failed = lapack.dpotrf(lifted, lower=1, overwrite_a=0, clean=0)
        if failed or (not raised and _tiny_pivot(factor)):
            return None
        return unit * _refined(inside, factor, right * unit)


def _refined(matrix: FloatArray, factor: FloatArray, right: FloatArray) -> FloatArray:
    """Solve by a factor that is not quite that of the matrix, and mend what is left."""
    solved, _ = lapack.dpotrs(factor, right, lower=1)
    left, size = right - matrix @ solved, np.inf
    for _ in range(REFINEMENTS):
        before, size = size, float(np.abs(left).max())
        if not size < 0.5 * before or size == 0:
            break
        change, _ = lapack.dpotrs(factor, left, lower=1)
        solved = solved + change
        left = right - matrix @ solved
    return np.asarray(solved)


def _tiny_pivot(factor: FloatArray) -> bool:
    """Tell whether rounding alone may have decided the sign of a pivot."""
    return bool(np.diagonal(factor).min() ** 2 < PIVOT)
