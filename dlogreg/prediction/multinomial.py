"""Predictions of three or more classes, over rows of any kind."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from scipy.special import log_softmax, softmax

from dlogreg.evaluation import FloatArray, Label
from dlogreg.formula.recipe import Recipe
from dlogreg.prediction.blocks import predict_blocks
from dlogreg.prediction.rows import label_array, likeliest_rows
from dlogreg.source.frames import Array


@dataclass(frozen=True, slots=True, eq=False)
class MultinomialModel:
    """What predictions need of a fit of three or more classes."""

    intercept: FloatArray
    """Shape (n_classes,)."""
    slopes: FloatArray
    """Shape (n_features, n_classes); zero for columns that were dropped."""
    feature_names: tuple[str, ...]
    labels: Array
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
    ) -> MultinomialModel:
        """Take a line of coefficients per class, intercept first; NaN counts as 0."""
        filled = np.where(np.isnan(coefficients), 0.0, coefficients)
        first = int(fit_intercept)
        intercept = filled[:, :first].sum(axis=1)
        slopes = np.ascontiguousarray(filled[:, first:].T)
        return cls(intercept, slopes, feature_names, label_array(classes), recipe)

    def linear_predictor(self, X: Any) -> Any:
        """Return the linear predictors, shape (n_rows, n_classes)."""
        return predict_blocks(X, self, np.asarray, self._meta)

    def class_probability(self, X: Any) -> Any:
        """Return the probabilities of all classes, shape (n_rows, n_classes)."""
        return predict_blocks(X, self, partial(softmax, axis=1), self._meta)

    def class_log_probability(self, X: Any) -> Any:
        """Return their logarithms, finite where the probabilities round to 0."""
        return predict_blocks(X, self, partial(log_softmax, axis=1), self._meta)

    def label(self, X: Any) -> Any:
        """Return the most probable label of every row."""
        finish = partial(likeliest_rows, labels=self.labels)
        return predict_blocks(X, self, finish, self.labels[:0])

    @property
    def _meta(self) -> Array:
        return np.empty((0, len(self.labels)))
