"""Rows of X of which some columns are dense, some compressed, and some categories.

A category is never expanded: of its indicator columns only the one that is 1 is kept
for every row. Its indicators may lack a level, the reference; such rows have none.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.sparse import _sparsetools as loops  # bincount takes twice as long

from dlogreg.kernel.csr import CSR

Array = npt.NDArray[Any]
Places = npt.NDArray[np.int32]


@dataclass(frozen=True, slots=True, eq=False)
class Mixed:
    """Mixed rows that are cut like an array; pieces of consecutive rows are views.

    Every column of X is dense, compressed, or an indicator of one category.
    """

    dense: Array
    """The values of the dense columns, shape (n_rows, n_dense)."""
    dense_columns: npt.NDArray[np.intp]
    """Which columns of X they are, ascending, shape (n_dense,)."""
    places: Places
    """Of every category the column of X that is 1, or ``n_columns`` where none is,
    shape (n_categories, n_rows). A category's columns stand before the next one's."""
    n_columns: int
    compressed: CSR | None = None
    """The other columns that are not zero, by their number in X."""

    @classmethod
    def concatenated(cls, parts: Sequence[Mixed]) -> Mixed:
        """Return the rows of all parts, one after the other."""
        first = parts[0]
        compressed = [p.compressed for p in parts if p.compressed is not None]
        return cls(
            np.concatenate([part.dense for part in parts]),
            first.dense_columns,
            np.concatenate([part.places for part in parts], axis=1),
            first.n_columns,
            CSR.concatenated(compressed) if compressed else None,
        )

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.dense)

    @property
    def shape(self) -> tuple[int, int]:
        """Numbers of rows and columns."""
        return len(self), self.n_columns

    @property
    def ndim(self) -> int:
        """Two."""
        return 2

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the dense values."""
        return self.dense.dtype

    @property
    def nbytes(self) -> int:
        """Bytes of all arrays."""
        compressed = 0 if self.compressed is None else self.compressed.nbytes
        return self.dense.nbytes + self.places.nbytes + compressed

    def __getitem__(self, rows: slice | Array) -> Mixed:
        """Return consecutive rows as a view, or chosen ones as a copy."""
        if isinstance(rows, slice):
            places = self.places[:, rows]
        else:
            places = self.places.take(rows, axis=1)
        return Mixed(
            self.dense[rows],
            self.dense_columns,
            places,
            self.n_columns,
            None if self.compressed is None else self.compressed[rows],
        )

    def counts(self, mask: Array) -> npt.NDArray[np.int64]:
        """Return how many of the rows in the mask have each indicator."""
        counts, each = (
            np.zeros(self.n_columns + 1),
            np.arange(len(self) + 1, dtype="i4"),
        )
        ones, values = np.ones(len(self)), mask.astype(np.float64)
        for places in self.places:
            shape = len(counts), len(values)
            loops.csc_matvec(*shape, each, places, ones, values, counts)
        return counts[:-1].astype(np.int64)

    def times(self, slopes: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Return the rows times a vector, or a matrix of n_columns lines."""
        none = np.zeros((1, *slopes.shape[1:]))
        taken = np.concatenate([slopes, none])
        product = self.dense @ slopes[self.dense_columns]
        for places in self.places:
            product += taken[places]
        if self.compressed is not None:
            product += self.compressed.matrix @ slopes
        return np.asarray(product, dtype=np.float64)

    def stored(self) -> CSR:
        """Return all columns but the dense ones as compressed rows."""
        n_rows = len(self)
        coded = (self.places < self.n_columns).T
        counts = coded.sum(axis=1)
        ones = CSR(
            np.concatenate([[0], np.cumsum(counts)]),
            self.places.T[coded].astype(np.int64),
            np.ones(int(counts.sum())),
            self.n_columns,
        )
        if self.compressed is None or not n_rows:
            return ones
        return CSR.of(ones.matrix + self.compressed.matrix.astype(np.float64))

    def toarray(self) -> Array:
        """Return the rows as a numpy array, in which categories are indicators."""
        out = np.zeros((len(self), self.n_columns + 1))
        out[np.arange(len(self)), self.places] = 1.0
        out = out[:, :-1]
        if self.compressed is not None:
            out += self.compressed.toarray()
        out[:, self.dense_columns] = self.dense
        return out

    def column_extremes(self) -> tuple[Array, Array]:
        """Return the smallest and largest value of every column."""
        low, high = self.stored().column_extremes()
        low[self.dense_columns] = self.dense.min(axis=0, initial=np.inf)
        high[self.dense_columns] = self.dense.max(axis=0, initial=-np.inf)
        return low, high
