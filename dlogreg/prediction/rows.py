"""What is predicted from one block of rows: plain numpy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import expit, log_expit

from dlogreg.errors import DataError
from dlogreg.evaluation import FloatArray, Label
from dlogreg.kernel import CSR, Mixed, slab_rows
from dlogreg.source.frames import Array, frame_to_numpy


def linear_predictor_rows(X: Any, slopes: FloatArray) -> FloatArray:
    """Return ``X @ slopes`` of a numpy or pandas block, CSR or mixed rows, in float64.

    The shape is (n_rows,), or (n_rows, n_classes) if there is a column of slopes per
    class. It goes slab by slab, so that narrower types are never widened as a whole.
    """
    if isinstance(X, CSR):
        with np.errstate(invalid="ignore", over="ignore"):
            return np.asarray(X.matrix @ slopes, dtype=np.float64)
    if isinstance(X, Mixed):
        with np.errstate(invalid="ignore", over="ignore"):
            return X.times(slopes)
    eta = np.empty((len(X), *slopes.shape[1:]))
    length = slab_rows(max(1, slopes.size))
    for low in range(0, len(X), length):
        cut = slice(low, low + length)
        slab = frame_to_numpy(X.iloc[cut]) if hasattr(X, "iloc") else X[cut]
        with np.errstate(invalid="ignore", over="ignore"):
            np.matmul(slab.astype(np.float64, copy=False), slopes, out=eta[cut])
    return eta


def probability_rows(eta: FloatArray) -> FloatArray:
    """Return the probability of the event for every linear predictor."""
    return np.asarray(expit(eta))


def class_probability_rows(eta: FloatArray) -> FloatArray:
    """Return the probabilities of both classes, shape (n_rows, 2).

    Each is computed by itself, so that small ones keep all their digits.
    """
    return np.column_stack([expit(-eta), expit(eta)])


def class_log_probability_rows(eta: FloatArray) -> FloatArray:
    """Return their logarithms, finite where the probabilities round to 0."""
    return np.column_stack([log_expit(-eta), log_expit(eta)])


def label_rows(eta: FloatArray, cut: float, labels: Array) -> Array:
    """Return the second label where the linear predictor is above the cut."""
    refuse_missing(np.flatnonzero(np.isnan(eta)))
    return labels[(eta > cut).astype(np.intp)]


def likeliest_rows(eta: FloatArray, labels: Array) -> Array:
    """Return the label of the largest linear predictor of every row."""
    refuse_missing(np.flatnonzero(np.isnan(eta).any(axis=1)))
    likeliest: Array = labels[eta.argmax(axis=1)]
    return likeliest


def refuse_missing(rows: npt.NDArray[np.intp]) -> None:
    """Refuse to label rows without a linear predictor."""
    if len(rows):
        raise DataError(
            f"row {rows[0]} of a block of X (the first of {len(rows)} such rows) "
            "has no label, because it holds NaN; remove or fill such rows"
        )


def label_array(classes: Sequence[Label]) -> Array:
    """Return labels as an array of their own type; of objects if kinds are mixed."""
    array = np.array(classes)
    if array.tolist() == list(classes):
        return array
    return np.array([*classes, None], dtype=object)[:-1]
