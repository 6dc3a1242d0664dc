"""A row's loss and its derivatives in the linear predictor; knows no X.

With the sign s = +1 for the event and -1 otherwise, and the margin m = s * eta,

    loss     = log(1 + exp(-m))
    residual = d loss / d eta   = -s * sigma(-m)        (= p - y)
    weight   = d2 loss / d eta2 = sigma(m) * sigma(-m)  (= p * (1 - p))

The margin form keeps full relative precision of the loss and of the residual for
rows that are predicted well, where ``p - y`` would cancel. All three are written
with exp(-m), and with exp(-|m|), which takes longer, where that might overflow.

For K classes, with linear predictors eta_k and the largest of them, top, taken out,

    rest = sum of exp(eta_k - top) without the largest's own 1
    loss = log(1 + rest) + (top - eta_y)
    p_k  = exp(eta_k - top) / (1 + rest)

and 1 - p_k is rest / (1 + rest) for the largest: again nothing cancels where a row is
predicted well.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from dlogreg.evaluation import FloatArray

LEAST_MARGIN = {4: -80.0, 8: -700.0}
"""By bytes of the type: exp(-m) does not overflow above it."""


def loss_rows(margin: FloatArray) -> FloatArray:
    """Return log(1 + exp(-margin)) for every row, shape (n_rows,)."""
    if _may_overflow(margin):
        return _softplus(margin, np.exp(-np.abs(margin)))
    odds = np.negative(margin)
    return np.asarray(np.log1p(np.exp(odds, out=odds), out=odds))


def loss_residual_weight_rows(
    margin: FloatArray, curved: Sequence[int] | None = None
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return loss, sigma(-margin) and sigma(margin)*sigma(-margin) of every row.

    The residual p - y is ``-sign * sigma(-margin)``; the sign is left to the caller.
    ``curved``: of which lines of rows the last is wanted; None: of all.
    """
    if _may_overflow(margin):
        loss, miss, weight = _of_any_margins(margin)
        return loss, miss, weight if curved is None else weight[list(curved)]
    odds = np.negative(margin)
    np.exp(odds, out=odds)
    loss = np.log1p(odds)
    total = 1.0 + odds
    odds /= total
    if curved is None:
        return loss, odds, np.divide(odds, total, out=total)
    return loss, odds, odds[list(curved)] / total[list(curved)]


def loss_residual_rows(
    margin: FloatArray, first: int = 0
) -> tuple[FloatArray, FloatArray]:
    """Return the losses of lines of rows, and sigma(-margin) from line ``first`` on.

    ``margin``, shape (n_lines, n_rows), is used up.
    """
    if _may_overflow(margin):
        loss, miss, _ = _of_any_margins(margin)
        return loss, miss[first:]
    odds = np.negative(margin, out=margin)
    np.exp(odds, out=odds)
    loss, odds = np.log1p(odds), odds[first:]
    return loss, np.divide(odds, 1.0 + odds, out=odds)


def probability_weight_rows(eta: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return p and p (1 - p) of linear predictors, without overflow."""
    small = np.exp(-np.abs(eta))
    below = 1 / (1 + small)
    p = np.where(eta >= 0, below, small * below)
    return p, small * below * below


def inverse_rest_rows(eta: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return 1 / p and 1 - p of linear predictors, without overflow."""
    odds = np.exp(-np.maximum(eta, LEAST_MARGIN[eta.itemsize]))
    whole = 1 + odds
    return whole, odds / whole


def _may_overflow(margin: FloatArray) -> bool:
    """Tell whether exp(-margin) may overflow, or a margin is no number."""
    least = np.minimum.reduce(margin, axis=None, initial=0.0)
    return not least > LEAST_MARGIN[margin.itemsize]


def _of_any_margins(margin: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
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


def softmax_rows(
    eta: FloatArray, own: npt.NDArray[np.intp]
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return every row's loss, and p and 1 - p of every class, (n_classes, n_rows).

    Parameters
    ----------
    eta
        Linear predictors of all classes but the first, for which it is 0, shape
        (n_classes - 1, n_rows).
    own
        Position of every row's label among the classes, shape (n_rows,).
    """
    loss, p, rest, best, places = _shares(eta, own)
    total = 1.0 + rest
    complement = total - p
    complement[best, places] = rest
    p[best, places] = 1.0
    p /= total
    complement /= total
    return loss, p, complement


def softmax_loss_rows(eta: FloatArray, own: npt.NDArray[np.intp]) -> FloatArray:
    """Return logsumexp(eta) - eta_y for every row, shape (n_rows,)."""
    return _shares(eta, own)[0]


def _shares(
    eta: FloatArray, own: npt.NDArray[np.intp]
) -> tuple[
    FloatArray, FloatArray, FloatArray, npt.NDArray[np.intp], npt.NDArray[np.intp]
]:
    """Return loss, exp(eta - top), 0 for the largest, their sum, and the largest."""
    n_equations, n_rows = eta.shape
    places = np.arange(n_rows)
    full = np.zeros((n_equations + 1, n_rows))
    full[1:] = eta
    best = full.argmax(axis=0)
    full -= full[best, places]
    loss = -full[own, places]
    np.exp(full, out=full)
    full[best, places] = 0.0
    rest = full.sum(axis=0)
    loss += np.log1p(rest)
    return loss, full, rest, best, places
