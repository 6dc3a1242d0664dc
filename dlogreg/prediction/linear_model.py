"""What every model that predicts has."""

from __future__ import annotations

from typing import Protocol

from dlogreg.evaluation import FloatArray
from dlogreg.formula.recipe import Recipe


class LinearModel(Protocol):
    """Coefficients, with one column of slopes or one for every class."""

    @property
    def intercept(self) -> float | FloatArray:
        """One number, or one for every class."""
        ...

    @property
    def slopes(self) -> FloatArray:
        """Shape (n_features,) or (n_features, n_classes)."""
        ...

    @property
    def feature_names(self) -> tuple[str, ...]:
        """Names of the columns; empty where they go by position."""
        ...

    @property
    def recipe(self) -> Recipe | None:
        """How rows of a raw table become rows of X."""
        ...
