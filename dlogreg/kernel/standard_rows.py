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
SCALED_VALUES = 2**18
"""Of rows multiplied by roots at once: fewer calls, at which threads wait for each
other, are worth more than the second-level cache."""


WHOLE = 4
"""Columns that BLAS takes together: 51 cost a fifth more than 52."""


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
        self._rounded: npt.NDArray[np.float32] | None = None
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

    def rounded(self, z: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
        """Return loaded rows in float32, in another buffer and filled up with zeros."""
        width = z.shape[1]
        if self._rounded is None:
            full = -(-width // WHOLE) * WHOLE
            self._rounded = np.zeros((self.length, full), np.float32)
        rows = self._rounded[: len(z)]
        np.copyto(rows[:, :width], z, casting="same_kind")
        return rows

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


def add_grams(totals: FloatArray, z: npt.NDArray[Any], roots: npt.NDArray[Any]) -> None:
    """Add sum_i root_i^2 z_i z_i' to sums in float64, for several lines of roots.

    In float32 from products of few rows each. Many products are one call of numpy, in
    which the thread does not need the interpreter's lock; numpy hands a product with
    itself to BLAS syrk. Rows may be wider than the sums, by zeros.
    """
    n_rows, width = z.shape
    n_products = -(-n_rows // PRODUCT_ROWS) if z.itemsize == 4 else 1
    step = -(-n_rows // max(1, n_products))
    together, own = max(1, SCALED_VALUES // max(1, z.size)), totals.shape[-1]
    for low in range(0, len(totals) if n_rows else 0, together):
        some = roots[low : low + together]
        scaled = np.empty((len(some), n_products * step, width), z.dtype)
        np.multiply(z, some[:, :, None], out=scaled[:, :n_rows])
        scaled[:, n_rows:] = 0.0
        parts = scaled.reshape(len(some), n_products, step, width)
        products = np.matmul(parts.swapaxes(2, 3), parts).sum(axis=1, dtype=np.float64)
        totals[low : low + together] += products[:, :own, :own]
