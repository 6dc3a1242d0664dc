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
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from dlogreg.evaluation import FloatArray
from dlogreg.kernel.binning import summed_by_bin
from dlogreg.loss import loss_residual_weight_rows

IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

CAPACITY = 2**14
"""Most bins: 640 KiB of sums, and about 1/1000 of a standard deviation of normal
scores."""
FINEST = 2.0**-32
"""Width of the finest bins, in eta."""
LARGEST = 1024.0
"""Scores beyond this, whose probabilities are 0 and 1 in float64, count as this."""
OFFSET = 2**43
BATCHES = 4
"""Rows that are sorted or counted together, in capacities."""


@dataclass(frozen=True, slots=True, eq=False)
class ScoreSums:
    """Sums over rows by bins of their score; adding gives those of both sets of rows.

    A bin of width ``FINEST * 2**level`` reaches up to and includes its upper border;
    0 is such a border at every level. Frequency weights count as repeated rows.
    """

    bins: IntArray
    """Numbers of the occupied bins, ascending, shape (n_bins,)."""
    sums: FloatArray
    """Weight of events, of the others, sum of s eta and of s p; shape (4, n_bins)."""
    level: int = 0
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
        """Sum over rows.

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
        sums = _sums_of(eta, event, weight, miss, capacity, level)
        return replace(sums, loss=loss)

    def __add__(self, other: ScoreSums) -> ScoreSums:
        """Return the sums over the rows of both."""
        level = max(self.level, other.level)
        keys = [part.bins >> (level - part.level) for part in (self, other)]
        sums = np.concatenate([self.sums, other.sums], axis=1)
        capacity = min(self.capacity, other.capacity)
        level, bins, sums = summed_by_bin(
            np.concatenate(keys), list(sums), level, capacity
        )
        return ScoreSums(
            bins,
            sums,
            level,
            self.n_rows + other.n_rows,
            self.loss + other.loss,
            self.squared_error + other.squared_error,
            self.event_probability + other.event_probability,
            self.event_score + other.event_score,
            capacity,
        )

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
    _total: ScoreSums | None = None
    _waiting: list[_Scored] = field(default_factory=list)
    _n_waiting: int = 0
    _loss: float = 0.0

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
        given = None if weight is None else weight.copy()
        self._waiting.append((eta.copy(), event.copy(), given, miss.copy()))
        self._n_waiting += len(eta)
        self._loss += loss
        if self._n_waiting >= BATCHES * self.capacity:
            self._fold()

    def sums(self) -> ScoreSums:
        """Return the sums over all rows taken."""
        if self._waiting or self._total is None:
            self._fold()
        assert self._total is not None
        return replace(self._total, loss=self._loss)

    def _fold(self) -> None:
        eta, event, weight, miss = _joined(self._waiting)
        total = self._total
        level = 0 if total is None else total.level
        found = _sums_of(eta, event, weight, miss, self.capacity, level)
        self._total = found if total is None else total + found
        self._waiting, self._n_waiting = [], 0


_Scored = tuple[FloatArray, BoolArray, FloatArray | None, FloatArray]
"""Scores, events, weights and misses of some rows."""


def _joined(parts: list[_Scored]) -> _Scored:
    if not parts:
        return np.empty(0), np.empty(0, dtype=bool), None, np.empty(0)
    etas, events, weights, misses = zip(*parts, strict=True)
    given = [weight for weight in weights if weight is not None]
    return (
        np.concatenate(etas),
        np.concatenate(events),
        np.concatenate(given) if given else None,
        np.concatenate(misses),
    )


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
    loss, miss, _ = loss_residual_weight_rows(np.where(event, eta, -eta))
    return float(loss.sum() if weight is None else loss @ weight), miss


def _sums_of(
    eta: FloatArray,
    event: BoolArray,
    weight: FloatArray | None,
    miss: FloatArray,
    capacity: int,
    level: int,
) -> ScoreSums:
    """Return the sums over rows but for their losses."""
    ones = np.ones(len(eta)) if weight is None else weight
    score = np.clip(eta, -LARGEST, LARGEST)
    share = np.where(event, ones, 0.0)
    p = np.where(event, 1.0 - miss, miss)
    keys = np.rint(score * (1 / FINEST)).astype(np.int64)
    keys += OFFSET - 1
    keys >>= level
    rows = (share, ones - share, ones * score, ones * p)
    level, bins, sums = summed_by_bin(keys, rows, level, capacity)
    return ScoreSums(
        bins,
        sums,
        level,
        len(eta),
        squared_error=float(ones @ (miss * miss)),
        event_probability=float(share @ p),
        event_score=float(share @ score),
        capacity=capacity,
    )
