"""Rows that carry the sign of their class, dense as they are or made dense as needed.

Of mixed rows those in which some column is largest or smallest are found without
making the others dense: an indicator takes one of four values, by the class of a row
and whether it has the level, so that the first rows of every level and class do.
"""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from dlogreg.evaluation import FloatArray
from dlogreg.kernel.csr import as_dense
from dlogreg.kernel.face import ZERO, rounding_rows
from dlogreg.kernel.mixed import Mixed
from dlogreg.kernel.mixed_slab import MixedSlab

Positions = npt.NDArray[np.intp]


class SignedRows(Protocol):
    """Rows a_i = y_i z_i of scaled columns, y_i = +-1."""

    def margins(self, directions: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return a_i'b for every direction, and below what its size counts as zero."""
        ...

    def take(self, rows: Positions) -> FloatArray:
        """Return some rows, dense."""
        ...

    def extreme(self, rows: Positions) -> FloatArray:
        """Return those of some rows, in order, that hold the columns' extremes."""
        ...


class SignedDense:
    """Rows that are dense by now, kept as one line per column.

    Extremes along lines take numpy a tenth of those down the columns of rows.
    """

    def __init__(
        self, X: Any, sign: FloatArray, centre: FloatArray, units: FloatArray
    ) -> None:
        first = len(units) - len(centre)
        self._lines = np.ones((len(units), len(sign)))
        columns = self._lines[first:]
        np.subtract(as_dense(X).T, centre[:, None], out=columns, casting="unsafe")
        self._lines *= units[:, None]
        self._lines *= sign

    def margins(self, directions: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return a_i'b for every direction, and below what its size counts as zero.

        That is 0 for rows whose size is above what it could be for any of them.
        """
        margins = (directions.T @ self._lines).T
        zero = np.zeros_like(margins)
        high, low = self._lines.max(axis=1), self._lines.min(axis=1)
        largest = rounding_rows(np.maximum(high, -low)[None], directions)
        near = np.flatnonzero((np.abs(margins) <= largest).any(axis=1))
        zero[near] = rounding_rows(self.take(near), directions)
        return margins, zero

    def take(self, rows: Positions) -> FloatArray:
        """Return some rows."""
        return np.ascontiguousarray(self._lines[:, rows].T)

    def extreme(self, rows: Positions) -> FloatArray:
        """Return those of some rows, in order, that hold the columns' extremes."""
        whole = len(rows) == self._lines.shape[1]
        lines = self._lines if whole else self._lines[:, rows]
        found = np.append(lines.argmax(axis=1), lines.argmin(axis=1))
        return self.take(rows[np.unique(found)])


class SignedMixed:
    """Mixed rows without compressed columns."""

    def __init__(
        self, X: Mixed, sign: FloatArray, centre: FloatArray, units: FloatArray
    ) -> None:
        self._X, self._sign, self._centre, self._units = X, sign, centre, units
        slab = MixedSlab(centre, fit_intercept=len(units) > len(centre))
        slab.load(X)
        self._slab = slab

    def margins(self, directions: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return a_i'b for every direction, and below what its size counts as zero."""
        scaled = [self._units * direction for direction in directions.T]
        margins = [self._sign * self._slab.predict(b) for b in scaled]
        sizes = [ZERO * self._slab.term_sizes(b) for b in scaled]
        return np.column_stack(margins), np.column_stack(sizes)

    def take(self, rows: Positions) -> FloatArray:
        """Return some rows, dense."""
        X, sign = self._X[rows], self._sign[rows]
        return SignedDense(X, sign, self._centre, self._units).take(
            np.arange(len(rows))
        )

    def extreme(self, rows: Positions) -> FloatArray:
        """Return the first rows of every level and class, and of dense columns."""
        X, negative = self._X[rows], self._sign[rows] < 0
        order = np.arange(len(rows))
        centre = self._centre[X.dense_columns]
        signed = np.where(negative, -1.0, 1.0)[:, None] * (X.dense - centre)
        found = [signed.argmax(axis=0), signed.argmin(axis=0)]
        width = X.n_columns + 1
        for places in (np.zeros(len(rows), dtype=np.int32), *X.places):
            first = np.full(2 * width, -1)
            first[(places + width * negative)[::-1]] = order[::-1]  # the last one stays
            found.append(first[first >= 0])
        return self.take(rows[np.unique(np.concatenate(found))])


def signed_rows(
    X: Any, sign: FloatArray, centre: FloatArray, units: FloatArray
) -> SignedRows:
    """Return rows with the sign of their class, of columns in the solver's units."""
    mixed = isinstance(X, Mixed) and X.compressed is None
    return (SignedMixed if mixed else SignedDense)(X, sign, centre, units)
