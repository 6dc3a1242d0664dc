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
from dlogreg.kernel.face import ZERO, centred_rows, rounding_rows
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
    """Rows that are dense by now."""

    def __init__(
        self, X: Any, sign: FloatArray, centre: FloatArray, units: FloatArray
    ) -> None:
        first = len(units) > len(centre)
        self._rows = centred_rows(X, centre, fit_intercept=first)
        self._rows *= units
        self._rows *= sign[:, None]

    def margins(self, directions: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return a_i'b for every direction, and below what its size counts as zero."""
        return self._rows @ directions, rounding_rows(self._rows, directions)

    def take(self, rows: Positions) -> FloatArray:
        """Return some rows."""
        return np.asarray(self._rows[rows])

    def extreme(self, rows: Positions) -> FloatArray:
        """Return some rows: those are all candidates."""
        return self.take(rows)


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
