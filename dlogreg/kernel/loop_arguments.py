"""Compiled loops, and arrays in the forms that they are compiled for."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import numpy as np
import numpy.typing as npt

from dlogreg.evaluation import FloatArray
from dlogreg.extras import DISABLED, WITHOUT_NUMBA, require
from dlogreg.kernel.csr import as_dense

TYPES = (np.dtype("f4"), np.dtype("f8"))
"""Of rows that are used as they are; others are copied as float64."""

ALIGNED = 64
"""Bytes of a line of the cache: a vector that lies across two takes as long as two."""
NO_WEIGHT = np.empty(0)

OTHERWISE = f", on every worker, or fit without it: {WITHOUT_NUMBA}"

Values = npt.NDArray[Any]


def loops_of(name: str) -> Any:
    """Return a module of compiled loops; where numba makes none, say what to do."""
    if require("numba", "numba", OTHERWISE).config.DISABLE_JIT:
        raise ImportError(DISABLED + OTHERWISE)
    return import_module(f"dlogreg.kernel.{name}")


def rows_of(X: Values) -> Values:
    """Return rows in one of the forms that loops are compiled for: never written to.

    What may not be written to, as memory that is mapped or shared, is another type to
    numba; so all rows are of it.
    """
    X = as_dense(X)
    dtype = X.dtype if X.dtype in TYPES else np.float64
    rows = np.require(X, dtype, ("C", "A", "E")).view()
    rows.flags.writeable = False
    return rows


def as_weight(given: FloatArray | None) -> FloatArray:
    """Return weights or offsets; none at all where none are given."""
    return NO_WEIGHT if given is None else doubles(given)


def doubles(values: Values) -> FloatArray:
    """Return values in a form of which there is one kind: numba compiles for each."""
    return np.require(values, np.float64, ("C", "A", "W"))


def flags(event: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Return flags one after the other, as they are read by whole vectors."""
    return np.require(event, bool, ("C", "W"))


def aligned_zeros(shape: tuple[int, ...], dtype: npt.DTypeLike = float) -> Values:
    """Return zeros that begin where a line of the cache begins."""
    n_bytes = int(np.prod(shape)) * np.dtype(dtype).itemsize
    whole = np.zeros(n_bytes + ALIGNED, np.uint8)
    start = -whole.ctypes.data % ALIGNED
    return whole[start : start + n_bytes].view(dtype).reshape(shape)
