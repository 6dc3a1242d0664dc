"""Where slabs sum z z': matrices of the size and order that each kind of rows adds to.

Mixed rows add products of categories one by one, those above the diagonal alone. The
code of rows without an indicator is one past the last column: what they add comes to
stand in two lines below the matrix, or in the first column of the next line, below the
diagonal. All of that is overwritten or cut off when the leaf is done.
"""

from __future__ import annotations

import numpy as np

from dlogreg import long_vectors
from dlogreg.evaluation import FloatArray
from dlogreg.row_kind import RowKind
from dlogreg.spare_matrices import spare_matrices

TURNED_LINES = 128
"""Lines of a matrix that are turned at once, so that both sides stay in the cache."""


def information_sums(n_params: int, kind: int) -> FloatArray:
    """Return zeros to which slabs of this kind of rows add sum w z z'."""
    return spare_matrices.zeros((n_params + 2 * (kind == RowKind.MIXED), n_params))


def completed(total: FloatArray, kind: int) -> FloatArray:
    """Return the symmetric matrix of the sums, shape (n_params, n_params)."""
    if kind != RowKind.MIXED:
        return total
    found = total[:-2]
    for low in range(0, len(found), TURNED_LINES):
        lines = slice(low, low + TURNED_LINES)
        square = found[lines, lines]
        square[...] = np.triu(square) + np.triu(square, 1).T
        for left in range(0, low, TURNED_LINES):
            columns = slice(left, left + TURNED_LINES)
            found[lines, columns] = found[columns, lines].T
    return found


def point_sums(shape: tuple[int, int], kind: int) -> FloatArray:
    """Return zeros for sums of several vectors, in the order that slabs add to."""
    return long_vectors.zeros(shape, order="C" if kind == RowKind.DENSE else "F")
