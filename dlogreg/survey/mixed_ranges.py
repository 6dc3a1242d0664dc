"""Ranges of the columns of mixed rows: those of indicators are known by counting."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from dlogreg.evaluation import Label
from dlogreg.kernel import Mixed
from dlogreg.survey.ranges import Masks, Range, Ranges, RangesInProgress
from dlogreg.survey.sparse_ranges import Stored


class MixedRanges:
    """Follows the ranges over the slabs of a leaf, by label if that is needed."""

    def __init__(self, n_features: int, *, by_label: bool) -> None:
        self._n_features, self._by_label = n_features, by_label
        self._stored: dict[Label, Stored] = {}
        self._dense: RangesInProgress | None = None
        self._columns: npt.NDArray[np.intp] = np.empty(0, dtype=np.intp)

    def add(self, X: Mixed, masks: Masks) -> None:
        """Add rows of X, of which the masks say the labels."""
        if self._dense is None:
            self._dense = RangesInProgress(len(X.dense_columns))
            self._columns = X.dense_columns
        self._dense.add(X.dense, masks)
        for label, mask in masks:
            if label not in self._stored:
                self._stored[label] = Stored.nothing(self._n_features)
            self._follow(self._stored[label], X, mask)

    def _follow(self, own: Stored, X: Mixed, mask: npt.NDArray[Any]) -> None:
        if X.compressed is not None:
            c = X.compressed
            inside = c.by_value(mask)
            data = c.data[inside].astype(np.float64)
            own.add(c.indices[inside], data, 0)
        ones = X.counts(mask)
        seen = ones > 0
        own.low[seen], own.high[seen] = 1.0, 1.0
        own.counts += ones
        own.n_rows += int(mask.sum())

    def finish(self) -> Ranges:
        """Return the ranges; those by label are empty if they are not needed."""
        low, high = Stored.nothing(self._n_features).range()
        by_label: dict[Label, Range] = {}
        for label, own in self._stored.items():
            least, most = by_label[label] = own.range()
            low, high = np.minimum(low, least), np.maximum(high, most)
        if self._dense is not None:
            dense, columns = self._dense.finish(), self._columns
            low[columns], high[columns] = dense.low, dense.high
            for label, (least, most) in by_label.items():
                least[columns], most[columns] = dense.by_label[label]
        return Ranges(low, high, by_label if self._by_label else {})
