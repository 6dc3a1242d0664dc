"""Predictions of several outcomes at once: every block of X is read once for all."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import expit

from dlogreg.evaluation import FloatArray
from dlogreg.prediction.blocks import predict_blocks
from dlogreg.prediction.rows import probability_rows
from dlogreg.prediction.several import SeveralColumns


def shares_of_rows(eta: FloatArray) -> FloatArray:
    """Return the probabilities of labels against the rest, divided by their sum."""
    p = np.asarray(expit(eta))
    total = p.sum(axis=1, keepdims=True)
    return np.asarray(np.divide(p, total, out=p, where=total != 0))


@dataclass(frozen=True, slots=True, eq=False)
class OutcomesModel(SeveralColumns):
    """What predictions need of the fits of several outcomes."""

    def probability(self, X: Any, offset: Any = None, *, shares: bool = False) -> Any:
        """Return the probabilities, by themselves or as shares of their sum."""
        finish = shares_of_rows if shares else probability_rows
        return predict_blocks(X, self, finish, self._meta, offset)
