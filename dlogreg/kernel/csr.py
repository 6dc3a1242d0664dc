"""Rows of X of which only the values that are not zero are kept, row after row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array

from dlogreg.errors import DataError
from dlogreg.kernel.well_formed import check_well_formed

Array = npt.NDArray[Any]


@dataclass(frozen=True, slots=True, eq=False)
class CSR:
    """Compressed sparse rows that are cut like an array; pieces of rows are views.

    What scipy would check or copy for every piece is done once, by ``of`` or
    ``stored``.
    """

    indptr: Array
    """Where every row begins and ends in ``data``, shape (n_rows + 1,)."""
    indices: Array
    """The column of every stored value, of the type of ``indptr``."""
    data: Array
    """The stored values; zeros may be among them."""
    n_columns: int
    distinct: bool = True
    """No column occurs twice in a row. If that is not known, values of one column add
    up, which products with vectors do by themselves and nothing else does."""

    @classmethod
    def of(cls, matrix: Any, what: str = "X") -> CSR:
        """Take a scipy sparse matrix or array of any format, or a 2-D numpy array.

        CSR without duplicates is used where it lies; all else is converted.

        Raises
        ------
        DataError
            If the matrix, called ``what``, is none.
        """
        if isinstance(matrix, CSR):
            return matrix if matrix.distinct else cls.of(matrix.matrix)
        check_well_formed(matrix, what)
        csr = csr_array(matrix)
        if not csr.has_canonical_format:
            csr = csr.copy()  # the user's own stays as it is
            csr.sum_duplicates()
        return cls(csr.indptr, csr.indices, csr.data, int(csr.shape[1]))

    @classmethod
    def stored(
        cls, borders: npt.NDArray[np.int64], indices: Array, data: Array, n_columns: int
    ) -> CSR:
        """Take the arrays of compressed rows as they lie, columns in any order.

        ``borders`` rise from 0 to the number of values.
        """
        _check_columns(indices, n_columns)
        small = max(n_columns, len(indices)) <= np.iinfo(np.int32).max
        index = np.int32 if small else np.int64  # one type for both, as loops want it
        borders, indices = borders.astype(index), indices.astype(index, copy=False)
        return cls(borders, indices, data, n_columns, distinct=False)

    @classmethod
    def concatenated(cls, parts: Sequence[CSR]) -> CSR:
        """Return the rows of all parts, one after the other."""
        counts = np.concatenate([np.diff(part.indptr) for part in parts])
        return cls(
            np.concatenate([[0], np.cumsum(counts)]),
            np.concatenate([part.indices for part in parts]).astype(np.int64),
            np.concatenate([part.data for part in parts]),
            parts[0].n_columns,
            all(part.distinct for part in parts),
        )

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.indptr) - 1

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
        """Type of the values."""
        return self.data.dtype

    @property
    def nbytes(self) -> int:
        """Bytes of the three arrays."""
        return self.indptr.nbytes + self.indices.nbytes + self.data.nbytes

    @property
    def stored_values(self) -> float:
        """Mean number of stored values in a row."""
        return len(self.data) / max(1, len(self))

    @property
    def stored_share(self) -> float:
        """Share of the values that are stored."""
        return len(self.data) / max(1, len(self) * self.n_columns)

    def __getitem__(self, rows: slice | Array) -> CSR:
        """Return consecutive rows as a view, or chosen ones as a copy."""
        if isinstance(rows, slice):
            low, high, step = rows.indices(len(self))
            if step == 1:
                return self._between(low, max(low, high))
            rows = np.arange(low, high, step)
        picked = self.matrix[rows]
        return self._like(picked.indptr, picked.indices, picked.data)

    def _between(self, low: int, high: int) -> CSR:
        start, stop = self.indptr[low], self.indptr[high]
        indptr = self.indptr[low : high + 1] - start
        cut = slice(start, stop)
        return self._like(indptr, self.indices[cut], self.data[cut])

    def _like(self, indptr: Array, indices: Array, data: Array) -> CSR:
        return CSR(indptr, indices, data, self.n_columns, self.distinct)

    @property
    def matrix(self) -> Any:
        """The same rows as scipy's ``csr_array``."""
        parts = (self.data, self.indices, self.indptr)
        return csr_array(parts, shape=self.shape, copy=False)

    def times(self, slopes: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Return the rows times a vector, or a matrix of n_columns lines."""
        return np.asarray(self.matrix @ slopes, dtype=np.float64)

    def toarray(self) -> Array:
        """Return the rows as a numpy array."""
        return np.asarray(self.matrix.toarray())

    def column_sums(self, values: Array) -> npt.NDArray[np.float64]:
        """Return the sums by column of something known of every stored value."""
        return np.bincount(self.indices, values, self.n_columns).astype(np.float64)

    def column_counts(self) -> npt.NDArray[np.int64]:
        """Return how many values of every column are stored."""
        return np.bincount(self.indices, minlength=self.n_columns).astype(np.int64)

    def column_extremes(self) -> tuple[Array, Array]:
        """Return the smallest and largest value of every column, zeros included."""
        low, high = np.full((2, self.n_columns), [[np.inf], [-np.inf]])
        np.minimum.at(low, self.indices, self.data)
        np.maximum.at(high, self.indices, self.data)
        zeros = self.column_counts() < len(self)
        low[zeros], high[zeros] = np.minimum(low[zeros], 0), np.maximum(high[zeros], 0)
        return low, high

    def row_of(self, place: int) -> int:
        """Return the row of a stored value, given by its place in ``data``."""
        return int(np.searchsorted(self.indptr, place, side="right")) - 1

    def by_value(self, values: Array) -> Array:
        """Return a value of every row as often as the row has stored values."""
        return np.repeat(values, np.diff(self.indptr))


def _check_columns(indices: Array, n_columns: int) -> None:
    if len(indices) and not 0 <= indices.min() <= indices.max() < n_columns:
        raise DataError(
            f"X has {n_columns} columns, but its compressed rows name columns "
            f"{indices.min()} to {indices.max()}; build it again"
        )


def as_dense(X: Any) -> Array:
    """Return rows of any kind as a numpy array, which for wide data is large."""
    return X if isinstance(X, np.ndarray) else np.asarray(X.toarray())
