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
        self._rounded = centre.astype("f4")
        self._rest = (centre - self._rounded).astype("f4")
        self._units = units[self._first :].astype(self.type)

    def load(self, X: Any) -> npt.NDArray[Any]:
        """Return the rows, shape (n_rows, n_params)."""
        z = self._rows[: len(X)]
        inside = z[:, self._first :]
        X = as_dense(X)
        if X.dtype == self.type == np.float32:  # what is near the centre loses nothing
            np.subtract(X, self._rounded, out=inside)
            inside -= self._rest
        elif self.type == np.float64:  # of mixed types numpy copies first, and slower
            np.copyto(inside, X, casting="same_kind")
            inside -= self._centre
        else:
            np.subtract(X, self._centre, out=inside, casting="same_kind")
        inside *= self._units
        return z


def add_gram(total: FloatArray, z: npt.NDArray[Any]) -> None:
    """Add z'z to a sum in float64, in float32 from products of few rows each.

    Many products are one call of numpy, in which the thread does not need the
    interpreter's lock; numpy hands a product with itself to BLAS syrk.
    """
    step = PRODUCT_ROWS if z.itemsize == 4 else len(z)
    whole = len(z) // step * step
    if whole:
        parts = z[:whole].reshape(-1, step, z.shape[1])
        products = np.matmul(parts.transpose(0, 2, 1), parts)
        total += products.sum(axis=0, dtype=np.float64)
    if whole < len(z):
        total += z[whole:].T @ z[whole:]
