"""A row's loss and its derivatives in the linear predictor; knows no X.

With the sign s = +1 for the event and -1 otherwise, and the margin m = s * eta,

    loss     = log(1 + exp(-m))
    residual = d loss / d eta   = -s * sigma(-m)        (= p - y)
    weight   = d2 loss / d eta2 = sigma(m) * sigma(-m)  (= p * (1 - p))

The margin form keeps full relative precision of the loss and of the residual for
rows that are predicted well, where ``p - y`` would cancel. All three are written
with exp(-|m|), which cannot overflow.
"""

from __future__ import annotations

import numpy as np

from dlogreg.evaluation import FloatArray


def loss_rows(margin: FloatArray) -> FloatArray:
    """Return log(1 + exp(-margin)) for every row, shape (n_rows,)."""
    return _softplus(margin, np.exp(-np.abs(margin)))


def loss_residual_weight_rows(
    margin: FloatArray,
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return loss, sigma(-margin) and sigma(margin)*sigma(-margin) of every row.

    The residual p - y is ``-sign * sigma(-margin)``; the sign is left to the caller.
    """
    small = np.abs(margin)
    np.negative(small, out=small)
    np.exp(small, out=small)
    loss = _softplus(margin, small)
    denominator = 1.0 + small
    miss = np.where(margin > 0, small, 1.0)
    miss /= denominator
    small /= denominator
    small /= denominator
    return loss, miss, small


def _softplus(margin: FloatArray, small: FloatArray) -> FloatArray:
    loss = np.log1p(small)
    loss -= np.minimum(margin, 0.0)
    return loss
