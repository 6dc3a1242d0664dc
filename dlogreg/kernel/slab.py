"""The buffer in which a slab of rows is centred, multiplied and summed.

Slabs are kept in the second-level cache. Those of few columns lie transposed, one line
per column: numpy's loops then run along the rows, which for 5 columns is 2.5 times
faster than along the columns. From 24 columns on, rows are kept as they come: loading
them costs half, see ``kernel/row_slab.py``.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array

from dlogreg.evaluation import FloatArray
from dlogreg.kernel.csr import CSR, as_dense

CACHE_VALUES = 2**17
"""Values of float64 in a slab: 1 MiB, the usual second-level cache of a core."""

CACHE_LINE = 64
TILE_BYTES = 2**15
"""Of cache lines that the rows turned at once lie on: a column of them leaves in the
first-level cache what the next columns need."""


def slab_rows(n_params: int) -> int:
    """Return the slab's length, a function of the number of params alone.

    It fixes the order of summation, so it must not depend on the machine.
    """
    return min(max(CACHE_VALUES // n_params, 1024), 16384)


class Slab:
    """Centred columns of a slab of rows in a reused buffer, one line per column."""

    rounding = 0.0
    """Products are made in float64."""

    def __init__(self, centre: FloatArray, *, fit_intercept: bool) -> None:
        self._centre = centre[:, None]
        self._first = int(fit_intercept)
        self.n_params = len(centre) + self._first
        self.length = slab_rows(self.n_params)
        self._buffer = np.empty((self.n_params, self.length))
        self._loaded = self._buffer[:, :0]
        self._product = np.empty((0, 0))
        self._beside = np.empty((0, 0))

    def load(self, X: npt.NDArray[Any] | CSR) -> FloatArray:
        """Return the centred slab, shape (n_params, n_rows), intercept line first."""
        X = as_dense(X)
        z = self._loaded = self._buffer[:, : len(X)]
        if self._first:
            z[0] = 1.0
        lines = z[self._first :]
        step = TILE_BYTES // max(1, min(X.itemsize * X.shape[1], CACHE_LINE))
        for low in range(0, len(X), step):
            lines[:, low : low + step] = X[low : low + step].T
        if self._first:
            lines -= self._centre
        return z

    def predict(self, params: FloatArray) -> FloatArray:
        """Return the linear predictor of the loaded rows, shape (n_rows,)."""
        return np.asarray(params @ self._loaded)

    def project(self, values: FloatArray) -> FloatArray:
        """Return sum_i values_i z_i over the loaded rows, shape (n_params,)."""
        return np.asarray(self._loaded @ values)

    def add_projection(self, total: FloatArray, values: FloatArray) -> None:
        """Add sum_i values_i z_i over the loaded rows to ``total``."""
        total += self.project(values)

    def predict_points(self, params: FloatArray) -> FloatArray:
        """Return the linear predictors of params (n_params, n_points), by points."""
        return np.asarray(params.T @ self._loaded)

    def project_points(self, values: FloatArray, out: FloatArray) -> FloatArray:
        """Return sum_i values_bi z_i for every b, shape (n_params, n_points)."""
        return np.matmul(self._loaded, values.T, out=out)

    def add_points(
        self, total: FloatArray, values: FloatArray, product: FloatArray
    ) -> None:
        """Add sum_i values_bi z_i for every b to ``total``, by way of ``product``."""
        total += self.project_points(values, product)

    def square_sums(
        self, units: FloatArray, weight: FloatArray | None
    ) -> tuple[float, FloatArray]:
        """Return the largest squared norm of a scaled row, and sum_i s_i z_ij^2."""
        squares = self.squares(self._loaded)
        ones = np.ones(squares.shape[1]) if weight is None else weight
        return float((units**2 @ squares).max()), np.asarray(squares @ ones)

    def largest_norm(self, units: FloatArray) -> float:
        """Return the largest squared norm of a scaled row."""
        return float((units**2 @ self.squares(self._loaded)).max())

    def project_groups(self, matrix: csr_array, out: FloatArray) -> None:
        """Set out to the matrix, (n_groups, n_rows), times the loaded rows."""
        out[...] = matrix @ np.ascontiguousarray(self._loaded.T)

    def add_information(self, total: FloatArray, weight: FloatArray | None) -> None:
        """Add sum_i weight_i z_i z_i' to ``total``; the loaded rows are used up."""
        z = self._loaded
        if weight is not None:
            np.multiply(z, np.sqrt(weight), out=z)
        self.add_gram(total, z)

    def add_information_beside(self, total: FloatArray, weight: FloatArray) -> None:
        """Add sum_i weight_i z_i z_i' to ``total``; the rows stay loaded."""
        z = self._loaded
        scaled = self._second(z.shape[1])
        self.add_gram(total, np.multiply(z, np.sqrt(weight), out=scaled))

    def add_gram(self, total: FloatArray, z: FloatArray) -> None:
        """Add z z' to ``total``; numpy hands a product with itself to BLAS syrk."""
        if not self._product.size:
            self._product = np.empty((self.n_params, self.n_params))
        np.matmul(z, z.T, out=self._product)
        total += self._product

    def squares(self, z: FloatArray) -> FloatArray:
        """Return the squares of a slab in a second reused buffer."""
        return np.multiply(z, z, out=self._second(z.shape[1]))

    def _second(self, n_rows: int) -> FloatArray:
        """Return a part of the second buffer for so many rows."""
        if not self._beside.size:
            self._beside = np.empty_like(self._buffer)
        return self._beside[:, :n_rows]
