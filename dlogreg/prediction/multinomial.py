"""Predictions of three or more classes, over rows of any kind."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

from scipy.special import log_softmax, softmax

from dlogreg.prediction.blocks import predict_blocks
from dlogreg.prediction.several import SeveralColumns


@dataclass(frozen=True, slots=True, eq=False)
class MultinomialModel(SeveralColumns):
    """What predictions need of a fit of three or more classes."""

    def class_probability(self, X: Any) -> Any:
        """Return the probabilities of all classes, shape (n_rows, n_classes)."""
        return predict_blocks(X, self, partial(softmax, axis=1), self._meta)

    def class_log_probability(self, X: Any) -> Any:
        """Return their logarithms, finite where the probabilities round to 0."""
        return predict_blocks(X, self, partial(log_softmax, axis=1), self._meta)
