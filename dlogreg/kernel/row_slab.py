"""A slab whose rows lie as they come, for 24 columns and more.

Three precisions, since the symmetric product is most of what a pass costs, and in
float32 it takes half as long:

``double``  everything in float64.
``mixed``   the linear predictor and the gradient in float64; only the product for the
            Hessian from rows rounded to float32.
``single``  everything in float32: for a first pass, which only looks for a start.

The product of L rows in float32, however BLAS orders its sums, is off by at most
(Higham 2002, Accuracy and Stability, section 3.5; Cauchy and Schwarz)

    abs(E_jk) <= g sum_i w_i abs(z_ij z_ik) <= g sqrt(H_jj H_kk),
    g = (L + 4) u / (1 - (L + 4) u),  u = 2^-24,

the 4 for the rounding of z and of sqrt(w), twice each. Products are made from 384 rows
at a time and added in float64, so that g = 2.3e-5. The intercept's line is float64.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array

from dlogreg.evaluation import PRODUCT_ROWS, SINGLE_ROUNDING, FloatArray
from dlogreg.kernel.csr import as_dense
from dlogreg.kernel.slab import CACHE_VALUES, slab_rows

ROWS_FROM = 24
"""Columns from which slabs are kept by rows."""
SHORT_FROM = 512
"""Columns from which a slab without products for the Hessian is shortened."""
FEWEST_ROWS = 32
"""Fewer make the other products slower; more of 20,000 columns leave the cache."""
MOST_ROWS = 2**15
PRODUCT_VALUES = 2**19
"""Values of products that are made in one call; more leave the cache."""
TILED_VALUES = 4096
"""Values in the rows from which the centre is subtracted at once."""
MIXED_FROM = 48
"""Columns from which products in float32 save more than the rounding of rows costs."""

Values = npt.NDArray[Any]


class RowSlab:
    """Centred rows in a reused buffer, without the intercept's column of ones."""

    def __init__(
        self,
        centre: FloatArray,
        *,
        fit_intercept: bool,
        precision: str = "double",
        order: int = 2,
    ) -> None:
        self._first = int(fit_intercept)
        self.n_params = len(centre) + self._first
        self.length = (long_rows if order == 2 else short_rows)(self.n_params)
        self._type = np.dtype("f4" if precision == "single" else "f8")
        self._centre = np.tile(centre, max(1, TILED_VALUES // max(1, len(centre))))
        with np.errstate(over="ignore"):  # used for rows in float32, whose means fit
            self._centre_single = self._centre.astype("f4")
        self._buffer = np.empty((self.length, len(centre)), self._type)
        self._loaded = self._buffer[:0]
        mixed = precision == "mixed"
        self._rounded = np.empty(self._buffer.shape, "f4") if mixed else self._buffer
        self._product = np.empty((0, 0, 0), self._rounded.dtype)
        self._squares = np.empty((0, 0))
        self.rounding = 0.0 if precision == "double" else SINGLE_ROUNDING
        """g, by which products are off at most, relative to sqrt(H_jj H_kk)."""
        self._step = PRODUCT_ROWS if mixed else self.length

    def load(self, X: Values) -> Values:
        """Return the centred rows, shape (n_rows, n_features)."""
        X = as_dense(X)
        z = self._loaded = self._buffer[: len(X)]
        if not self._first:
            np.copyto(z, X, casting="same_kind")
        elif self._type == np.float32 and np.can_cast(X.dtype, np.float32):
            _subtract(X, self._centre_single, z)
        elif X.dtype == np.float64:
            _subtract(X, self._centre, z)
        else:  # numpy subtracts mixed types half as fast as it copies them first
            np.copyto(z, X, casting="same_kind")
            _subtract(z, self._centre, z)
        return z

    def predict(self, params: FloatArray) -> Values:
        """Return the linear predictor of the loaded rows, shape (n_rows,)."""
        params = params.astype(self._type, copy=False)
        eta = self._loaded @ params[self._first :]
        if self._first:
            eta += params[0]
        return np.asarray(eta)

    def project(self, values: Values) -> FloatArray:
        """Return sum_i values_i z_i over the loaded rows, shape (n_params,)."""
        total = np.empty(self.n_params)
        if self._first:
            total[0] = values.sum(dtype=np.float64)
        total[self._first :] = values.astype(self._type, copy=False) @ self._loaded
        return total

    def add_projection(self, total: FloatArray, values: Values) -> None:
        """Add sum_i values_i z_i over the loaded rows to ``total``."""
        total += self.project(values)

    def predict_points(self, params: FloatArray) -> Values:
        """Return the linear predictors of params (n_params, n_points), by points."""
        params = params.astype(self._type, copy=False)
        eta = params[self._first :].T @ self._loaded.T
        if self._first:
            eta += params[0][:, None]
        return np.asarray(eta)

    def project_points(self, values: Values, out: FloatArray) -> FloatArray:
        """Return sum_i values_bi z_i for every b, shape (n_params, n_points)."""
        if self._first:
            values.sum(axis=1, dtype=np.float64, out=out[0])
        np.matmul(self._loaded.T, values.T, out=out[self._first :])
        return out

    def add_points(
        self, total: FloatArray, values: Values, product: FloatArray
    ) -> None:
        """Add sum_i values_bi z_i for every b to ``total``, by way of ``product``."""
        total += self.project_points(values, product)

    def square_sums(
        self, units: FloatArray, weight: FloatArray | None
    ) -> tuple[float, FloatArray]:
        """Return the largest squared norm of a scaled row, and sum_i s_i z_ij^2.

        The norm is rounded up, so that it is a bound in float32 too.
        """
        z, first = self._loaded, self._first
        if not self._squares.size:
            self._squares = np.empty_like(self._buffer)
        squares = np.multiply(z, z, out=self._squares[: len(z)])
        ones = np.ones(len(z)) if weight is None else weight
        total = np.empty(self.n_params)
        total[:first] = ones.sum()
        total[first:] = ones.astype(self._type, copy=False) @ squares
        scaled = squares @ (units[first:] ** 2).astype(self._type)
        slack = 1 + (self.n_params + 8) * float(np.finfo(self._type).eps)
        return first + float(scaled.max()) * slack, total

    def project_groups(self, matrix: csr_array, out: FloatArray) -> None:
        """Set out to the matrix, (n_groups, n_rows), times the loaded rows."""
        if self._first:
            out[:, 0] = matrix @ np.ones(matrix.shape[1])
        out[:, self._first :] = matrix @ self._loaded

    def add_information(self, total: FloatArray, weight: Values | None) -> None:
        """Add sum_i weight_i z_i z_i' to ``total``; the loaded rows are used up."""
        z, first = self._loaded, self._first
        if first:
            ones = np.ones(len(z)) if weight is None else weight
            line = self.project(ones)
            total[0] += line
            total[1:, 0] += line[1:]
        rounded = self._rounded[: len(z)]
        if rounded is not z and rounded.dtype != z.dtype:
            np.copyto(rounded, z, casting="same_kind")
        if weight is not None:
            root = np.sqrt(weight).astype(rounded.dtype, copy=False)
            np.multiply(rounded, root[:, None], out=rounded)
        self._add_products(total[first:, first:], rounded)

    def _add_products(self, total: FloatArray, z: Values) -> None:
        """Add z'z, summed from the products of so many rows each.

        Many small ones are one call of numpy, in which the thread does not need the
        interpreter's lock; numpy hands a product with itself to BLAS syrk.
        """
        step, width = self._step, z.shape[1]
        together = step * max(1, PRODUCT_VALUES // width**2)
        for low in range(0, len(z) - step + 1, together):
            parts = z[low : low + together]
            parts = parts[: len(parts) // step * step].reshape(-1, step, width)
            products = self._products(len(parts))
            np.matmul(parts.transpose(0, 2, 1), parts, out=products)
            one = len(parts) == 1
            total += products[0] if one else products.sum(axis=0, dtype=float)
        rest = z[len(z) // step * step :]
        if len(rest):
            total += np.matmul(rest.T, rest, out=self._products(1)[0])

    def _products(self, count: int) -> Values:
        """Return a buffer of so many products."""
        if len(self._product) < count:
            width = self._buffer.shape[1]
            self._product = np.empty((count, width, width), self._rounded.dtype)
        return self._product[:count]


def _subtract(X: Values, tiled: Values, out: Values) -> None:
    """Set out to X minus the centre, which is given for several rows at once.

    numpy goes along all of them, which takes three quarters of the time.
    """
    inside, width = 0, X.shape[1]
    if X.flags.c_contiguous and width:
        rows = len(tiled) // width
        inside = len(X) // rows * rows
        shape = (-1, len(tiled))
        lines = X[:inside].reshape(shape), tiled, out[:inside].reshape(shape)
        np.subtract(*lines, casting="same_kind")
    centre = tiled[:width]
    np.subtract(X[inside:], centre, out=out[inside:], casting="same_kind")


def long_rows(n_params: int) -> int:
    """Return the length of a slab of which products are made.

    Four times what the second-level cache holds: what threads lose whenever they meet
    at the interpreter's lock, several times a slab, is more than the cache gains.
    """
    return min(max(4 * CACHE_VALUES // n_params, 1024), MOST_ROWS)


def short_rows(n_params: int) -> int:
    """Return the length of a slab of which no product for the Hessian is made.

    Thousands of columns leave the cache with a thousand rows, and nothing is gained by
    more than a few.
    """
    if n_params < SHORT_FROM:
        return slab_rows(n_params)
    return max(FEWEST_ROWS, CACHE_VALUES // n_params)
