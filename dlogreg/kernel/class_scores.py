"""What the measures of three or more classes need of every row, as sums that add."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from dlogreg.evaluation import FloatArray
from dlogreg.kernel.score_rows import LARGEST
from dlogreg.kernel.scores import CAPACITY, ScoreCollector, ScoreSums
from dlogreg.loss import loss_rows, softmax_rows

LEAST_CAPACITY = 2**9


def capacity_for(n_classes: int) -> int:
    """Return the bins of every class, so that all together hold no more than two do."""
    return max(LEAST_CAPACITY, CAPACITY >> (n_classes - 1).bit_length())


@dataclass(frozen=True, slots=True, eq=False)
class ClassScores:
    """Sums over rows; adding gives those of both sets of rows."""

    by_class: tuple[ScoreSums, ...]
    """Log-odds of every class against all others."""
    confusion: FloatArray
    """Weight of rows by observed and by most probable class, (n_classes, n_classes)."""
    loss: float
    """Sum of s times -log of the probability of the observed class."""
    squared_error: float
    """Sum of s sum_k (p_k - 1{y = k})^2."""

    def __add__(self, other: ClassScores) -> ClassScores:
        """Return the sums over the rows of both."""
        pairs = zip(self.by_class, other.by_class, strict=True)
        return ClassScores(
            tuple(a + b for a, b in pairs),
            self.confusion + other.confusion,
            self.loss + other.loss,
            self.squared_error + other.squared_error,
        )


@dataclass(slots=True, eq=False)
class ClassScoreCollector:
    """Collects the rows of one leaf."""

    n_classes: int
    _collectors: list[ScoreCollector] = field(init=False)
    _confusion: FloatArray = field(init=False)
    _loss: float = 0.0
    _squared_error: float = 0.0

    def __post_init__(self) -> None:
        """Begin with nothing."""
        n, capacity = self.n_classes, capacity_for(self.n_classes)
        self._collectors = [ScoreCollector(capacity) for _ in range(n)]
        self._confusion = np.zeros((n, n))

    def add(
        self,
        eta: FloatArray,
        own: npt.NDArray[np.intp],
        weight: FloatArray | None,
    ) -> None:
        """Take rows of positive weight.

        Parameters
        ----------
        eta : array, shape (n_rows, n_classes)
            Linear predictors of all classes, finite.
        own : array, shape (n_rows,)
            Position of every row's label among the classes.
        """
        ones = np.ones(len(eta)) if weight is None else weight
        loss, p, complement = softmax_rows((eta[:, 1:] - eta[:, :1]).T, own)
        pairs = own * self.n_classes + p.argmax(axis=0)
        counts = np.bincount(pairs, ones, self.n_classes**2)
        self._confusion += counts.reshape(self._confusion.shape)
        self._loss += float(ones @ loss)
        with np.errstate(divide="ignore"):
            log_odds = np.clip(np.log(p) - np.log(complement), -LARGEST, LARGEST)
        for k, collector in enumerate(self._collectors):
            event = own == k
            miss = np.where(event, complement[k], p[k])
            self._squared_error += float(ones @ (miss * miss))
            apart = loss_rows(np.where(event, log_odds[k], -log_odds[k]))
            collector.add_scored(log_odds[k], event, weight, float(ones @ apart), miss)

    def sums(self) -> ClassScores:
        """Return the sums over all rows taken."""
        return ClassScores(
            tuple(collector.sums() for collector in self._collectors),
            self._confusion,
            self._loss,
            self._squared_error,
        )
