"""A slab of rows that stay where they are, multiplied by compiled loops.

Rows are centred where they are used; numpy would write a centred copy, and a rounded
and a scaled one besides. The product for the Hessian is made of lines of scaled values,
in tiles that fit the registers: up to some hundred columns that is faster than BLAS,
which multiplies so few columns with themselves at a fraction of its speed. Beyond, rows
are scaled and rounded in one sweep and handed to BLAS, as in ``kernel/row_slab.py``,
where the precisions and the rounding of products are explained.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array

from dlogreg.evaluation import FloatArray
from dlogreg.extras import WITHOUT_NUMBA, require
from dlogreg.kernel.csr import as_dense
from dlogreg.kernel.row_slab import RowSlab
from dlogreg.kernel.slab import CACHE_VALUES

MOST_LINES = {4: 128, 8: 256}
"""Columns up to which products are made of lines, by bytes of a value."""
TYPES = (np.dtype("f4"), np.dtype("f8"))
"""Of rows that are used as they are; others are copied as float64."""

OTHERWISE = f", on every worker, or fit without it: {WITHOUT_NUMBA}"

Values = npt.NDArray[Any]


class CompiledSlab(RowSlab):
    """Rows as they come, without the intercept's column of ones.

    What only few passes ask for, ``RowSlab`` does on centred rows, made for it.
    """

    def __init__(
        self, centre: FloatArray, *, fit_intercept: bool, precision: str = "double"
    ) -> None:
        super().__init__(centre, fit_intercept=fit_intercept, precision=precision)
        require("numba", "numba", OTHERWISE)
        from dlogreg.kernel import loops

        self._loops = loops
        self.length = compiled_rows(self.n_params)
        self._means = np.ascontiguousarray(centre, dtype=float)
        self._rows = np.empty((0, len(centre)))
        product_type = self._rounded.dtype
        self._tiled = len(centre) <= MOST_LINES[product_type.itemsize]
        n_lines = -(-len(centre) // loops.TILE) * loops.TILE if self._tiled else 0
        width = loops.TILE_ROWS + loops.PADDING
        self._lines = np.zeros((n_lines, width), product_type)
        self._sums = np.zeros((n_lines, n_lines))

    def load(self, X: Values) -> Values:
        """Take the rows, shape (n_rows, n_features), and return them as they are."""
        X = as_dense(X)
        if X.dtype not in TYPES or not X.flags.c_contiguous:
            X = np.ascontiguousarray(X, dtype=float)
        self._rows = X
        return X

    def predict(self, params: FloatArray) -> Values:
        """Return the linear predictor of the loaded rows, shape (n_rows,)."""
        eta = np.empty(len(self._rows), self._type)
        constant = float(params[0]) if self._first else 0.0
        slopes = np.ascontiguousarray(params[self._first :])
        self._loops.predict(self._rows, self._means, slopes, constant, eta)
        return eta

    def project(self, values: Values) -> FloatArray:
        """Return sum_i values_i z_i over the loaded rows, shape (n_params,)."""
        total = np.zeros(self.n_params)
        if self._first:
            total[0] = values.sum(dtype=np.float64)
        self._loops.project(self._rows, self._means, values, total[self._first :])
        return total

    def square_sums(
        self, units: FloatArray, weight: FloatArray | None
    ) -> tuple[float, FloatArray]:
        """Return the largest squared norm of a scaled row, and sum_i s_i z_ij^2.

        The norm is rounded up, so that it is a bound; infinity where a value is not
        finite.
        """
        first = self._first
        ones = np.ones(len(self._rows)) if weight is None else weight
        total = np.zeros(self.n_params)
        total[:first] = ones.sum()
        norm = self._loops.squares(
            self._rows, self._means, units[first:], ones, total[first:]
        )
        slack = 1 + (self.n_params + 8) * float(np.finfo(float).eps)
        return first + norm * slack, total

    def ranges(self) -> tuple[FloatArray, FloatArray]:
        """Return the smallest and the largest value of every column as loaded."""
        low = np.full(self._rows.shape[1], np.inf, self._rows.dtype)
        high = -low
        self._loops.ranges(self._rows, low, high)
        return low.astype(float), high.astype(float)

    def add_information(self, total: FloatArray, weight: Values | None) -> None:
        """Add sum_i weight_i z_i z_i' to ``total``."""
        ones = np.ones(len(self._rows)) if weight is None else weight
        self.add_derivatives(np.zeros(self.n_params), total, ones, ones)

    def add_derivatives(
        self,
        gradient: FloatArray,
        hessian: FloatArray,
        values: Values,
        weight: Values,
    ) -> None:
        """Add sum_i values_i z_i and sum_i weight_i z_i z_i' over the loaded rows."""
        first = self._first
        projections = np.zeros((2, self._rows.shape[1]))
        known = self._rows, self._means, values, np.sqrt(weight)
        inside = hessian[first:, first:]
        if self._tiled:
            work = self._lines, projections, self._sums
            self._loops.add_products(*known, *work)
            self._loops.add_symmetric(self._sums, inside)
        else:
            scaled = self._rounded[: len(self._rows)]
            self._loops.scale_rows(*known, scaled, projections)
            self._add_products(inside, scaled)
        gradient[first:] += projections[0]
        if first:
            gradient[0] += values.sum(dtype=np.float64)
            hessian[0, 0] += weight.sum(dtype=np.float64)
            hessian[0, 1:] += projections[1]
            hessian[1:, 0] += projections[1]

    def predict_points(self, params: FloatArray) -> Values:
        """Return the linear predictors of params (n_params, n_points), by points."""
        super().load(self._rows)
        return super().predict_points(params)

    def project_points(self, values: Values, out: FloatArray) -> FloatArray:
        """Return sum_i values_bi z_i for every b, shape (n_params, n_points)."""
        super().load(self._rows)
        return super().project_points(values, out)

    def project_groups(self, matrix: csr_array, out: FloatArray) -> None:
        """Set out to the matrix, (n_groups, n_rows), times the loaded rows."""
        super().load(self._rows)
        super().project_groups(matrix, out)


def compiled_rows(n_params: int) -> int:
    """Return the length of a slab, as read twice and more from the cache."""
    return min(max(2 * CACHE_VALUES // n_params, 1024), 16384)
