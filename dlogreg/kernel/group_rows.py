"""Rows of a slab sorted by their groups, and sums over the rows of each group."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from dlogreg.evaluation import FloatArray
from dlogreg.keyed_sums import Keys, label_keys, python_dates

Places = npt.NDArray[np.intp]

SLAB_VALUES = 2**20
"""Values of X that are sorted at once: the more, the more rows of a group meet."""
COPIES = 6
"""Matrices of such a slab in float64 that live at once."""
LONG = 4096
"""k^2 times the rows of a mean group, from which a matrix product per group is faster
than sums of products along all rows."""


def slab_length(n_params: int) -> int:
    """Return how many rows are sorted at once."""
    return max(1024, SLAB_VALUES // n_params)


def coded(labels: npt.NDArray[Any]) -> tuple[Keys, Places]:
    """Return the labels that occur, sorted, and the position of every row's.

    Of rows that are in runs of groups, only the first of every run is sorted.
    """
    keys = label_keys(labels, "by")
    heads = np.flatnonzero(np.concatenate([[True], keys[1:] != keys[:-1]]))
    if 4 * len(heads) > len(keys):
        distinct, places = np.unique(keys, return_inverse=True)
        return python_dates(distinct, "by"), places
    distinct, places = np.unique(keys[heads], return_inverse=True)
    distinct = python_dates(distinct, "by")
    return distinct, np.repeat(places, np.diff(heads, append=len(keys)))


def runs_of(places: Places) -> tuple[Places, Places, Places]:
    """Return what occurs in sorted places, where its rows begin, and how many."""
    starts = np.flatnonzero(np.concatenate([[True], places[1:] != places[:-1]]))
    return places[starts], starts, np.diff(starts, append=len(places))


def columns_of(X: npt.NDArray[Any]) -> FloatArray:
    """Return rows as lines of their columns in float64, shape (n_features, n_rows)."""
    return np.ascontiguousarray(X.T, dtype=np.float64)


def products(z: FloatArray, starts: Places, counts: Places) -> FloatArray:
    """Return sum z_i z_i' over the rows of every run.

    Parameters
    ----------
    z
        Lines of the columns, shape (k, n_rows).
    starts, counts
        Where runs begin, and their rows; together all of them.

    Returns
    -------
    array, shape (n_runs, k, k)
        Symmetric to the last bit.
    """
    k, n_rows = z.shape
    sums = np.empty((len(starts), k, k))
    if k**2 * n_rows >= LONG * len(starts):
        ends = (starts + counts).tolist()
        for i, (low, high) in enumerate(zip(starts.tolist(), ends, strict=True)):
            part = z[:, low:high]
            np.matmul(part, part.T, out=sums[i])
        return sums
    for j in range(k):
        line = np.add.reduceat(z[j:] * z[j], starts, axis=1)
        sums[:, j, j:] = line.T
        sums[:, j:, j] = line.T
    return sums
