r"""The calibration line: logistic regression of the outcome on the score.

A model whose probabilities are right has intercept 0 and slope 1 (Cox 1958). The loss
is that of rows at the mean score m_b of their bin, but for its linear part, which is
exact. With d_i = eta_i - m_b, so that sum s_i d_i = 0, Q_b = sum s_i d_i^2 and h_b the
width of the bin, and |p''| <= p' <= e^{|c| h} p'_b within it,

.. math::
   |\sum s_i (p_i - p_b)| \le \tfrac12 c^2 e^{|c| h} p'_b Q_b, \quad
   |\sum s_i (\eta_i p_i - m_b p_b)| \le
   (\tfrac12 c^2 |m_b| + |c|) e^{|c| h} p'_b Q_b,

which bounds the gradient of the exact loss at the optimum of this one, and
Q_b <= n_b (m_b - low_b)(high_b - m_b) (Bhatia and Davis 2000). The exact Hessian is at
least e^{-|c| h} times this one. With lambda the gradient's and kappa the rows' largest
norm in the inverse of the Hessian, the distance to the exact line is then at most
-log(1 - kappa lambda) / kappa standard errors (Bach 2010).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import expit

from dlogreg.evaluation import FloatArray
from dlogreg.kernel.scores import ScoreSums
from dlogreg.loss import loss_rows

MAX_STEPS = 100
SMALLEST = 1e-22
"""Squared length of the last Newton step, in standard errors."""


@dataclass(frozen=True, slots=True, eq=False)
class CalibrationLine:
    """Intercept and slope of log-odds of the event on the score; 0 and 1 are ideal."""

    intercept: float
    slope: float
    covariance: FloatArray
    """Of intercept and slope, shape (2, 2)."""
    error: float
    """Proven bound on what the width of bins does to either, in standard errors."""

    @property
    def bse(self) -> FloatArray:
        """Standard errors of intercept and slope."""
        return np.sqrt(np.diagonal(self.covariance))


@dataclass(frozen=True, slots=True, eq=False)
class _Line:
    """The loss of a line through bins, in scores less their mean."""

    z: FloatArray
    """1 and the centred mean score of every bin, shape (2, n_bins)."""
    weights: FloatArray
    linear: FloatArray
    """Sum over the events of 1 and of the centred score."""

    def loss(self, params: FloatArray) -> float:
        rows = loss_rows(-(params @ self.z))
        return float((self.weights * rows).sum() - self.linear @ params)

    def derivatives(self, params: FloatArray) -> tuple[FloatArray, FloatArray]:
        p = expit(params @ self.z)
        gradient = self.z @ (self.weights * p) - self.linear
        curvature = self.weights * p * expit(-(params @ self.z))
        return gradient, (self.z * curvature) @ self.z.T


def calibration_line(sums: ScoreSums) -> CalibrationLine:
    """Return the line; its slope is infinite where scores separate the classes."""
    slope = _degenerate_slope(sums)
    if slope is not None:
        return _no_line(slope)
    weights = sums.weights
    n_events = float(sums.events.sum())
    mean = float(sums.sums[2].sum() / weights.sum())
    z = np.stack([np.ones(len(weights)), sums.scores - mean])
    linear = np.array([n_events, sums.event_score - mean * n_events])
    line = _Line(z, weights, linear)
    params = _minimum(line)
    if params is None:
        return _no_line(np.nan)
    _, hessian = line.derivatives(params)
    inverse: FloatArray = np.asarray(np.linalg.inv(hessian))
    back = np.array([[1.0, -mean], [0.0, 1.0]])
    intercept, slope = (back @ params).tolist()
    error = 0.0 if sums.exact else _distance(sums, line, params, mean, inverse)
    return CalibrationLine(intercept, slope, back @ inverse @ back.T, error)


def _no_line(slope: float) -> CalibrationLine:
    return CalibrationLine(np.nan, slope, np.full((2, 2), np.nan), np.nan)


def _degenerate_slope(sums: ScoreSums) -> float | None:
    """Return NaN or an infinite slope where there is no finite line."""
    events, others = np.flatnonzero(sums.events), np.flatnonzero(sums.others)
    if not len(events) or not len(others) or len(sums.bins) < 2:
        return float(np.nan)
    if events[0] >= others[-1]:
        return float(np.inf)
    return float(-np.inf) if events[-1] <= others[0] else None


def _minimum(line: _Line) -> FloatArray | None:
    """Return the optimum by Newton's method with halved steps."""
    share = line.linear[0] / line.weights.sum()
    params = np.array([np.log(share) - np.log1p(-share), 0.0])
    loss = line.loss(params)
    for _ in range(MAX_STEPS):
        gradient, hessian = line.derivatives(params)
        try:
            step = np.linalg.solve(hessian, -gradient)
        except np.linalg.LinAlgError:
            return None
        if -(gradient @ step) < SMALLEST:
            return np.asarray(params + step)
        size = 1.0
        while (trial := line.loss(params + size * step)) > loss and size > 1e-9:
            size /= 2
        if trial >= loss:  # rounding decides: this is as near as sums can tell
            return np.asarray(params + step)
        params, loss = params + size * step, trial
    return None


def _distance(
    sums: ScoreSums, line: _Line, params: FloatArray, mean: float, inverse: FloatArray
) -> float:
    """Return the bound on the distance to the exact line; see the module."""
    scores, weights = sums.scores, line.weights
    reach = float((sums.upper - sums.lower).max())
    slope = abs(float(params[1]))
    growth = np.exp(slope * reach)
    spread = weights * np.maximum(scores - sums.lower, 0) * (sums.upper - scores)
    p = expit(params @ line.z)
    spread = spread.clip(0.0) * p * (1 - p) * growth
    bend = slope**2 / 2 * spread
    gradient = np.array(
        [bend.sum(), (np.abs(line.z[1]) * bend + slope * spread).sum()],
    )
    decrement = np.sqrt(gradient @ np.abs(inverse) @ gradient * growth)
    ends = [np.stack([line.z[0], b - mean]) for b in (sums.lower, sums.upper)]
    kappa = np.sqrt(max(np.max((e * (inverse @ e)).sum(axis=0)) for e in ends) * growth)
    if kappa * decrement >= 1:
        return float(np.inf)
    return float(-np.log1p(-kappa * decrement) / kappa)
