r"""A logistic fit of the few rows that are kept: the quickest proof that they overlap.

The loss sum_i log(1 + exp(-a_i'b)) of signed rows has a least value at a finite b if
and only if no direction separates them, and kappa lambda < 1 proves that it has
(``solvers/certificate.py``), here with kappa = max_i sqrt(a_i'H^-1 a_i) itself. That
takes a few Newton steps, where a linear programme over the same rows takes a hundred
times as long.
"""

from __future__ import annotations

import numpy as np
from scipy.linalg import LinAlgError, cho_factor, cho_solve
from scipy.special import expit

from dlogreg.evaluation import FloatArray

MOST_STEPS = 25
ENOUGH = 0.9
"""Of kappa lambda: below, rows overlap."""
LEAST_PIVOT = 1e-12
"""Of the diagonal of H, below which nothing is proven by it."""


def proven_to_overlap(rows: FloatArray) -> bool:
    """Tell whether a fit of signed rows, (n_rows, n_params), proves that they overlap.

    False says nothing.
    """
    margins = np.zeros(len(rows))
    for _ in range(MOST_STEPS):
        miss = expit(-margins)
        gradient = rows.T @ -miss
        hessian = (rows * (miss * (1 - miss))[:, None]).T @ rows
        try:
            factor = cho_factor(hessian, lower=True)
        except LinAlgError:
            return False
        pivots, diagonal = np.diagonal(factor[0]) ** 2, np.diagonal(hessian)
        if not (pivots > LEAST_PIVOT * diagonal).all():
            return False
        step = -cho_solve(factor, gradient)
        decrement = np.sqrt(max(0.0, -float(gradient @ step)))
        spread = np.einsum("ij,ji->i", rows, cho_solve(factor, rows.T))
        if np.sqrt(float(spread.max())) * decrement < ENOUGH:
            return True
        moves = rows @ step
        reach = float(np.abs(moves).max())
        margins += (np.log1p(reach) / reach if reach > 1 else 1.0) * moves
    return False
