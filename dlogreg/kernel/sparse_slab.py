"""A slab of compressed sparse rows: what is zero is neither stored nor computed with.

Centring would fill the zeros, so it is done in the formulas. With c the centre, b the
coefficients and v a value for every row, for rows z_i = x_i - c,

    z_i'b           = x_i'b - c'b
    sum_i v_i z_i   = X'v - c sum(v)
    sum_i v_i z_iz_i' = X'VX - c q' - (q - c sum(v)) c',   q = X'v
    sum_i v_i z_ij^2  = sum_i v_i (x_ij^2 - 2 c_j x_ij) + c_j^2 sum(v)

A difference of sums loses the digits that they have in common, about the square of
mean over standard deviation. Columns with many zeros lose none: if a share q of the
values is stored, that square is at most q / (1 - q). Columns of which less than a
twentieth is stored are not centred at all (see ``SurveyKernel``'s pilot), so that
centring costs as much as the columns it concerns, not as all columns. Columns without
any zero in a slab are centred like dense ones, and lose nothing. Slabs of which
more than a tenth is stored are made dense, piece by piece, for products of columns:
that is faster and exact.

All is summed in float64, into the totals where they lie: with a million columns a
vector of a slab's own would cost more than its rows. That is what scipy's compiled
loops do behind ``@``, after making a new vector.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.sparse import _sparsetools as loops  # add to a vector that exists
from scipy.sparse import csr_array

from dlogreg.evaluation import FloatArray
from dlogreg.kernel.csr import CSR
from dlogreg.kernel.in_place_slab import InPlaceSlab
from dlogreg.kernel.row_slab import RowSlab

SLAB_ROWS = 2**14
DENSE_FROM = 0.1
"""Share of stored values from which a dense product of columns is faster; measured with
200 to 2,500 columns."""
UPDATED_LINES = 256
"""Lines of the Hessian that are centred at once, to make no second one."""

LOOKED_AT = 8
"""Rows of a slab, about, by which columns without zeros are looked for."""

_NO_ROWS = CSR(np.zeros(1, np.int32), np.empty(0, np.int32), np.empty(0), 0)


class SparseSlab(InPlaceSlab):
    """Compressed rows, centred in the formulas."""

    rounding = 0.0
    """Products are made in float64."""
    length = SLAB_ROWS

    def __init__(self, centre: FloatArray, *, fit_intercept: bool) -> None:
        self._first = int(fit_intercept)
        self.n_params = len(centre) + self._first
        self._centre, self._fit_intercept = centre, fit_intercept
        self._centred = np.flatnonzero(centre)
        self._place = np.empty(0, dtype=np.int32)
        """Where a column stands among those that are centred, or -1."""
        if len(self._centred):
            self._place = np.full(len(centre), -1, dtype=np.int32)
            self._place[self._centred] = np.arange(len(self._centred))
        self._moved, self._offsets = self._centred, centre[self._centred]
        """Columns of the loaded rows that are centred in the formulas, and by what."""
        self._rows = self._loaded = _NO_ROWS
        self._values = np.empty(0)
        """Receives stored values of other types."""
        self._columns: tuple[Any, FloatArray] = (None, np.empty((0, 0)))
        self._dense: RowSlab | None = None
        self._scale: tuple[Any, FloatArray] = (None, np.empty(0))

    def load(self, X: CSR) -> CSR:
        """Return the rows in float64, columns without zeros centred."""
        self._moved, self._offsets = self._centred, self._centre[self._centred]
        full = self._may_be_full(X)
        if full:
            X = CSR.of(X)  # where no column is counted twice
        data = self._in_double(X.data)
        if full:
            data = self._centre_full(X, data)
        self._rows, self._loaded = X, CSR(X.indptr, X.indices, data, X.n_columns)
        return self._loaded

    def _may_be_full(self, X: CSR) -> bool:
        """Tell whether a column that is centred is stored in each of a few rows.

        Hardly any is in sparse data, and all stored values need not be looked at.
        """
        stored: npt.NDArray[Any] = self._centred
        for row in range(0, len(X), max(1, len(X) // LOOKED_AT)):
            if not len(stored):
                break
            inside = X.indices[X.indptr[row] : X.indptr[row + 1]]
            stored = stored[np.isin(stored, inside)]
        return len(stored) > 0

    def _in_double(self, data: npt.NDArray[Any]) -> FloatArray:
        """Return stored values in float64, in a buffer unless they are so already."""
        if data.dtype == np.float64:
            return data
        if len(self._values) < len(data):
            self._values = np.empty(len(data))
        values = self._values[: len(data)]
        np.copyto(values, data)
        return values

    def _centre_full(self, X: CSR, data: FloatArray) -> FloatArray:
        """Centre the columns of which every value is stored; leave the others."""
        place = self._place[X.indices]
        stored = np.flatnonzero(place >= 0)
        counts = np.bincount(place[stored], minlength=len(self._centred))
        full = (counts == len(X)) & (counts > 0)
        self._moved = self._centred[~full]
        self._offsets = self._centre[self._moved]
        if full.any():
            inside = stored[full[place[stored]]]
            data = data.copy()
            data[inside] -= self._centre[X.indices[inside]]
        return data

    def predict(self, params: FloatArray) -> FloatArray:
        """Return the linear predictor of the loaded rows, shape (n_rows,)."""
        slopes = np.ascontiguousarray(params[self._first :], dtype=np.float64)
        shift = params[: self._first].sum() - self._offsets @ slopes[self._moved]
        eta = np.full(len(self._loaded), float(shift))
        X = self._loaded
        loops.csr_matvec(*X.shape, X.indptr, X.indices, X.data, slopes, eta)
        return eta

    def add_projection(self, total: FloatArray, values: FloatArray) -> None:
        """Add sum_i values_i z_i to ``total``, which must be contiguous."""
        values = np.ascontiguousarray(values, dtype=np.float64)
        X, (n_rows, n_columns) = self._loaded, self._loaded.shape
        inside, size = total[self._first :], float(values.sum())
        total[: self._first] += size
        loops.csc_matvec(n_columns, n_rows, X.indptr, X.indices, X.data, values, inside)
        inside[self._moved] -= self._offsets * size

    def predict_points(self, params: FloatArray) -> FloatArray:
        """Return the linear predictors of params (n_params, n_points), by points."""
        known, columns = self._columns
        if known is not params:  # one point after the other is read, not all beside
            columns = np.ascontiguousarray(params.T)
            self._columns = params, columns
        return np.array([self.predict(point) for point in columns])

    def project_groups(self, matrix: csr_array, out: FloatArray) -> None:
        """Set out to the matrix, (n_groups, n_rows), times the loaded rows."""
        sizes, inside = matrix @ np.ones(matrix.shape[1]), out[:, self._first :]
        out[:, : self._first] = sizes[:, None]
        inside[...] = (matrix @ self._loaded.matrix).toarray()
        inside[:, self._moved] -= np.multiply.outer(sizes, self._offsets)

    def add_squares(self, total: FloatArray, weight: FloatArray | None) -> None:
        """Add sum_i s_i z_ij^2 to ``total``."""
        X, (n_rows, n_columns) = self._loaded, self._loaded.shape
        ones = np.ones(n_rows) if weight is None else weight
        size, squares = float(ones.sum()), X.data * self._less(X, 2.0)
        inside = total[self._first :]
        total[: self._first] += size
        loops.csc_matvec(n_columns, n_rows, X.indptr, X.indices, squares, ones, inside)
        inside[self._moved] += self._offsets**2 * size

    def largest_norm(self, units: FloatArray) -> float:
        """Return the largest squared norm of a scaled row, rounded up.

        That is sum_j c_j^2 u_j^2 + sum over stored values of (x^2 - 2 c x) u^2.
        """
        if self._scale[0] is not units:
            self._scale = units, units[self._first :] ** 2
        X, squared = self._loaded, self._scale[1]
        base = self._first + float(self._offsets**2 @ squared[self._moved])
        found, size = np.full(len(X), base), np.full(len(X), base)
        terms = X.data * self._less(X, 2.0)
        for values, out in ((terms, found), (np.abs(terms), size)):
            loops.csr_matvec(*X.shape, X.indptr, X.indices, values, squared, out)
        terms_of_row = int(np.diff(X.indptr).max(initial=0))
        slack = (terms_of_row + len(self._moved) + 8) * np.finfo(float).eps
        return float((found + slack * size).max(initial=0.0))

    def _less(self, X: CSR, times: float) -> FloatArray:
        """Return the stored values less a multiple of their column's centre."""
        if not len(self._moved):
            return X.data
        place = np.searchsorted(self._moved, X.indices)
        place[place == len(self._moved)] = 0
        own = self._moved[place] == X.indices
        return np.asarray(X.data - times * np.where(own, self._offsets[place], 0.0))

    def add_information(self, total: FloatArray, weight: FloatArray | None) -> None:
        """Add sum_i weight_i z_i z_i' to ``total``."""
        X = self._loaded
        if X.stored_share > DENSE_FROM:
            self._add_dense(total, weight)
            return
        weighted = X.data if weight is None else X.data * X.by_value(weight)
        left = CSR(X.indptr, X.indices, weighted, X.n_columns).matrix.T.tocsr()
        product = left @ X.matrix
        first, width = self._first, self.n_params
        lines = np.arange(first, width, dtype=np.int64) * width + first
        places = np.repeat(lines, np.diff(product.indptr)) + product.indices
        total.reshape(-1)[places] += product.data
        self._centre_product(total, weight)

    def _centre_product(self, total: FloatArray, weight: FloatArray | None) -> None:
        """Add what centring changes, and the intercept's line and column.

        -c q' - (q - c sum(v)) c' on the centred columns, a few lines at a time.
        """
        ones = np.ones(len(self._loaded)) if weight is None else weight
        first, moved, offsets = self._first, self._moved + self._first, self._offsets
        line = self.project(ones)
        if first:
            total[0] += line
            total[1:, 0] += line[1:]
        if not len(moved):
            return
        centred, size = line[first:], float(ones.sum())
        raw = centred.copy()
        raw[self._moved] += offsets * size
        for low in range(0, len(moved), UPDATED_LINES):
            cut = slice(low, low + UPDATED_LINES)
            total[moved[cut], first:] -= np.multiply.outer(offsets[cut], raw)
        for low in range(0, len(raw), UPDATED_LINES):
            cut = slice(low, low + UPDATED_LINES)
            lines = total[first:][cut]
            lines[:, moved] -= np.multiply.outer(centred[cut], offsets)

    def _add_dense(self, total: FloatArray, weight: FloatArray | None) -> None:
        if self._dense is None:
            self._dense = RowSlab(self._centre, fit_intercept=self._fit_intercept)
        X, slab = self._rows, self._dense
        for low in range(0, len(X), slab.length):
            cut = slice(low, low + slab.length)
            slab.load(X[cut].matrix.toarray())
            slab.add_information(total, None if weight is None else weight[cut])
