"""Ranges of the columns of compressed rows, in which zeros are not stored.

Only stored values are looked at; where a column has fewer of them than there are rows,
zero is among its values. Nothing is as long as all columns for every slab.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from dlogreg import long_vectors
from dlogreg.evaluation import FloatArray, Label
from dlogreg.kernel import CSR
from dlogreg.survey.ranges import Masks, Range, Ranges


@dataclass(slots=True, eq=False)
class Stored:
    """The ranges of some columns: what is known of the stored values of some rows."""

    low: FloatArray
    """If it began in float32, so as long as no value is of a longer type."""
    high: FloatArray
    counts: npt.NDArray[np.int32]
    n_rows: int = 0

    @classmethod
    def nothing(cls, n_features: int, dtype: str = "f8") -> Stored:
        """Return that of no rows."""
        low, high, counts = (
            long_vectors.zeros(n_features, kind) for kind in (dtype, dtype, "i4")
        )
        low.fill(np.inf)
        high.fill(-np.inf)
        return cls(low, high, counts)

    def add(
        self, indices: npt.NDArray[Any], data: npt.NDArray[Any], n_rows: int
    ) -> None:
        """Add the stored values of some rows, of these columns."""
        if np.result_type(data, self.low) != self.low.dtype:
            self.low, self.high = self.low.astype("f8"), self.high.astype("f8")
        data = data.astype(self.low.dtype, copy=False)
        np.minimum.at(self.low, indices, data)
        np.maximum.at(self.high, indices, data)
        np.add.at(self.counts, indices, 1)
        self.n_rows += n_rows

    def range(self) -> Range:
        """Return smallest and largest values, those that are not stored included.

        The vectors are those of the stored values, which are used up.
        """
        zeros = self.counts < self.n_rows
        np.minimum(self.low, 0.0, out=self.low, where=zeros)
        np.maximum(self.high, 0.0, out=self.high, where=zeros)
        return self.low, self.high


class SparseRanges:
    """Follows the ranges over the slabs of a leaf, by label if that is needed."""

    def __init__(self, n_features: int, *, by_label: bool) -> None:
        self._n_features, self._by_label = n_features, by_label
        self._whole = Stored.nothing(0 if by_label else n_features, "f4")
        self._labels: dict[Label, Stored] = {}

    def add(self, X: CSR, masks: Masks) -> None:
        """Add rows of X, of which the masks say the labels."""
        if not self._by_label:
            self._whole.add(X.indices, X.data, len(X))
            return
        for label, mask in masks:
            if label not in self._labels:
                self._labels[label] = Stored.nothing(self._n_features, "f4")
            own = X.by_value(mask)
            self._labels[label].add(X.indices[own], X.data[own], int(mask.sum()))

    def finish(self) -> Ranges:
        """Return the ranges; those by label are empty if they are not needed."""
        if not self._by_label:
            return Ranges(*self._whole.range(), {})
        by_label = {label: own.range() for label, own in self._labels.items()}
        low, high = Stored.nothing(self._n_features, "f4").range()
        for least, most in by_label.values():
            low, high = np.minimum(low, least), np.maximum(high, most)
        return Ranges(low, high, by_label)
