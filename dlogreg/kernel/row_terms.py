"""What a model says of every row, and its sum over the rows of a slab."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from dlogreg.evaluation import FloatArray
from dlogreg.loss import loss_residual_weight_rows


@dataclass(frozen=True, slots=True, eq=False)
class RowTerms:
    """Arrays of shape (n_rows,), and the loss of all rows.

    With the weight s, the outcome y = 1 for events, and the probability p:
    """

    loss: float
    """sum s log(1 + exp(-margin))."""
    eta: FloatArray
    """Linear predictor with the offset."""
    miss: FloatArray
    """Probability given to the class that was not observed, abs(p - y)."""
    residual: FloatArray
    """s (p - y)."""
    curvature: FloatArray
    """s p (1 - p)."""


def row_terms(
    eta: FloatArray, event: npt.NDArray[np.bool_], weight: FloatArray | None
) -> RowTerms:
    """Return the terms of rows with these linear predictors, events and weights."""
    sign = 2.0 * event - 1.0  # a choice by rows would take longer
    sign = sign.astype(eta.dtype, copy=False)
    loss, miss, curvature = loss_residual_weight_rows(sign * eta)
    total = total_loss(loss, weight)
    residual = sign * miss
    np.negative(residual, out=residual)
    if weight is not None:
        residual *= weight
        curvature *= weight
    return RowTerms(total, eta, miss, residual, curvature)


def total_loss(loss: FloatArray, weight: FloatArray | None) -> float:
    """Return the sum of the losses of rows, times their weights."""
    return float(loss.sum(dtype=float) if weight is None else loss @ weight)
