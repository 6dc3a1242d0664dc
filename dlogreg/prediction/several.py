"""Predictions by several columns of coefficients, from one read of the rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Self

import numpy as np

from dlogreg.evaluation import FloatArray, Label
from dlogreg.formula.recipe import Recipe
from dlogreg.prediction.blocks import predict_blocks
from dlogreg.prediction.rows import label_array, likeliest_rows
from dlogreg.source.frames import Array


@dataclass(frozen=True, slots=True, eq=False)
class SeveralColumns:
    """Coefficients of every label, of which each has a linear predictor of its own."""

    intercept: FloatArray
    """Shape (n_labels,)."""
    slopes: FloatArray
    """Shape (n_features, n_labels); zero for columns that were dropped."""
    feature_names: tuple[str, ...]
    labels: Array
    recipe: Recipe | None = None
    """How rows of a raw table become rows of X."""

    @classmethod
    def of(
        cls,
        coefficients: FloatArray,
        feature_names: tuple[str, ...],
        labels: Sequence[Label],
        *,
        fit_intercept: bool,
        recipe: Recipe | None = None,
    ) -> Self:
        """Take a line of coefficients per label, intercept first; NaN counts as 0."""
        filled = np.where(np.isnan(coefficients), 0.0, coefficients)
        first = int(fit_intercept)
        intercept = filled[:, :first].sum(axis=1)
        slopes = np.ascontiguousarray(filled[:, first:].T)
        return cls(intercept, slopes, feature_names, label_array(labels), recipe)

    def linear_predictor(self, X: Any, offset: Any = None) -> Any:
        """Return the linear predictors, shape (n_rows, n_labels)."""
        return predict_blocks(X, self, np.asarray, self._meta, offset)

    def label(self, X: Any, offset: Any = None) -> Any:
        """Return the label of the largest linear predictor of every row."""
        finish = partial(likeliest_rows, labels=self.labels)
        return predict_blocks(X, self, finish, self.labels[:0], offset)

    @property
    def _meta(self) -> Array:
        return np.empty((0, len(self.labels)))
