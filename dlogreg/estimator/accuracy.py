"""The share of rows whose label is predicted right, in one pass over any source."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from dlogreg.evaluation import FloatArray
from dlogreg.kernel import Rows
from dlogreg.partition import partition_rows
from dlogreg.prediction import LogitModel, MultinomialModel
from dlogreg.reduction import (
    TASKS_PER_THREAD,
    Reduction,
    active_client,
    compute_shared,
    count_rows,
    n_threads,
)
from dlogreg.source import as_source
from dlogreg.survey import check_labels, check_weights


@dataclass(frozen=True, slots=True)
class Hits:
    """Weight of the rows that are predicted right, and of all rows."""

    right: float = 0.0
    total: float = 0.0

    def __add__(self, other: Hits) -> Hits:
        """Return the sums over the rows of both."""
        return Hits(self.right + other.right, self.total + other.total)


@dataclass(frozen=True, slots=True, eq=False)
class HitKernel:
    """Counts the rows that a model labels right."""

    model: LogitModel | MultinomialModel

    @property
    def name(self) -> str:
        """What the dashboard shows."""
        return "accuracy"

    def open(self) -> None:
        """Need no buffers."""

    def start(self) -> list[Hits]:
        """Return an empty sum."""
        return [Hits()]

    def add(self, sums: list[Hits], rows: Rows, buffers: None) -> None:
        """Add a block."""
        check_weights(rows)
        check_labels(rows)
        right = self.model.label(rows.X) == rows.y
        weight: FloatArray | None = rows.sample_weight
        if weight is None:
            sums[0] += Hits(float(right.sum()), float(len(rows)))
        else:
            sums[0] += Hits(float(weight[right].sum()), float(weight.sum()))

    def finish(self, sums: list[Hits]) -> Hits:
        """Return the sum."""
        return sums[0]


def accuracy(
    model: LogitModel | MultinomialModel, X: Any, y: Any, sample_weight: Any = None
) -> float:
    """Return the weighted share of rows of X whose label is predicted right.

    X, y and weights are of any kind that ``fit`` takes; X is read once.
    """
    source = as_source(
        X, y, sample_weight, compute=compute_shared, count_rows=count_rows
    )
    n_tasks = TASKS_PER_THREAD * n_threads()
    partitions = partition_rows(source, len(model.slopes), n_tasks)
    hits, _ = Reduction(
        partitions, inline=source.in_memory and active_client() is None
    ).sum(HitKernel(model))
    return float(hits.right / hits.total)
