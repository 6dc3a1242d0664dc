"""Ranges of the columns, and of the columns by label as far as they can separate.

Two labels are separated by a column if all values of one lie on one side of a value
and all of the other on the other side, touching it at most. Once values have been seen
that overlap, no further row can undo it, so the ranges by label need not be followed
any longer; for continuous columns that is after some hundred rows. They then count as
those of all labels together, which are no smaller.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from dlogreg.evaluation import FloatArray, Label

Masks = Sequence[tuple[Label, npt.NDArray[np.bool_]]]
Range = tuple[FloatArray, FloatArray]
FIRST_ROWS = 256
"""Rows after which most columns are known to overlap."""
FOLDED_ROWS = 64


@dataclass(frozen=True, slots=True, eq=False)
class Ranges:
    """Smallest and largest values, each of shape (n_features,).

    Those of long compressed rows may be in float32, where all values are.
    """

    low: FloatArray
    high: FloatArray
    by_label: Mapping[Label, Range]
    """Those of all labels together where values that overlap have been seen."""

    def __add__(self, other: Ranges) -> Ranges:
        """Return the ranges over the rows of both."""
        known, found = self.by_label, other.by_label
        by_label = {
            label: _union(known.get(label, (low, high)), (low, high))
            for label, (low, high) in {**known, **found}.items()
        }
        low, high = _union((self.low, self.high), (other.low, other.high))
        return Ranges(low, high, by_label)

    def absorb(self, other: Ranges) -> Ranges:
        """Return the ranges over the rows of both, in the memory that they have."""
        by_label = dict(self.by_label)
        for label, found in other.by_label.items():
            known = by_label.get(label)
            by_label[label] = found if known is None else _absorbed(known, found)
        low, high = _absorbed((self.low, self.high), (other.low, other.high))
        return Ranges(low, high, by_label)


class RangesInProgress:
    """Follows the ranges over the slabs of a leaf."""

    def __init__(self, n_features: int) -> None:
        self._whole = _nothing(n_features)
        self._by_label: dict[Label, Range] = {}
        self._open = np.arange(n_features)

    def add(
        self,
        X: npt.NDArray[np.generic],
        masks: Masks,
        whole: Range | None = None,
    ) -> None:
        """Add rows of X, of which the masks say the labels.

        ``whole`` is the smallest and the largest value of every column, where known.
        """
        self._whole = _union(self._whole, extremes(X) if whole is None else whole)
        known = all(label in self._by_label for label, _ in masks)
        if known and not self._open.size:
            return
        for part in (slice(0, FIRST_ROWS), slice(FIRST_ROWS, None)):
            for label, mask in masks:
                if label not in self._by_label:
                    self._by_label[label] = _nothing(len(self._whole[0]))
                if self._open.size and mask[part].any():
                    self._follow(label, X[part], mask[part])
            self._close_overlapping()

    def _follow(
        self,
        label: Label,
        X: npt.NDArray[np.generic],
        mask: npt.NDArray[np.bool_],
    ) -> None:
        low, high = self._by_label[label]
        columns = self._open
        inside = X[mask] if len(columns) == len(low) else X[np.ix_(mask, columns)]
        least, most = extremes(inside)
        low[columns] = np.minimum(low[columns], least)
        high[columns] = np.maximum(high[columns], most)

    def _close_overlapping(self) -> None:
        if len(self._by_label) != 2 or not self._open.size:
            return
        (low, high), (other_low, other_high) = self._by_label.values()
        overlap = (low < other_high) & (other_low < high)
        self._open = self._open[~overlap[self._open]]

    def finish(self) -> Ranges:
        """Return the ranges."""
        closed = ~np.isin(np.arange(len(self._whole[0])), self._open)
        for low, high in self._by_label.values():
            low[closed], high[closed] = (side[closed] for side in self._whole)
        return Ranges(*self._whole, self._by_label)


def _nothing(n_features: int) -> Range:
    return np.full(n_features, np.inf), np.full(n_features, -np.inf)


def _union(one: Range, other: Range) -> Range:
    return np.minimum(one[0], other[0]), np.maximum(one[1], other[1])


def _absorbed(one: Range, other: Range) -> Range:
    low, high = one
    if low.dtype != other[0].dtype:
        return _union(one, other)
    return np.minimum(low, other[0], out=low), np.maximum(high, other[1], out=high)


def extremes(X: npt.NDArray[np.generic]) -> Range:
    """Return the smallest and largest value of every column, as float64."""
    low, high = _fold(np.minimum, X), _fold(np.maximum, X)
    return low.astype(np.float64), high.astype(np.float64)


def _fold(extreme: np.ufunc, X: npt.NDArray[np.generic]) -> npt.NDArray[np.generic]:
    """Reduce over rows, groups of them against groups, along whole lines of memory.

    numpy's own reduction over rows of a hundred columns takes 3 to 10 times as long.
    """
    groups = len(X) // FOLDED_ROWS
    if groups < 2 or not X.flags.c_contiguous:
        return np.asarray(extreme.reduce(X, axis=0))
    inside = groups * FOLDED_ROWS
    lines = X[:inside].reshape(groups, -1)
    folded = extreme.reduce(lines, axis=0).reshape(FOLDED_ROWS, X.shape[1])
    rest = X[inside:]
    folded[: len(rest)] = extreme(folded[: len(rest)], rest)
    return np.asarray(extreme.reduce(folded, axis=0))
