"""A slab of rows that stay where they are, multiplied by compiled loops.

Rows are centred where they are used; numpy would write a centred copy, and a rounded
and a scaled one besides. The product for the Hessian is made of lines of scaled values,
in tiles that fit the registers: up to some hundred columns that is faster than BLAS,
which multiplies so few columns with themselves at a fraction of its speed. Beyond, rows
are scaled and rounded in one sweep and handed to BLAS, as in ``kernel/row_slab.py``,
where the precisions and the rounding of products are explained.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array

from dlogreg.evaluation import FloatArray
from dlogreg.kernel.loop_arguments import as_weight, doubles, loops_of, rows_of
from dlogreg.kernel.row_slab import RowSlab
from dlogreg.kernel.row_terms import RowTerms
from dlogreg.kernel.slab import CACHE_VALUES

MOST_LINES = {4: 128, 8: 256}
"""Columns up to which products are made of lines, by bytes of a value."""
STEP_LINES = 4
"""Terms that every pass asks for, from the linear predictor to the curvature."""
STEP_TERMS = 2
MOST_TERMS = 8
Values = npt.NDArray[Any]


class CompiledSlab(RowSlab):
    """Rows as they come, without the intercept's column of ones.

    What only few passes ask for, ``RowSlab`` does on centred rows, made for it.
    """

    def __init__(
        self,
        centre: FloatArray,
        *,
        fit_intercept: bool,
        precision: str = "double",
        order: int = 2,
    ) -> None:
        super().__init__(
            centre, fit_intercept=fit_intercept, precision=precision, order=order
        )
        self._loops, self._sweeps = loops_of("loops"), loops_of("sweeps")
        self._means = np.ascontiguousarray(centre, dtype=float)
        self._rows = np.empty((0, len(centre)))
        product_type = self._rounded.dtype
        self._tiled = len(centre) <= MOST_LINES[product_type.itemsize]
        tile = self._loops.TILE
        n_lines = -(-len(centre) // tile) * tile if self._tiled else 0
        width = self._loops.TILE_ROWS + self._loops.PADDING
        self._lines = np.zeros((n_lines, width), product_type)
        self._sums = np.zeros((2, n_lines, n_lines))
        if not self._tiled and order == 2:
            self.length = scaled_rows(self.n_params)

    def load(self, X: Values) -> Values:
        """Take the rows, shape (n_rows, n_features), and return them as they are."""
        self._rows = rows_of(X)
        return self._rows

    def evaluate(
        self,
        params: FloatArray,
        event: npt.NDArray[np.bool_],
        weight: FloatArray | None,
        offset: FloatArray | None,
        projections: FloatArray,
        products: Sequence[FloatArray],
        *,
        squares_weight: bool = False,
    ) -> RowTerms:
        """Return the terms of the loaded rows, and add what a pass sums of them.

        Parameters
        ----------
        params
            Coefficients of the centred columns, intercept first, shape (n_params,).
        event, weight, offset
            Of the rows.
        projections
            To which sum_i t_i z_i is added for so many of the terms t, in this order,
            shape (n_terms, n_params): residual; curvature; the weight s; s y;
            s p (1 - p) (1 - 2p); and s (p - y)^2.
        products
            To which sum_i t_i z_i z_i' is added, shape (n_params, n_params), of the
            curvature and, for a second, of s (p - y)^2; their terms must be projected.
        squares_weight
            The last of the terms is s^2 (p - y)^2 instead.
        """
        first, tiled = self._first, len(products) if self._tiled else 0
        n_lines = MOST_TERMS if len(projections) > STEP_TERMS else STEP_LINES
        terms = np.empty((n_lines, len(self._rows)))
        terms[0] = 0.0 if offset is None else offset
        found = np.zeros((len(projections), 1 + len(self._means)))
        loss = self._loops.evaluate(
            self._rows,
            self._means,
            *self._split(params),
            np.asarray(event, dtype=bool),
            as_weight(weight),
            squares_weight,
            terms,
            found,
            self._lines,
            self._sums[:tiled],
        )
        projections += found[:, 1 - first :]
        for k, total in enumerate(products):
            line = (self._loops.CURVATURE, self._loops.SQUARE)[k]
            border = found[line - self._loops.RESIDUAL]
            self._add_product(total, terms[line], border, self._sums[k])
        return RowTerms(loss, *terms[:STEP_LINES])

    def _split(self, params: FloatArray) -> tuple[FloatArray, float]:
        """Return the slopes and the constant."""
        constant = float(params[0]) if self._first else 0.0
        return doubles(params[self._first :]), constant

    def _add_product(
        self, total: FloatArray, squared: FloatArray, border: FloatArray, sums: Values
    ) -> None:
        """Add a product of the loaded rows, of which the intercept's line is known."""
        first = self._first
        inside = total[first:, first:]
        if self._tiled:
            self._sweeps.add_symmetric(sums, inside)
        else:
            scaled = self._rounded[: len(self._rows)]
            self._sweeps.scale_rows(self._rows, self._means, squared, scaled)
            self._add_products(inside, scaled)
        if first:
            total[0] += border
            total[1:, 0] += border[1:]

    def predict(self, params: FloatArray) -> Values:
        """Return the linear predictor of the loaded rows, shape (n_rows,)."""
        eta = np.zeros(len(self._rows))
        self._loops.predict(self._rows, self._means, *self._split(params), eta)
        return eta

    def project(self, values: Values) -> FloatArray:
        """Return sum_i values_i z_i over the loaded rows, shape (n_params,)."""
        total = np.zeros((1, 1 + len(self._means)))
        lines = doubles(values)[None]
        self._loops.project(self._rows, self._means, lines, total)
        return total[0, 1 - self._first :]

    def describe(
        self, units: FloatArray, weight: FloatArray | None
    ) -> tuple[float, FloatArray, tuple[FloatArray, FloatArray]]:
        """Return what the first pass asks of the loaded rows.

        As ``square_sums``; and the smallest and the largest value of every column as
        loaded, which are not known where a value is not finite.
        """
        low = np.full(self._rows.shape[1], np.inf, self._rows.dtype)
        high, total, first = -low, np.zeros(self.n_params), self._first
        norm = self._sweeps.describe(
            self._rows,
            self._means,
            doubles(units[first:]),
            as_weight(weight),
            total[first:],
            low,
            high,
        )
        total[:first] = len(self._rows) if weight is None else weight.sum()
        slack = 1 + (self.n_params + 8) * float(np.finfo(float).eps)
        ends = low.astype(float), high.astype(float)
        return first + norm * slack, total, ends

    def square_sums(
        self, units: FloatArray, weight: FloatArray | None
    ) -> tuple[float, FloatArray]:
        """Return the largest squared norm of a scaled row, and sum_i s_i z_ij^2.

        The norm is rounded up, so that it is a bound; infinity where a value is not
        finite.
        """
        norm, squares, _ = self.describe(units, weight)
        return norm, squares

    def add_information(self, total: FloatArray, weight: Values | None) -> None:
        """Add sum_i weight_i z_i z_i' to ``total``."""
        given = np.ones(len(self._rows)) if weight is None else weight
        squared = doubles(given)
        if self._tiled:
            work = self._lines, self._sums[0]
            self._loops.add_products(self._rows, self._means, squared, *work)
        border = self.project(squared)
        self._add_product(total, squared, border, self._sums[0])

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


def scaled_rows(n_params: int) -> int:
    """Return the length of a slab that is scaled for BLAS, and so read three times."""
    return min(max(2 * CACHE_VALUES // n_params, 1024), 16384)
