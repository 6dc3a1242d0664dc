"""Predictions of two classes, over rows of any kind."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from numbers import Real
from typing import Any

import numpy as np
from scipy.special import logit

from dlogreg.evaluation import FloatArray, Label
from dlogreg.formula.recipe import Recipe
from dlogreg.prediction.blocks import predict_blocks
from dlogreg.prediction.rows import (
    class_log_probability_rows,
    class_probability_rows,
    label_array,
    label_rows,
    probability_rows,
)
from dlogreg.source.frames import Array


@dataclass(frozen=True, slots=True, eq=False)
class LogitModel:
    """What predictions need of a fit: coefficients, names of columns, and labels."""

    intercept: float
    slopes: FloatArray
    """Shape (n_features,); zero for columns that were dropped as aliased."""
    feature_names: tuple[str, ...]
    labels: Array
    """The other label and the event."""
    recipe: Recipe | None = None
    """How rows of a raw table become rows of X."""

    @classmethod
    def of(
        cls,
        coefficients: FloatArray,
        feature_names: tuple[str, ...],
        classes: Sequence[Label],
        *,
        fit_intercept: bool,
        recipe: Recipe | None = None,
    ) -> LogitModel:
        """Take coefficients, intercept first; NaN (a dropped column) counts as 0."""
        filled = np.where(np.isnan(coefficients), 0.0, coefficients)
        first = int(fit_intercept)
        intercept = float(filled[:first].sum())
        slopes, labels = filled[first:], label_array(classes)
        return cls(intercept, slopes, feature_names, labels, recipe)

    def linear_predictor(self, X: Any, offset: Any = None) -> Any:
        """Return offset + intercept + X @ slopes, shape (n_rows,)."""
        return predict_blocks(X, self, np.asarray, np.empty(0), offset)

    def probability(self, X: Any, offset: Any = None) -> Any:
        """Return the probability of the event, shape (n_rows,)."""
        return predict_blocks(X, self, probability_rows, np.empty(0), offset)

    def class_probability(self, X: Any) -> Any:
        """Return the probabilities of both classes, shape (n_rows, 2)."""
        return predict_blocks(X, self, class_probability_rows, np.empty((0, 2)))

    def class_log_probability(self, X: Any) -> Any:
        """Return their logarithms, shape (n_rows, 2)."""
        return predict_blocks(X, self, class_log_probability_rows, np.empty((0, 2)))

    def label(self, X: Any, threshold: float = 0.5, offset: Any = None) -> Any:
        """Return the event where its probability is above the threshold."""
        given: Any = threshold
        if not (isinstance(given, Real) and 0 <= threshold <= 1):
            raise ValueError(f"threshold must lie between 0 and 1, not {threshold!r}")
        finish = partial(label_rows, cut=float(logit(threshold)), labels=self.labels)
        return predict_blocks(X, self, finish, self.labels[:0], offset)
