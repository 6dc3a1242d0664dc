"""What the measures of fit need of every row's score, as sums of fixed size that add.

The score of a row is its linear predictor eta. Rows are counted by bins of eta, the
finest of which are 2**-32 wide: scores that agree to that count as equal, so that
rounding does not part rows that are the same. Where more than ``capacity`` bins are
occupied, all of them are made twice as wide, and again, until they fit. So few distinct
scores are kept as they are, and every measure is exact; of many, the order of scores is
known but within bins.

The width is a function of the set of all scores alone: it is the smallest of which at
most ``capacity`` bins are occupied, and no part of the rows can need a larger one. So
it does not matter in which order, or in which blocks, the rows come.

Rows of small parts wait to be counted until enough of them are together, see
``kernel/score_rows.py``: whether they do is a function of the rows that are added, and
of how they are, not of the task that adds them.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from dlogreg.evaluation import FloatArray
from dlogreg.kernel.binning import Binned, IntArray
from dlogreg.kernel.score_rows import (
    FINEST,
    OFFSET,
    BoolArray,
    Held,
    ScoreRows,
    added,
    counted,
)
from dlogreg.loss import loss_residual_weight_rows

CAPACITY = 2**14
"""Most bins: 640 KiB of sums, and about 1/1000 of a standard deviation of normal
scores."""
BATCHES = 4
"""Rows of a leaf that are counted together, in capacities."""


@dataclass(slots=True, eq=False)
class ScoreSums:
    """Sums over rows by bins of their score; adding gives those of both sets of rows.

    A bin of width ``FINEST * 2**level`` reaches up to and includes its upper border;
    0 is such a border at every level. Frequency weights count as repeated rows.
    """

    held: Held
    """Few rows as they are, until somebody asks for their bins, or sums by bin."""
    n_rows: int = 0
    """Rows of positive weight."""
    loss: float = 0.0
    """Sum of s log(1 + exp(-margin))."""
    squared_error: float = 0.0
    """Sum of s (p - y)^2."""
    event_probability: float = 0.0
    """Sum of s p over the events."""
    event_score: float = 0.0
    """Sum of s eta over the events."""
    capacity: int = CAPACITY

    @classmethod
    def of(
        cls,
        eta: FloatArray,
        event: BoolArray,
        weight: FloatArray | None = None,
        capacity: int = CAPACITY,
        level: int = 0,
    ) -> ScoreSums:
        """Sum over rows, all of them at once.

        Parameters
        ----------
        eta : array, shape (n_rows,)
            Linear predictors, finite.
        event : bool array, shape (n_rows,)
            Whether the row is an event.
        weight : array, shape (n_rows,), optional
            Frequency weights; a row of weight 0 is left out.
        capacity : int
            Most bins.
        level : int
            Least width of bins, if these rows will be added to sums of that level.
        """
        eta, event, weight = _positive(eta, event, weight)
        loss, miss = _loss_and_miss(eta, event, weight)
        rows = ScoreRows.of(eta, event, weight, miss)
        error, p, score = rows.totals().tolist()
        held = counted((rows,), capacity, level)
        return cls(held, len(rows), loss, error, p, score, capacity)

    def __add__(self, other: ScoreSums) -> ScoreSums:
        """Return the sums over the rows of both."""
        capacity = min(self.capacity, other.capacity)
        return ScoreSums(
            added(self.held, other.held, capacity),
            self.n_rows + other.n_rows,
            self.loss + other.loss,
            self.squared_error + other.squared_error,
            self.event_probability + other.event_probability,
            self.event_score + other.event_score,
            capacity,
        )

    def counted(self) -> ScoreSums:
        """Return these sums, which from now on hold bins instead of rows."""
        self._binned()
        return self

    def _binned(self) -> Binned:
        held = self.held
        if isinstance(held, tuple):
            self.held = held = counted(held, self.capacity)
        return held

    @property
    def bins(self) -> IntArray:
        """Numbers of the occupied bins, ascending, shape (n_bins,)."""
        return self._binned().bins

    @property
    def sums(self) -> FloatArray:
        """Weight of events, of the others, sum of s eta and of s p; (4, n_bins)."""
        return self._binned().sums

    @property
    def level(self) -> int:
        """How often bins have been doubled."""
        return self._binned().level

    @property
    def exact(self) -> bool:
        """Whether every bin holds one score."""
        return self.level == 0

    @property
    def events(self) -> FloatArray:
        """Weight of the events in every bin."""
        return np.asarray(self.sums[0])

    @property
    def others(self) -> FloatArray:
        """Weight of the other rows in every bin."""
        return np.asarray(self.sums[1])

    @property
    def weights(self) -> FloatArray:
        """Weight of all rows in every bin."""
        return np.asarray(self.sums[0] + self.sums[1])

    @property
    def scores(self) -> FloatArray:
        """Mean score of the rows in every bin."""
        return np.asarray(self.sums[2] / self.weights)

    @property
    def probabilities(self) -> FloatArray:
        """Sum of s p in every bin: the events that the model expects there."""
        return np.asarray(self.sums[3])

    @property
    def upper(self) -> FloatArray:
        """Upper border of every bin, in eta."""
        return self._border(self.bins + 1)

    @property
    def lower(self) -> FloatArray:
        """Lower border of every bin, in eta."""
        return self._border(self.bins)

    def _border(self, bins: IntArray) -> FloatArray:
        return np.asarray(((bins << self.level) - OFFSET + 0.5) * FINEST)


@dataclass(slots=True, eq=False)
class ScoreCollector:
    """Collects the rows of one leaf and sums them in batches."""

    capacity: int = CAPACITY
    _held: Held = ()
    _waiting: list[ScoreRows] = field(default_factory=list)
    _n_waiting: int = 0
    _n_rows: int = 0
    _loss: float = 0.0
    _totals: FloatArray = field(default_factory=lambda: np.zeros(3))

    def add(
        self, eta: FloatArray, event: BoolArray, weight: FloatArray | None = None
    ) -> None:
        """Take rows; the arrays may be used again."""
        eta, event, weight = _positive(eta, event, weight)
        batch = BATCHES * self.capacity
        for low in range(0, len(eta), batch):
            cut = slice(low, low + batch)
            part = None if weight is None else weight[cut]
            loss, miss = _loss_and_miss(eta[cut], event[cut], part)
            self.add_scored(eta[cut], event[cut], part, loss, miss)

    def add_scored(
        self,
        eta: FloatArray,
        event: BoolArray,
        weight: FloatArray | None,
        loss: float,
        miss: FloatArray,
    ) -> None:
        """Take rows whose losses are known.

        Parameters
        ----------
        eta, event, weight : array, shape (n_rows,)
            As in ``ScoreSums.of``; no weight may be 0.
        loss : float
            Sum of s times the losses of the rows.
        miss : array, shape (n_rows,)
            Probability given to the class that was not observed.
        """
        self._waiting.append(ScoreRows.of(eta, event, weight, miss))
        self._n_waiting += len(eta)
        self._loss += loss
        if self._n_waiting >= BATCHES * self.capacity:
            self._add_waiting()

    def sums(self) -> ScoreSums:
        """Return the sums over all rows taken."""
        self._add_waiting()
        error, p, score = self._totals.tolist()
        totals = self._n_rows, self._loss, error, p, score
        return ScoreSums(self._held, *totals, self.capacity)

    def _add_waiting(self) -> None:
        rows = ScoreRows.joined(self._waiting)
        self._held = added(self._held, (rows,), self.capacity)
        self._totals = self._totals + rows.totals()
        self._n_rows += len(rows)
        self._waiting, self._n_waiting = [], 0


def _positive(
    eta: FloatArray, event: BoolArray, weight: FloatArray | None
) -> tuple[FloatArray, BoolArray, FloatArray | None]:
    """Leave out rows of weight 0."""
    if weight is None or np.all(weight > 0):
        return eta, event, weight
    kept = weight > 0
    return eta[kept], event[kept], weight[kept]


def _loss_and_miss(
    eta: FloatArray, event: BoolArray, weight: FloatArray | None
) -> tuple[float, FloatArray]:
    sign = 2.0 * event - 1.0  # a choice by rows would take longer
    loss, miss, _ = loss_residual_weight_rows(sign * eta)
    return float(loss.sum() if weight is None else loss @ weight), miss
