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

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from dlogreg.evaluation import FloatArray
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
BATCH = 2**16
"""Rows that are sorted or counted together."""
SPANS = 4
"""Bins from the lowest to the highest, in capacities, up to which rows are counted
without sorting."""


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
        if weight is not None and not np.all(weight > 0):
            kept = weight > 0
            eta, event, weight = eta[kept], event[kept], weight[kept]
        ones = np.ones(len(eta)) if weight is None else weight
        margin = np.where(event, eta, -eta)
        loss, miss, _ = loss_residual_weight_rows(margin)
        score = np.clip(eta, -LARGEST, LARGEST)
        share = np.where(event, ones, 0.0)
        p = np.where(event, 1.0 - miss, miss)
        rows = np.stack([share, ones - share, ones * score, ones * p])
        level, bins, sums = _binned(score, rows, level, capacity)
        return cls(
            bins,
            sums,
            level,
            len(eta),
            float(ones @ loss),
            float(ones @ (miss * miss)),
            float(share @ p),
            float(share @ score),
            capacity,
        )

    def __add__(self, other: ScoreSums) -> ScoreSums:
        """Return the sums over the rows of both."""
        level = max(self.level, other.level)
        bins = np.concatenate(
            [part.bins >> (level - part.level) for part in (self, other)]
        )
        order = np.argsort(bins, kind="stable")
        sums = np.concatenate([self.sums, other.sums], axis=1).take(order, axis=1)
        capacity = min(self.capacity, other.capacity)
        level, bins, sums = _grouped(bins[order], sums, level, capacity)
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


def _binned(
    score: FloatArray, rows: FloatArray, level: int, capacity: int
) -> tuple[int, IntArray, FloatArray]:
    """Add up rows by bins of their score, each at least of this level."""
    keys = np.rint(score * (1 / FINEST)).astype(np.int64)
    keys += OFFSET - 1
    keys >>= level
    base = keys.min(initial=2 * OFFSET)
    span = keys.max(initial=base) - base + 1
    if level == 0 or span > SPANS * capacity:
        order = np.argsort(keys)
        return _grouped(keys[order], rows.take(order, axis=1), level, capacity)
    keys -= base  # counting needs no sorting
    occupied = np.flatnonzero(np.bincount(keys, minlength=1)).astype(np.int64)
    sums: FloatArray = np.stack([np.bincount(keys, line)[occupied] for line in rows])
    return _grouped(occupied + base, sums, level, capacity)


def _grouped(
    keys: IntArray, sums: FloatArray, level: int, capacity: int
) -> tuple[int, IntArray, FloatArray]:
    """Add up equal keys, after making bins as wide as the capacity asks for."""
    if not len(keys):
        return level, keys, sums
    wider = _widening(keys, capacity)
    bins = keys >> wider
    starts = np.flatnonzero(np.diff(bins, prepend=bins[0] - 1))
    return level + wider, bins[starts], np.add.reduceat(sums, starts, axis=1)


def _widening(keys: IntArray, capacity: int) -> int:
    """Return how often bins must be doubled until at most ``capacity`` are occupied.

    Neighbours part at a doubling as long as the highest bit in which they differ is
    above it, so one look at the sorted keys counts the bins at every width.
    """
    differing = (keys[1:] ^ keys[:-1]).astype(np.float64)
    highest = np.bincount(np.frexp(differing)[1], minlength=1)
    occupied = 1 + highest[::-1].cumsum()[::-1]  # and those that agree, at place 0
    fitting = np.flatnonzero(np.append(occupied[1:], 1) <= capacity)
    return int(fitting[0])


@dataclass(slots=True, eq=False)
class ScoreCollector:
    """Collects the rows of one leaf and sums them in batches."""

    capacity: int = CAPACITY
    _total: ScoreSums | None = None
    _rows: list[tuple[FloatArray, BoolArray, FloatArray | None]] = field(
        default_factory=list
    )
    _n_rows: int = 0

    def add(
        self, eta: FloatArray, event: BoolArray, weight: FloatArray | None = None
    ) -> None:
        """Take rows; the arrays are copied, so that buffers can be used again."""
        for low in range(0, len(eta), BATCH):
            cut = slice(low, low + BATCH)
            part = None if weight is None else weight[cut].copy()
            self._rows.append((eta[cut].copy(), event[cut].copy(), part))
            self._n_rows += len(self._rows[-1][0])
            if self._n_rows >= BATCH:
                self._fold()

    def sums(self) -> ScoreSums:
        """Return the sums over all rows taken."""
        if self._rows or self._total is None:
            self._fold()
        assert self._total is not None
        return self._total

    def _fold(self) -> None:
        etas, events, weights = zip(*self._rows, strict=True) if self._rows else _NONE
        given = [part for part in weights if part is not None]
        found = ScoreSums.of(
            np.concatenate(etas),
            np.concatenate(events),
            np.concatenate(given) if given else None,
            self.capacity,
            0 if self._total is None else self._total.level,
        )
        self._total = found if self._total is None else self._total + found
        self._rows, self._n_rows = [], 0


_NONE = ((np.empty(0),), (np.empty(0, dtype=bool),), (None,))
