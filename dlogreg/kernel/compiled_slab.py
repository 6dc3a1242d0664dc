"""A slab of rows that stay where they are, multiplied by compiled loops.

Rows are centred where they are used; numpy would write a centred copy, and a rounded
and a scaled one besides. The product for the Hessian is made tile by tile too
(``kernel/product_loops.py``): up to a thousand columns that is faster than BLAS,
which multiplies few columns with themselves at a fraction of its speed. Beyond, rows
are scaled and rounded in one sweep and handed to BLAS, as in ``kernel/row_slab.py``,
where the precisions and the rounding of products are explained.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array

from dlogreg.choice import TILED_COLUMNS
from dlogreg.evaluation import FloatArray
from dlogreg.kernel.loop_arguments import (
    NO_WEIGHT,
    aligned_zeros,
    as_weight,
    doubles,
    flags,
    loops_of,
    rows_of,
)
from dlogreg.kernel.row_slab import RowSlab
from dlogreg.kernel.row_terms import RowTerms

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
        products, n_columns = loops_of("product_loops"), len(centre)
        self._means = aligned_zeros(centre.shape)
        self._means[:] = centre
        self._rows = np.empty((0, n_columns))
        self._slopes = aligned_zeros((products.padded(n_columns, 8),))
        n_rows = products.centred_rows(n_columns)
        self._z = aligned_zeros((n_rows, len(self._slopes)))
        lines = loops_of("row_loops")
        self._terms = aligned_zeros((lines.N_LINES * lines.MOST_ROWS,))
        self._tiled = n_columns <= TILED_COLUMNS
        product_type = self._rounded.dtype
        tiled = n_columns if self._tiled else 0
        width = products.padded(tiled, product_type.itemsize)
        self._scaled = aligned_zeros((2, products.MULTIPLIED_ROWS, width), product_type)
        self._sums = aligned_zeros((2, width, width))

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
        keep: bool = True,
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
        keep
            Whether the terms are wanted; otherwise the loss alone is known of them.
        """
        tiled = len(products) if self._tiled else 0
        keep = keep or len(products) > tiled
        terms = np.empty((4 if keep else 0, len(self._rows)))
        found = np.zeros((len(projections), 1 + len(self._slopes)))
        given = as_weight(weight)
        loss = self._loops.evaluate(
            self._rows,
            self._means,
            *self._split(params),
            flags(event),
            given,
            squares_weight,
            as_weight(offset),
            terms,
            self._terms,
            found,
            self._z,
            self._scaled,
            self._sums[:tiled],
        )
        found = found[:, 1 - self._first : 1 + len(self._means)]
        projections += found
        known = RowTerms(loss, *(terms if keep else [NO_WEIGHT] * 4))
        for k, total in enumerate(products):
            squared = known.curvature
            if k and not self._tiled:
                squared = known.miss**2
                if weight is not None:
                    squared *= given**2 if squares_weight else given
            self._add_product(total, squared, found[-1 if k else 1], self._sums[k])
        return known

    def _split(self, params: FloatArray) -> tuple[FloatArray, float]:
        """Return the slopes, in whole vectors, and the constant."""
        self._slopes[: len(self._means)] = params[self._first :]
        return self._slopes, float(params[0]) if self._first else 0.0

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
        eta = np.empty(len(self._rows))
        known = self._rows, self._means, *self._split(params)
        self._loops.predict(*known, self._z, self._terms, eta)
        return eta

    def project(self, values: Values) -> FloatArray:
        """Return sum_i values_i z_i over the loaded rows, shape (n_params,)."""
        total = np.zeros((1, 1 + len(self._slopes)))
        given = doubles(values)
        self._loops.project(self._rows, self._means, given, self._z, total)
        return total[0, 1 - self._first : 1 + len(self._means)]

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
            work = np.sqrt(squared), self._z, self._scaled, self._sums
            self._loops.add_products(self._rows, self._means, *work)
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
