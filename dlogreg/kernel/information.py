"""Where slabs sum z z': matrices of the size and order that each kind of rows adds to.

Mixed rows add products of categories one by one, those above the diagonal alone, and
into one line and column more than there are params: there stands what a row without
an indicator would add. The matrix is completed when its leaf is.
"""

from __future__ import annotations

import numpy as np

from dlogreg.evaluation import FloatArray
from dlogreg.row_kind import RowKind

TURNED_LINES = 128
"""Lines of a matrix that are turned at once, so that both sides stay in the cache."""


def information_sums(n_params: int, kind: int) -> FloatArray:
    """Return zeros to which slabs of this kind of rows add sum w z z'."""
    side = n_params + (kind == RowKind.MIXED)
    return np.zeros((side, side))


def completed(total: FloatArray, kind: int) -> FloatArray:
    """Return the symmetric matrix of the sums, shape (n_params, n_params)."""
    if kind != RowKind.MIXED:
        return total
    side = len(total) - 1
    found = np.ascontiguousarray(total[:side, :side])
    for low in range(0, side, TURNED_LINES):
        lines = slice(low, low + TURNED_LINES)
        square = found[lines, lines]
        square[...] = np.triu(square) + np.triu(square, 1).T
        for left in range(0, low, TURNED_LINES):
            columns = slice(left, left + TURNED_LINES)
            found[lines, columns] = found[columns, lines].T
    return found


def point_sums(shape: tuple[int, int], kind: int) -> FloatArray:
    """Return zeros for sums of several vectors, in the order that slabs add to."""
    return np.zeros(shape, order="C" if kind == RowKind.DENSE else "F")
