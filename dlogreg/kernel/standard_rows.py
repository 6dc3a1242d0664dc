"""Rows in the solver's coordinates, for kernels of many models.

Rows are centred before they are rounded, and scaled, so that neither shifts nor scales
of columns matter in float32.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from dlogreg.evaluation import PRODUCT_ROWS, FloatArray
from dlogreg.kernel.csr import as_dense


TILE_ROWS = 32


class StandardRows:
    """A reused buffer of centred and scaled rows, the intercept's 1 first."""

    def __init__(
        self,
        centre: FloatArray,
        units: FloatArray,
        length: int,
        *,
        fit_intercept: bool,
        type_: npt.DTypeLike = np.float64,
    ) -> None:
        self.length = length
        self.type = np.dtype(type_)
        self._first = int(fit_intercept)
        self._rows = np.empty((length, len(units)), self.type)
        self._rows[:, : self._first] = 1.0
        self._centre = centre
        rounded = centre.astype("f4")
        own = centre if self.type == np.float64 else rounded
        self._own, self._rest = self._tile(own), self._tile(centre - rounded)
        self._units = self._tile(units[self._first :], 1.0)

    def load(self, X: Any) -> npt.NDArray[Any]:
        """Return the rows, shape (n_rows, n_params)."""
        z = self._rows[: len(X)]
        inside = z[:, self._first :]
        X = as_dense(X)
        if self.type == np.float64 or X.dtype == self.type:
            np.copyto(inside, X, casting="same_kind")
            self._apply(np.subtract, z, self._own)
            if self.type != np.float64:  # what is near the centre loses nothing
                self._apply(np.subtract, z, self._rest)
        else:
            np.subtract(X, self._centre, out=inside, casting="same_kind")
        self._apply(np.multiply, z, self._units)
        return z

    def _tile(self, values: FloatArray, first: float = 0.0) -> npt.NDArray[Any]:
        """Return a line of values for some rows on end, the intercept's among them."""
        line = np.concatenate([np.full(self._first, first), values])
        return np.tile(line, TILE_ROWS).astype(self.type)

    def _apply(
        self, change: np.ufunc, z: npt.NDArray[Any], tile: npt.NDArray[Any]
    ) -> None:
        """Change rows in place by a line; numpy is slow where lines are short."""
        whole = len(z) // TILE_ROWS * TILE_ROWS
        lines, rest = z[:whole].reshape(-1, len(tile)), z[whole:].reshape(-1)
        change(lines, tile, out=lines)
        change(rest, tile[: len(rest)], out=rest)


def add_gram(total: FloatArray, z: npt.NDArray[Any]) -> None:
    """Add z'z to a sum in float64, in float32 from products of few rows each.

    Many products are one call of numpy, in which the thread does not need the
    interpreter's lock; numpy hands a product with itself to BLAS syrk.
    """
    if not len(z):
        return
    n_products = -(-len(z) // PRODUCT_ROWS) if z.itemsize == 4 else 1
    step = len(z) // n_products
    whole = n_products * step
    parts = z[:whole].reshape(-1, step, z.shape[1])
    products = np.matmul(parts.transpose(0, 2, 1), parts)
    total += products.sum(axis=0, dtype=np.float64)
    if whole < len(z):
        total += z[whole:].T @ z[whole:]
