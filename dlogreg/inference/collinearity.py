"""How far columns explain each other, from the covariance of the coefficients."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from dlogreg.evaluation import FloatArray


def correlation(covariance: FloatArray) -> FloatArray:
    """Return a covariance matrix scaled to a diagonal of 1."""
    unit = np.sqrt(np.diagonal(covariance))
    return np.asarray(covariance / np.outer(unit, unit))


def inflation(covariance: FloatArray, terms: Sequence[Sequence[int]]) -> FloatArray:
    """Return the generalized variance inflation factor of every group of columns.

    With R the correlation of the coefficients but the intercept, R11 that of the
    group's and R22 that of the others, it is ``det(R11) det(R22) / det(R)`` (Fox and
    Monette 1992, eq. 10), for one column ``(R^-1)_jj``.
    """
    R = correlation(covariance)
    whole = _log_det(R)
    factors = []
    for inside in terms:
        outside = np.setdiff1d(np.arange(len(R)), inside)
        parts = _log_det(R[np.ix_(inside, inside)]) + _log_det(
            R[np.ix_(outside, outside)]
        )
        factors.append(np.exp(parts - whole))
    return np.array(factors)


def _log_det(R: FloatArray) -> float:
    return float(np.linalg.slogdet(R).logabsdet)


def scaled_condition(covariance: FloatArray) -> float:
    """Return the condition number of the columns, each scaled to unit length.

    The columns are those of sqrt(W) X with the intercept, whose cross products are the
    inverse of the covariance; it is the root of the ratio of the largest to the
    smallest eigenvalue of these, scaled to a diagonal of 1 (Belsley, Kuh and Welsch
    1980, section 3.2).
    """
    information = np.linalg.inv(correlation(covariance))
    values = np.linalg.eigvalsh(correlation((information + information.T) / 2))
    return float(np.sqrt(values[-1] / values[0])) if values[0] > 0 else float(np.inf)
