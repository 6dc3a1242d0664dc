"""Predictions of several outcomes at once: every block of X is read once for all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from scipy.special import expit

from dlogreg.evaluation import FloatArray, Label
from dlogreg.prediction.blocks import predict_blocks
from dlogreg.prediction.rows import label_array, likeliest_rows, probability_rows
from dlogreg.source.frames import Array


def shares_of_rows(eta: FloatArray) -> FloatArray:
    """Return the probabilities of labels against the rest, divided by their sum."""
    p = np.asarray(expit(eta))
    total = p.sum(axis=1, keepdims=True)
    return np.asarray(np.divide(p, total, out=p, where=total != 0))


@dataclass(frozen=True, slots=True, eq=False)
class OutcomesModel:
    """What predictions need of the fits of several outcomes."""

    intercept: FloatArray
    """Shape (n_outcomes,)."""
    slopes: FloatArray
    """Shape (n_features, n_outcomes); zero for columns that were dropped."""
    feature_names: tuple[str, ...]
    labels: Array
    recipe: None = None
    """There are no formulas of several outcomes."""

    @classmethod
    def of(
        cls,
        coefficients: FloatArray,
        feature_names: tuple[str, ...],
        labels: Sequence[Label],
        *,
        fit_intercept: bool,
    ) -> OutcomesModel:
        """Take a line of coefficients per outcome, intercept first; NaN counts as 0."""
        filled = np.where(np.isnan(coefficients), 0.0, coefficients)
        first = int(fit_intercept)
        intercept = filled[:, :first].sum(axis=1)
        slopes = np.ascontiguousarray(filled[:, first:].T)
        return cls(intercept, slopes, feature_names, label_array(labels))

    def linear_predictor(self, X: Any, offset: Any = None) -> Any:
        """Return the linear predictors, shape (n_rows, n_outcomes)."""
        return predict_blocks(X, self, np.asarray, self._meta, offset)

    def probability(self, X: Any, offset: Any = None, *, shares: bool = False) -> Any:
        """Return the probabilities, by themselves or as shares of their sum."""
        finish = shares_of_rows if shares else probability_rows
        return predict_blocks(X, self, finish, self._meta, offset)

    def label(self, X: Any, offset: Any = None) -> Any:
        """Return the label of the largest linear predictor of every row."""
        finish = partial(likeliest_rows, labels=self.labels)
        return predict_blocks(X, self, finish, self.labels[:0], offset)

    @property
    def _meta(self) -> Array:
        return np.empty((0, len(self.labels)))
