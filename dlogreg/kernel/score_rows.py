"""Rows as their scores are counted: which of them wait for others, and how bins lie.

Adding sums by bin takes as long as counting as many rows as there are bins. So rows of
small parts of the data are only kept together, and counted once they are enough. Which
wait is a function of the tree along which parts are added, which is fixed, so that sums
are the same to the last bit wherever tasks run.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from dlogreg.evaluation import FloatArray
from dlogreg.kernel.binning import Binned, IntArray, summed_by_bin

BoolArray = npt.NDArray[np.bool_]

FINEST = 2.0**-32
"""Width of the finest bins, in eta."""
LARGEST = 1024.0
"""Scores beyond this, whose probabilities are 0 and 1 in float64, count as this."""
OFFSET = 2**43
WAITING = 3
"""Rows of a sum that wait at most, in capacities."""
SHORT = 2**12
"""Rows up to which parts are copied into one when they are put together."""
ROW_BYTES, BIN_BYTES = 25, 40
"""Of a row that waits, and of a bin."""
COUNTING_BYTES = 64
"""Of a row besides, while it is counted."""
N_LINES = 4
_ROUNDING = 1.5 * 2**52 * FINEST
"""A sum with it is a multiple of FINEST, whose last bits count them."""


@dataclass(frozen=True, slots=True, eq=False)
class ScoreRows:
    """Rows that are not counted yet; arrays have the shape (n_rows,)."""

    score: FloatArray
    """Linear predictors, none beyond ``LARGEST``."""
    event: BoolArray
    miss: FloatArray
    """Probability given to the class that was not observed."""
    weight: FloatArray | None = None

    @classmethod
    def of(
        cls,
        eta: FloatArray,
        event: BoolArray,
        weight: FloatArray | None,
        miss: FloatArray,
    ) -> ScoreRows:
        """Copy rows, whose arrays may be used again."""
        score = np.clip(eta, -LARGEST, LARGEST, dtype=np.float64)
        given = None if weight is None else weight.astype(np.float64)
        return cls(score, event.copy(), miss.astype(np.float64), given)

    @classmethod
    def joined(cls, parts: Sequence[ScoreRows]) -> ScoreRows:
        """Return the rows of all parts; either all have weights, or none has."""
        parts = [part for part in parts if len(part)]
        if not parts:
            return cls(np.empty(0), np.empty(0, dtype=np.bool_), np.empty(0))
        if len(parts) == 1:
            return parts[0]
        weights = [part.weight for part in parts if part.weight is not None]
        return cls(
            np.concatenate([part.score for part in parts]),
            np.concatenate([part.event for part in parts]),
            np.concatenate([part.miss for part in parts]),
            np.concatenate(weights) if weights else None,
        )

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.score)

    @property
    def level(self) -> int:
        """Bins of rows may be the finest."""
        return 0

    @property
    def p(self) -> FloatArray:
        """Probabilities of the event."""
        p = np.subtract(self.event, self.miss, dtype=np.float64)
        return np.abs(p, out=p)  # np.where takes far longer

    def ends(self, level: int) -> tuple[int, int]:
        """Return the bins of the lowest and of the highest score."""
        low, high = _bins(np.array([self.score.min(), self.score.max()]), level)
        return int(low), int(high)

    def keys(self, level: int) -> IntArray:
        """Return the bin of every row."""
        return _bins(self.score, level)

    def lines(self) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
        """Return s of the events, s of the others, s eta and s p, each by rows."""
        share, score, p = self.event.astype(np.float64), self.score, self.p
        others = 1.0 - share
        if self.weight is not None:
            share *= self.weight
            others *= self.weight
            p *= self.weight
            score = score * self.weight
        return share, others, score, p

    def totals(self) -> FloatArray:
        """Return sum s (p - y)^2, and the sums of s p and of s eta over the events."""
        share, missed = self.event.astype(np.float64), self.miss
        if self.weight is not None:
            share *= self.weight
            missed = self.miss * self.weight
        p = share.sum() - share @ self.miss  # of events, whose p is 1 - miss
        return np.array([missed @ self.miss, p, share @ self.score])


Held = tuple[ScoreRows, ...] | Binned
"""Rows that wait, or sums by bin."""


def added(left: Held, right: Held, capacity: int) -> Held:
    """Return the rows of both, or their sums if too many rows would wait."""
    if isinstance(left, tuple) and isinstance(right, tuple):
        n_rows = sum(map(len, left + right))
        if n_rows <= SHORT:
            return (ScoreRows.joined(left + right),)
        if n_rows <= WAITING * capacity:
            return left + right
    return counted((*_parts(left), *_parts(right)), capacity)


def counted(
    parts: Sequence[ScoreRows | Binned], capacity: int, level: int = 0
) -> Binned:
    """Return sums by bin: weight of events, of the others, of s eta, and of s p."""
    return summed_by_bin(parts, N_LINES, capacity, level)


def held_bytes(capacity: int, n_rows: int | None) -> int:
    """Return the bytes of the sums over some of so many rows, at most."""
    bins, rows = capacity, WAITING * capacity
    if n_rows is not None:
        bins, rows = min(bins, n_rows), min(rows, n_rows)
    return max(BIN_BYTES * bins, ROW_BYTES * rows)


def counting_bytes(capacity: int, n_rows: int | None) -> int:
    """Return the bytes that counting two such sums takes besides, at most."""
    rows = 2 * WAITING * capacity
    return COUNTING_BYTES * (rows if n_rows is None else min(rows, n_rows))


def _parts(held: Held) -> Sequence[ScoreRows | Binned]:
    return held if isinstance(held, tuple) else (held,)


def _bins(score: FloatArray, level: int) -> IntArray:
    """Return the numbers of the bins that hold these scores."""
    keys = (score + _ROUNDING).view(np.int64)
    keys += OFFSET - 1 - int(np.float64(_ROUNDING).view(np.int64))
    keys >>= level
    return keys
