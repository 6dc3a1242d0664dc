r"""H^-1 C for a few columns C by block conjugate gradients, without forming H.

One product of H with a block of directions is one pass. The blocks are conjugate,
P_i' H P_j = 0, so that X_k is the best of all that lies in their span, and

    c' X_k = sum over blocks of c' P (P'HP)^-1 P'c

grows to c' H^-1 c, the variance. The directions are orthonormalised in every step
(Dubrulle 2001, ETNA 12, 216-233), without which columns that converge first would make
P'HP singular (O'Leary 1980, Linear Algebra Appl. 29, 293-322).

What is missing in a variance is the squared H-norm of the error of X, so variances are
exact to twice as many digits as X. The growth of the variance falls at a rate that the
last five steps show; its sum to infinity estimates what is missing (Strakos and Tichy
2002, ETNA 13, 56-80). It is an estimate and no bound.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from dlogreg.evaluation import FloatArray
from dlogreg.solvers.metric import Metric

SAFETY = 3.0
GROWTHS = 5
FEWEST = 3
"""Steps without which no rate is known."""


@dataclass(frozen=True, slots=True, eq=False)
class InverseColumns:
    """H^-1 C, and how exact it is."""

    solved: FloatArray
    """Shape (n_params, n_columns)."""
    variances: FloatArray
    """c' H^-1 c of every column, never above the truth; shape (n_columns,)."""
    missing: FloatArray
    """Estimated relative amount by which variances are too small, (n_columns,)."""
    residuals: FloatArray
    """norm(c - H x) / norm(c) in the metric of H0^-1, shape (n_columns,)."""
    n_products: int
    converged: bool


def invert_columns(
    multiply: Callable[[FloatArray], FloatArray],
    metric: Metric,
    columns: FloatArray,
    tol: float,
    max_products: int,
) -> InverseColumns:
    """Solve H X = C until variances are short of the truth by a relative ``tol``.

    Parameters
    ----------
    multiply
        Return H V for V of shape (n_params, n_columns); called once a step.
    metric
        Preconditioner H0.
    columns
        C, shape (n_params, n_columns), independent.
    tol
        Largest relative error of a variance, by the estimate times three.
    max_products
        Most steps.
    """
    solved, residual = np.zeros_like(columns), columns.copy()
    preconditioned = metric.solve(residual)
    size = _norms(residual, preconditioned)
    directions = np.linalg.qr(preconditioned)[0]
    growths: list[FloatArray] = []
    variances = missing = np.full(columns.shape[1], np.inf)
    while len(growths) < max_products and not _settled(missing, growths, tol):
        image = multiply(directions)
        inner = directions.T @ image
        step = _solve(inner, directions.T @ residual)
        solved += directions @ step
        residual -= image @ step
        before = 0.0 if not growths else variances
        variances = np.einsum("ij,ij->j", columns, solved)
        growths.append(np.maximum(variances - before, 0.0))
        missing = _missing(growths) / variances
        preconditioned = metric.solve(residual)
        mix = _solve(inner, image.T @ preconditioned)
        directions = np.linalg.qr(preconditioned - directions @ mix)[0]
    return InverseColumns(
        solved,
        variances,
        missing,
        _norms(residual, preconditioned) / size,
        len(growths),
        _settled(missing, growths, tol),
    )


def _settled(missing: FloatArray, growths: list[FloatArray], tol: float) -> bool:
    return len(growths) >= FEWEST and bool((SAFETY * missing <= tol).all())


def _missing(growths: list[FloatArray]) -> FloatArray:
    """Return the sum of what is still to come, at the rate of the last steps."""
    last = np.array(growths[-GROWTHS:])
    if len(last) < FEWEST:
        return np.full(last.shape[1], np.inf)
    with np.errstate(all="ignore"):
        rate = (last[-1] / last[0]) ** (1 / (len(last) - 1))
        coming = np.where(rate < 1, last[-1] * rate / (1 - rate), np.inf)
    return np.where(last[-1] > 0, coming, 0.0)


def _solve(inner: FloatArray, right: FloatArray) -> FloatArray:
    """Solve with P'HP, which is singular only where directions are used up."""
    symmetric = (inner + inner.T) / 2
    return np.asarray(np.linalg.lstsq(symmetric, right, rcond=1e-13)[0])


def _norms(residual: FloatArray, preconditioned: FloatArray) -> FloatArray:
    squares = np.einsum("ij,ij->j", residual, preconditioned)
    return np.asarray(np.sqrt(np.maximum(squares, 0.0)))
