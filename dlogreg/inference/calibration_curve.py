r"""The share of events as a smooth function of the score, with its band.

A logistic regression of the outcome on a restricted cubic spline of the score (Harrell
2015, Regression Modeling Strategies, section 2.4.5): cubic between knots at quantiles
of the score, linear beyond the outer ones. The rows of a bin stand at its mean score,
so that the sums of a fit are enough: 16,384 bins are narrow beside a curve of five
knots.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import expit, ndtri

from dlogreg.evaluation import FloatArray
from dlogreg.kernel.scores import ScoreSums
from dlogreg.loss import loss_rows

QUANTILES = {3: (0.1, 0.5, 0.9), 5: (0.05, 0.275, 0.5, 0.725, 0.95)}
"""Where Harrell puts so many knots."""
ENOUGH = 100
"""Rows of the rarer class from which on there are five knots."""
SHOWN = (0.002, 0.998)
"""Quantiles of the score between which the curve is drawn."""
CERTAIN = 30.0
"""Log-odds from which on a row is left out: that its probability is 0 or 1 to 13 digits
says nothing of the curve in between."""
N_POINTS = 101
MAX_STEPS = 50


@dataclass(frozen=True, slots=True, eq=False)
class CalibrationCurve:
    """Shares of events along the probability, each of shape (n_points,)."""

    probability: FloatArray
    """What the model says."""
    share: FloatArray
    """Share of events there, by the spline."""
    low: FloatArray
    """Lower end of its pointwise interval; NaN where weights do not count rows."""
    high: FloatArray


def calibration_curve(
    sums: ScoreSums, alpha: float = 0.05, *, counted: bool = True
) -> CalibrationCurve | None:
    """Return the curve; None where scores separate the classes, or are all equal.

    Parameters
    ----------
    sums : ScoreSums
        What a pass has counted.
    alpha : float
        Level of the intervals is 1 - alpha.
    counted : bool
        Whether weights count rows; without that there are no intervals.
    """
    known = np.abs(sums.scores) < CERTAIN
    scores, weights, happened = (
        part[known] for part in (sums.scores, sums.weights, sums.events)
    )
    events, others = np.flatnonzero(happened), np.flatnonzero(weights - happened)
    if not len(events) or not len(others) or len(scores) < 2:
        return None
    if events[0] >= others[-1] or events[-1] <= others[0]:
        return None
    rarer = min(float(happened.sum()), float((weights - happened).sum()))
    knots = _knots(scores, weights, 5 if rarer >= ENOUGH else 3)
    design = spline_basis(scores, knots)
    found = _fitted(design, weights, happened)
    if found is None:
        return None
    params, covariance = found
    ends = _quantiles(scores, weights, SHOWN)
    along = np.linspace(ends[0], ends[1], N_POINTS)
    basis = spline_basis(along, knots)
    eta = basis @ params
    half = -ndtri(alpha / 2) * np.sqrt(np.einsum("ij,ij->i", basis @ covariance, basis))
    half = half if counted else np.full(N_POINTS, np.nan)
    return CalibrationCurve(
        expit(along), expit(eta), expit(eta - half), expit(eta + half)
    )


def spline_basis(x: FloatArray, knots: FloatArray) -> FloatArray:
    """Return 1, x and, from three knots on, the cubic terms, (n, max(2, n_knots))."""
    columns = [np.ones(len(x)), x]
    if len(knots) >= 3:
        last, before = knots[-1], knots[-2]
        unit = (last - knots[0]) ** 2
        for knot in knots[:-2]:
            upper = (last - knot) / (last - before)
            lower = (before - knot) / (last - before)
            term = _cube(x - knot) - _cube(x - before) * upper + _cube(x - last) * lower
            columns.append(term / unit)
    return np.stack(columns, axis=1)


def _cube(x: FloatArray) -> FloatArray:
    return np.asarray(np.maximum(x, 0.0) ** 3)


def _knots(scores: FloatArray, weights: FloatArray, n_knots: int) -> FloatArray:
    """Return knots at quantiles; fewer than three, and there is a straight line."""
    return np.unique(_quantiles(scores, weights, QUANTILES[n_knots]))


def _quantiles(
    scores: FloatArray, weights: FloatArray, shares: tuple[float, ...]
) -> FloatArray:
    reached = np.cumsum(weights)
    places = np.searchsorted(reached, np.array(shares) * reached[-1])
    return np.asarray(scores[np.minimum(places, len(scores) - 1)])


def _fitted(
    design: FloatArray, weights: FloatArray, events: FloatArray
) -> tuple[FloatArray, FloatArray] | None:
    """Return coefficients and covariance by Newton's method with halved steps."""
    scale = np.abs(design).max(axis=0)
    z, params = design / scale, np.zeros(design.shape[1])
    loss = _loss(z @ params, weights, events)
    for _ in range(MAX_STEPS):
        p = expit(z @ params)
        gradient = z.T @ (weights * p - events)
        hessian = (z.T * (weights * p * (1 - p))) @ z
        try:
            inverse = np.linalg.inv(hessian)
        except np.linalg.LinAlgError:
            return None
        step, size = -inverse @ gradient, 1.0
        if -(gradient @ step) < 1e-16:
            return params / scale, inverse / np.outer(scale, scale)
        while (trial := _loss(z @ (params + size * step), weights, events)) > loss:
            size /= 2
            if size < 1e-9:
                return params / scale, inverse / np.outer(scale, scale)
        params, loss = params + size * step, trial
    return None


def _loss(eta: FloatArray, weights: FloatArray, events: FloatArray) -> float:
    return float(weights @ loss_rows(-eta) - events @ eta)
