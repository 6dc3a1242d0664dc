"""A slab of mixed rows: dense columns, compressed ones, and codes of categories.

Of a category a row has one indicator at most, so that for codes c, coefficients b,
values v and weights w of the rows

    X b       takes b[c];    X'v   sums v by code;
    X'WX      of a category with itself: the sums of w by code, on the diagonal;
              with another: the sums of w by pairs of codes;
              with dense columns: the sums of w z by code.

A row costs as many additions as it has pairs of columns that are stored, whatever the
number of levels. Sums are added where they lie; nothing has the size of the Hessian
beside it. Rows without an indicator have the code n, and what they would add goes into
a last place that nobody reads.

Dense columns are centred in the slab, the others in the formulas of
``kernel/sparse_slab.py``; an indicator of which a share q is 1 loses no more digits
than q / (1 - q) has. The loops are scipy's compiled ones, which add to a vector or
matrix that exists and leave the interpreter's lock to others. tabmat's products of the
same rows take two to three times as long, and bincount's as well.
"""

from __future__ import annotations

import numpy as np
from scipy.sparse import _sparsetools as loops
from scipy.sparse import csr_array

from dlogreg.evaluation import FloatArray
from dlogreg.kernel.csr import CSR
from dlogreg.kernel.in_place_slab import InPlaceSlab
from dlogreg.kernel.mixed import Mixed
from dlogreg.kernel.sparse_slab import UPDATED_LINES

MIXED_ROWS = 2**15
"""Rows of a slab: what is done once for it, with vectors of all columns, is little."""


