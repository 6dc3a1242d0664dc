"""The Newton system (H + penalty) d = -g over the columns that are not aliased."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.linalg import LinAlgError
from scipy.linalg.lapack import dpotrf, dpotrs

from dlogreg.evaluation import FloatArray

ALIAS_TOLERANCE = 1e-10
"""A column whose residual sum of squares, after the columns before it, falls below
this share of its own is aliased (the square of R's 1e-7 in qr, rounded up for sums of
products, which carry the square of the condition number)."""
EXACT_EIGENVALUE_SIZE = 512
SINGULAR_PIVOT = 4 * np.finfo(float).eps
"""Times the number of columns: what is left of a column that others explain."""
TINY = float(np.finfo(float).tiny)
RIDGES = (0.0, *(10.0 ** np.arange(-13, 1)).tolist())
LEAST_SQUARES = TINY / float(np.finfo(float).eps)
"""Sums of squares below this have lost digits, and their inverse may overflow."""


@dataclass(frozen=True, slots=True, eq=False)
class NewtonSystem:
    """Cholesky factor of the Hessian, scaled to a unit diagonal, on kept columns."""

    factor: FloatArray
    unit: FloatArray
    kept: npt.NDArray[np.intp]
    n_params: int
    regularized: bool
    """The Hessian was singular to working precision and its diagonal was raised."""

    @classmethod
    def of(cls, hessian: FloatArray, kept: npt.NDArray[np.intp]) -> NewtonSystem:
        """Factorise; raise the diagonal as far as a singular Hessian needs it."""
        whole = len(kept) == len(hessian)  # in their order
        inside = hessian if whole else hessian[np.ix_(kept, kept)]
        diagonal = inside.diagonal()
        unit = 1.0 / np.sqrt(np.maximum(diagonal, TINY))
        scaled = inside * unit * unit[:, None]
        for ridge in RIDGES:
            shifted = scaled + ridge * np.eye(len(kept)) if ridge else scaled
            factor, failed = dpotrf(shifted, lower=True, clean=False)
            if failed:
                continue
            pivots = factor.diagonal() ** 2
            if pivots.min(initial=1.0) < SINGULAR_PIVOT * len(kept):
                continue  # rounding alone decides the sign of such a pivot
            return cls(factor, unit, kept, len(hessian), bool(ridge))
        raise LinAlgError("the Hessian is not finite")

    def solve(self, right: FloatArray) -> FloatArray:
        """Return H^-1 right, zero on aliased columns."""
        full = np.zeros(self.n_params)
        inside = right[self.kept] * self.unit
        full[self.kept] = self.unit * self._solved(inside)
        return full

    def inverse(self) -> FloatArray:
        """Return H^-1 on the kept columns."""
        inverse = self._solved(np.eye(len(self.kept)))
        inverse = 0.5 * (inverse + inverse.T)
        return np.asarray(inverse * self.unit * self.unit[:, None])

    def _solved(self, right: FloatArray) -> FloatArray:
        """Return what LAPACK solves, which is not to be asked for nothing."""
        if not len(right):
            return right
        return np.asarray(dpotrs(self.factor, right, lower=True)[0])


def largest_eigenvalue(matrix: FloatArray) -> float:
    """Return the largest eigenvalue of a positive matrix, or a bound above it.

    Beyond 512 columns the largest absolute row sum, which is never smaller.
    """
    if not len(matrix):
        return 0.0
    if len(matrix) <= EXACT_EIGENVALUE_SIZE:
        # all of them: LAPACK's search for one fails where many are the same
        return float(np.linalg.eigvalsh(matrix)[-1])
    return float(np.abs(matrix).sum(axis=1).max())


def independent_columns(
    gram: FloatArray,
    constant: npt.NDArray[np.bool_],
    *,
    fit_intercept: bool,
    tolerance: float = ALIAS_TOLERANCE,
) -> npt.NDArray[np.intp]:
    """Return the columns that R would keep: in order, none aliased with those before.

    Parameters
    ----------
    gram
        Sums of products of the columns, the intercept's first, (n_params, n_params).
    constant
        Columns known to be aliased with the intercept, shape (n_params,).
    fit_intercept
        Whether the first column is the intercept; a column's residual is then compared
        with its own centred sum of squares.
    tolerance
        Share of its own sum of squares that a column's residual must exceed.
    """
    first = int(fit_intercept)
    rest = gram[first:, first:]
    if first:
        rest = rest - np.outer(gram[0, 1:], gram[0, 1:]) / gram[0, 0]
    (candidates,) = (~constant[first:] & (rest.diagonal() > LEAST_SQUARES)).nonzero()
    inside = rest[np.ix_(candidates, candidates)]
    unit = 1.0 / np.sqrt(inside.diagonal())
    scaled = inside * unit * unit[:, None]
    if not _well_conditioned(scaled, tolerance):
        candidates = candidates[_sweep(scaled, tolerance)]
    return np.concatenate([np.arange(first), candidates + first])


def _well_conditioned(scaled: FloatArray, tolerance: float) -> bool:
    """Tell whether every residual, the squared diagonal of the factor, is large."""
    factor, failed = dpotrf(scaled, lower=True, clean=False)
    if failed or not np.isfinite(scaled).all():
        return False
    residuals = factor.diagonal() ** 2
    return bool(residuals.min(initial=1.0) > tolerance)


def _sweep(scaled: FloatArray, tolerance: float) -> npt.NDArray[np.intp]:
    """Cholesky in the order of columns, leaving out those without a residual."""
    rest = scaled.copy()
    kept = []
    for j in range(len(rest)):
        if rest[j, j] > tolerance:
            kept.append(j)
            line = rest[j, j + 1 :] / np.sqrt(rest[j, j])
            rest[j + 1 :, j + 1 :] -= np.outer(line, line)
    return np.array(kept, dtype=np.intp)


def combination(
    gram: FloatArray, kept: npt.NDArray[np.intp], column: int
) -> FloatArray:
    """Return the least squares weights of the kept columns that give a column."""
    before = kept[kept < column]
    weights = np.zeros(len(gram))
    unit = 1.0 / np.sqrt(np.diagonal(gram)[before])
    inside = gram[np.ix_(before, before)] * unit * unit[:, None]
    right = gram[before, column] * unit
    weights[before] = unit * np.linalg.lstsq(inside, right, rcond=None)[0]
    return weights
