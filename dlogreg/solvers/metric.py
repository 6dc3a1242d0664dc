r"""The Hessian as a few rows show it: the metric in which L-BFGS starts.

At the model without columns every row has the same weight p (1 - p), so the Hessian's
diagonal D^2 is known from the first pass, and a sample of m rows tells how columns are
correlated. A sample of fewer than some ten rows per column sees correlations that are
not there; they are shrunk towards zero as far as the sample itself says they are noise
(Ledoit and Wolf 2004, J. Multivar. Anal. 88, 365-411, here for correlations):

    H0 = D [(1 - rho) V'V / m + rho I] D + penalty

with V the sample's standardized rows. With independent columns rho is 1, and H0 the
diagonal, to which a sample could only add noise; with factors or neighbours that move
together it falls like 1/m, and the condition number of H0^-1 H with it.

With fewer rows than columns H0 is inverted by Woodbury's identity and never formed.
Everything but the factor is in float32: H0 needs to be the same in every iteration, not
exact.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.linalg import LinAlgError, cho_factor, cho_solve

from dlogreg.evaluation import FloatArray

Float32Array = npt.NDArray[np.float32]

LEAST_SHRINKAGE = 1e-3
NOISE = 0.7
"""Shrinkage above which correlations are left out: they would save no pass."""
FIRST_LOOK = 512
"""Rows from which it is judged whether the correlations are worth a factor."""


@dataclass(frozen=True, slots=True, eq=False)
class Metric:
    """A positive definite stand-in for the Hessian, ready to be solved with.

    H0 = unit (diag(diagonal) + C) unit with C the shrunken correlations, or zero.
    """

    unit: FloatArray
    """D, shape (n_params,)."""
    diagonal: FloatArray
    """Shape (n_params,)."""
    factor: FloatArray | None = None
    """Cholesky factor of diag + C, or in Woodbury's identity of I + W diag^-1 W'."""
    rows: Float32Array | None = None
    """W, with C = W'W, where it has fewer rows than columns; shape (m, n_params)."""

    @classmethod
    def of_diagonal(cls, curvature: FloatArray) -> Metric:
        """Return the metric of a diagonal Hessian."""
        unit = np.sqrt(_raised(curvature))
        return cls(unit, np.broadcast_to(np.float64(1.0), unit.shape))

    def solve(self, right: FloatArray) -> FloatArray:
        """Return H0^-1 right; right of shape (n_params,) or (n_params, n)."""
        along = (slice(None), *(None,) * (right.ndim - 1))
        unit, diagonal = self.unit[along], self.diagonal[along]
        inside = right / unit
        if self.factor is None:
            inside /= diagonal
            inside /= unit
            return np.asarray(inside)
        lower = (self.factor, True)
        if self.rows is None:
            return np.asarray(cho_solve(lower, inside, check_finite=False) / unit)
        size = float(np.abs(inside).max()) or 1.0  # float32 has a short range
        inside = inside / diagonal
        inner = (self.rows @ (inside / size).astype(np.float32)).astype(float)
        inner = cho_solve(lower, inner, check_finite=False)
        back = size * (self.rows.T @ inner.astype(np.float32)).astype(float)
        return np.asarray((inside - back / diagonal) / unit)

    def norm(self, gradient: FloatArray) -> float:
        """Return sqrt(g' H0^-1 g)."""
        return math.sqrt(max(0.0, float(gradient @ self.solve(gradient))))


def _raised(curvature: FloatArray) -> FloatArray:
    """Return the curvature with zeros raised to a harmless size."""
    largest = float(curvature.max(initial=0.0))
    return np.maximum(curvature, 1e-12 * largest if largest > 0 else 1.0)


def sample_metric(
    rows: Float32Array, curvature: FloatArray, penalty: FloatArray
) -> Metric:
    """Return the metric of a sample.

    Parameters
    ----------
    rows
        Centred and weighted rows, the intercept's column of them included, shape
        (m, n_params); overwritten.
    curvature
        D^2, the diagonal of the Hessian of the loss, shape (n_params,).
    penalty
        Diagonal of the penalty's Hessian, shape (n_params,).
    """
    plain = Metric.of_diagonal(curvature + penalty)
    if not standardize(rows):
        return plain
    shrinkage = shrinkage_of(rows)
    if shrinkage > NOISE:
        return plain
    unit = np.sqrt(_raised(curvature))
    diagonal = shrinkage + penalty / unit**2
    rows *= np.float32(math.sqrt((1 - shrinkage) / len(rows)))
    try:
        if len(rows) < rows.shape[1]:
            scaled = rows / np.sqrt(diagonal).astype(np.float32)
            factor = _factor(scaled @ scaled.T, np.ones(len(rows)))
            return Metric(unit, diagonal, factor, rows)
        return Metric(unit, diagonal, _factor(rows.T @ rows, diagonal))
    except LinAlgError:
        return plain


def _factor(product: Float32Array, diagonal: FloatArray) -> FloatArray:
    matrix = product.astype(float)
    matrix[np.diag_indices_from(matrix)] += diagonal
    factor: FloatArray = cho_factor(
        matrix, lower=True, overwrite_a=True, check_finite=False
    )[0]
    return factor


def standardize(rows: Float32Array) -> bool:
    """Scale columns to a mean square of one, in place; tell whether that worked.

    Columns that are zero in the sample stay so: nothing is known of them.
    """
    if not np.isfinite(rows).all():
        return False
    scale = np.sqrt(np.einsum("ij,ij->j", rows, rows) / max(1, len(rows)))
    rows /= np.where(scale > 0, scale, np.float32(1))
    return len(rows) > 1 and bool(np.isfinite(rows).all())


def shrinkage_of(rows: Float32Array) -> float:
    """Return rho, the share of the squared correlations that is the sample's noise.

    Found from at most 512 of the rows: the noise falls like one over their number.
    """
    some = rows[:: max(1, -(-len(rows) // FIRST_LOOK))]
    m, k = some.shape
    norms = np.einsum("ij,ij->i", some, some).astype(float)
    gram = some @ some.T  # its sum of squares is that of V'V
    square = float(np.einsum("ij,ij->", gram, gram, dtype=float)) / m**2
    noise = (float(norms @ norms) / m - square) / m
    signal = square - k - noise
    if not signal > 0:
        return 1.0
    noise *= m / len(rows)
    return float(np.clip(noise / (noise + signal), LEAST_SHRINKAGE, 1.0))