class MixedSlab(InPlaceSlab):
    """Mixed rows, of which the dense columns are centred in a reused buffer."""

    rounding = 0.0
    """Products are made in float64."""
    length = MIXED_ROWS

    def __init__(self, centre: FloatArray, *, fit_intercept: bool) -> None:
        self._first = int(fit_intercept)
        self._width = len(centre)
        self.n_params = self._width + self._first
        self._centre = centre
        self._each = np.arange(self.length + 1, dtype=np.int32)
        self._ones = np.ones(self.length)
        self._rows = Mixed(
            np.empty((0, 0)),
            np.empty(0, np.intp),
            np.empty((0, 0), np.int32),
            self._width,
        )
        self._lay_out(self._rows)

    def _lay_out(self, X: Mixed) -> None:
        """Learn which columns are dense, and so centred in the buffer."""
        self._columns = X.dense_columns
        self._buffer = np.empty((self.length, 1 + len(self._columns)))
        self._buffer[:, 0] = 1.0
        self._weighted = np.empty_like(self._buffer)
        self._dense = self._buffer[:0]
        """The 1 of the intercept and the dense columns of the loaded rows."""
        rest = self._centre.copy()
        rest[self._columns] = 0.0
        self._moved = np.flatnonzero(rest)
        """Columns that are centred in the formulas."""
        self._offsets = rest[self._moved]

    def load(self, X: Mixed) -> Mixed:
        """Keep the rows, their dense columns centred."""
        if X.dense_columns is not self._columns:
            self._lay_out(X)
        self._rows, self._dense = X, self._buffer[: len(X)]
        for j, own in enumerate(self._centre[self._columns]):  # whole rows take longer
            np.subtract(X.dense[:, j], own, out=self._dense[:, j + 1])
        return X

    def predict(self, params: FloatArray) -> FloatArray:
        """Return the linear predictor of the loaded rows, shape (n_rows,)."""
        slopes = np.zeros(self._width + 1)
        slopes[:-1] = params[self._first :]
        few = np.empty(1 + len(self._columns))
        few[0] = params[: self._first].sum() - self._offsets @ slopes[self._moved]
        few[1:] = slopes[self._columns]
        eta = self._dense @ few
        X, shape = self._rows, (len(eta), len(slopes))
        for places in X.places:
            loops.csr_matvec(*shape, self._each, places, self._ones, slopes, eta)
        if X.compressed is not None:
            c = X.compressed
            data = c.data.astype(np.float64, copy=False)
            loops.csr_matvec(*shape, c.indptr, c.indices, data, slopes, eta)
        return np.asarray(eta)

    def term_sizes(self, params: FloatArray) -> FloatArray:
        """Return sum_j abs(z_ij params_j) of the loaded rows, shape (n_rows,)."""
        slopes, offsets = np.zeros(self._width + 1), np.zeros(self._width)
        slopes[:-1] = np.abs(params[self._first :])
        offsets[self._moved] = self._offsets
        few = np.empty(1 + len(self._columns))
        few[0] = np.abs(params[: self._first]).sum()
        few[0] += np.abs(self._offsets) @ slopes[self._moved]
        few[1:] = slopes[self._columns]
        X, sizes = self._rows, np.abs(self._dense) @ few
        steps = slopes.copy()
        steps[:-1] *= np.abs(1 - offsets) - np.abs(offsets)
        for places in X.places:
            sizes += steps[places]
        if X.compressed is not None:
            c = X.compressed
            here = offsets[c.indices]
            change = (np.abs(c.data - here) - np.abs(here)) * slopes[c.indices]
            rows = np.repeat(self._each[: len(X)], np.diff(c.indptr))
            sizes += np.bincount(rows, change, len(X))
        return np.asarray(sizes)

    def add_projection(self, total: FloatArray, values: FloatArray) -> None:
        """Add sum_i values_i z_i over the loaded rows to ``total``."""
        values = np.ascontiguousarray(values, dtype=np.float64)
        few, inside = values @ self._dense, total[self._first :]
        total[: self._first] += few[0]
        inside += self._stored_sums(values)
        inside[self._columns] += few[1:]
        inside[self._moved] -= self._offsets * few[0]

    def _stored_sums(
        self, values: FloatArray, compressed: FloatArray | None = None
    ) -> FloatArray:
        """Return the sums by column of a value of every row, times what is stored.

        ``compressed`` stands in the place of the compressed columns' values.
        """
        sums, X = np.zeros(self._width + 1), self._rows
        shape = len(sums), len(values)
        for places in X.places:
            loops.csc_matvec(*shape, self._each, places, self._ones, values, sums)
        if X.compressed is not None:
            c = X.compressed
            data = c.data if compressed is None else compressed
            data = data.astype(np.float64, copy=False)
            loops.csc_matvec(*shape, c.indptr, c.indices, data, values, sums)
        return sums[:-1]

    def predict_points(self, params: FloatArray) -> FloatArray:
        """Return the linear predictors of params (n_params, n_points), by points."""
        return np.array([self.predict(point) for point in params.T])

    def project_groups(self, matrix: csr_array, out: FloatArray) -> None:
        """Set out to the matrix, (n_groups, n_rows), times the loaded rows."""
        few, inside = matrix @ self._dense, out[:, self._first :]
        out[:, : self._first] = few[:, :1]
        inside[...] = (matrix @ self._rows.stored().matrix).toarray()
        inside[:, self._columns] = few[:, 1:]
        inside[:, self._moved] -= np.multiply.outer(few[:, 0], self._offsets)

    def add_squares(self, total: FloatArray, weight: FloatArray | None) -> None:
        """Add sum_i s_i z_ij^2 to ``total``."""
        ones = np.ones(len(self._rows)) if weight is None else weight
        size, inside = float(ones.sum()), total[self._first :]
        total[: self._first] += size
        c = self._rows.compressed
        squares = None if c is None else c.data.astype(np.float64) ** 2
        inside += self._stored_sums(ones, squares)
        inside[self._columns] += ones @ self._dense[:, 1:] ** 2
        if len(self._moved):
            sums, offsets = self._stored_sums(ones)[self._moved], self._offsets
            inside[self._moved] += offsets * (offsets * size - 2 * sums)

    def largest_norm(self, units: FloatArray) -> float:
        """Return the largest squared norm of a scaled row, rounded up."""
        X, scale = self._rows, units[self._first :]
        if not len(X):
            return 0.0
        steps, squared = np.zeros(self._width + 1), scale**2
        steps[:-1] = squared
        steps[self._moved] *= 1 - 2 * self._offsets
        base = self._first + float(self._offsets**2 @ squared[self._moved])
        found = self._dense[:, 1:] ** 2 @ squared[self._columns] + base
        size = found.copy()
        for places in X.places:
            found += steps[places]
            size += np.abs(steps[places])
        if X.compressed is not None:
            c = X.compressed
            data, twice = c.data.astype(np.float64), np.zeros(self._width)
            twice[self._moved] = 2 * self._offsets
            values = data * (data - twice[c.indices]) * squared[c.indices]
            rows = np.repeat(self._each[: len(X)], np.diff(c.indptr))
            found += np.bincount(rows, values, len(X))
            size += np.bincount(rows, np.abs(values), len(X))
        slack = (self._width + 8) * np.finfo(float).eps
        return float((found + slack * size).max())

    def add_information(self, total: FloatArray, weight: FloatArray | None) -> None:
        """Add sum_i weight_i z_i z_i' to ``total`` of ``kernel.information_sums``."""
        n_rows, side = len(self._rows), self.n_params
        w = self._ones[:n_rows] if weight is None else np.ascontiguousarray(weight)
        lines = self._add_dense(total, w)
        inside = total.reshape(-1)[self._first * (side + 1) :]
        places = self._rows.places
        for a, own in enumerate(places):
            for other in places[a + 1 :]:
                loops.coo_todense(side, side, n_rows, own, other, w, inside, 0)
        if self._rows.compressed is not None:
            self._add_compressed(self._rows.compressed, inside, side, w)
        self._centre_product(total, lines)

    def _add_dense(self, total: FloatArray, w: FloatArray) -> FloatArray:
        """Add products with the dense columns, and of every category with itself.

        Returns sum_i w_i z_i before centring, the sum of w in the intercept's place.
        """
        first, X, few = self._first, self._rows, self._dense.shape[1]
        weighted = self._weighted[: len(w)]
        for j in range(few):
            np.multiply(self._dense[:, j], w, out=weighted[:, j])
        square = weighted.T @ self._dense
        sums = np.zeros((1 + self._width + 1, few))
        shape, inside = (self._width + 1, len(w), few), sums[1:].reshape(-1)
        rows = weighted.reshape(-1)
        for places in X.places:
            loops.csc_matvecs(*shape, self._each, places, self._ones, rows, inside)
        counts = sums[1:-1, 0].copy()
        if X.compressed is not None:
            c = X.compressed
            data = c.data.astype(np.float64, copy=False)
            loops.csc_matvecs(*shape, c.indptr, c.indices, data, rows, inside)
        n_params, own = self.n_params, np.concatenate([[0], 1 + self._columns])
        mixed = sums[1 - first : -1, 1 - first :].copy()
        sums[own] = square
        lines = own[1 - first :] - (1 - first)
        total[lines, :n_params] += mixed.T
        total[:n_params, lines] += sums[1 - first : -1, 1 - first :]
        diagonal = total.reshape(-1)[first * (n_params + 1) :: n_params + 1]
        diagonal[: self._width] += counts
        return np.asarray(sums[:-1, 0])

    def _add_compressed(
        self, c: CSR, inside: FloatArray, side: int, w: FloatArray
    ) -> None:
        """Add products of the compressed columns, and of them with categories."""
        own = np.repeat(np.arange(len(w)), np.diff(c.indptr))
        values = c.data * w[own]
        left = CSR(c.indptr, c.indices, values, c.n_columns).matrix.T.tocsr()
        product = left @ c.matrix.astype(np.float64)
        lines = np.repeat(
            np.arange(self._width, dtype=np.int64), np.diff(product.indptr)
        )
        inside[lines * side + product.indices] += product.data
        indices = c.indices.astype(np.int32, copy=False)
        for places in self._rows.places:
            there = places[own]
            for i, j in ((indices, there), (there, indices)):
                loops.coo_todense(side, side, len(own), i, j, values, inside, 0)

    def _centre_product(self, total: FloatArray, lines: FloatArray) -> None:
        """Add what centring changes: -c q' - (q - c sum(w)) c', by lines."""
        first, moved, offsets = self._first, self._moved + self._first, self._offsets
        n_params, raw = self.n_params, lines[1 - first :]
        centred = raw.copy()
        centred[moved] -= offsets * lines[0]
        for low in range(0, len(moved), UPDATED_LINES):
            cut = slice(low, low + UPDATED_LINES)
            total[moved[cut], :n_params] -= np.multiply.outer(offsets[cut], raw)
            total[:n_params, moved[cut]] -= np.multiply.outer(centred, offsets[cut])
