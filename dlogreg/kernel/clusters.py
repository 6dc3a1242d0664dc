"""Scores summed over the rows of every group, slab by slab.

With the residuals r_i = p_i - y_i and weights s_i, a group's score is

    u_g = sum_{i in g} s_i r_i z_i,

one line of a sparse matrix of groups by rows times the slab. Beside it stands the
group's weight, for the proven error of what is made of the scores.
"""

from __future__ import annotations

import numpy as np
from scipy.sparse import csr_array

from dlogreg.evaluation import FloatArray
from dlogreg.kernel.block import Rows
from dlogreg.kernel.slabs import AnySlab
from dlogreg.keyed_sums import KeyedSums, label_keys


def cluster_scores(
    rows: Rows,
    values: FloatArray,
    weight: FloatArray | None,
    slab: AnySlab,
    most: int,
) -> KeyedSums:
    """Return sum values_i z_i over the loaded rows of every group, and its weight.

    Parameters
    ----------
    rows
        The loaded rows, with their groups.
    values
        s_i r_i, shape (n_rows,).
    weight
        s_i, or None where every row counts as one.
    slab
        What the rows are loaded in.
    most
        Most groups.
    """
    assert rows.groups is not None
    keys, codes = np.unique(label_keys(rows.groups), return_inverse=True)
    order = np.argsort(codes, kind="stable")
    ends = np.bincount(codes, minlength=len(keys)).cumsum()
    starts = np.concatenate([[0], ends])
    matrix = csr_array((values[order], order, starts), shape=(len(keys), len(codes)))
    sums = np.empty((len(keys), slab.n_params + 1))
    slab.project_groups(matrix, sums[:, :-1])
    sums[:, -1] = np.bincount(codes, weight, minlength=len(keys))
    return KeyedSums(keys, sums, most)


def count_clusters(rows: Rows, most: int) -> KeyedSums:
    """Return the number of rows of every group."""
    if rows.groups is None or not len(rows):
        return KeyedSums.empty(1, most)
    keys, counts = np.unique(label_keys(rows.groups), return_counts=True)
    return KeyedSums(keys, counts[:, None].astype(np.float64), most)
