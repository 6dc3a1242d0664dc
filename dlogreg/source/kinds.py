"""Tells what kind of data the user gave."""

from __future__ import annotations

from typing import Any

import dask.array as da
import numpy as np
from dask.delayed import Delayed
from scipy.sparse import issparse

from dlogreg.errors import DataError
from dlogreg.kernel import CSR
from dlogreg.source.sparse_store import StoredCSR, is_csr_group

NOT_AN_ARRAY = (
    "a dask {} is not an array; make it one, for example with dask.array.from_delayed"
)


def kind_of(X: Any) -> str:
    """Return the kind of X.

    That is "numpy", "zarr", "csr", "zarr csr", "dask", "dask dataframe" or "pandas".
    """
    root = type(X).__module__.partition(".")[0]
    if isinstance(X, Delayed):  # which claims to have any method
        raise DataError(NOT_AN_ARRAY.format(type(X).__name__))
    if issparse(X) or isinstance(X, CSR):
        return "csr"
    if isinstance(X, StoredCSR):
        return "zarr csr"
    if hasattr(X, "tocsr") or hasattr(X, "todense"):
        raise DataError(
            f"{type(X).__name__} is not one of scipy's sparse arrays; convert it, for "
            "example with X.tocsr()"
        )
    if isinstance(X, np.ma.MaskedArray):
        advice = "fill it, for example with X.filled(np.nan), and leave such rows out"
        raise DataError(f"masked arrays are not supported; {advice}")
    if root == "zarr":
        if hasattr(X, "chunks"):
            return "zarr"
        if is_csr_group(X):
            return "zarr csr"
        raise DataError('this is a Zarr group; give one of its arrays, as group["X"]')
    if root == "dask":
        if isinstance(X, da.Array):
            return "dask"
        if hasattr(X, "map_partitions") and hasattr(X, "ndim"):
            return "dask dataframe"
        raise DataError(NOT_AN_ARRAY.format(type(X).__name__))
    if root == "pandas":
        return "pandas"
    return "numpy"
