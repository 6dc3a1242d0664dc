"""Whether a compressed sparse matrix is one, before compiled loops trust it."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from dlogreg.errors import DataError

Array = npt.NDArray[Any]

ADVICE = (
    "build it again, for example with scipy.sparse.coo_array((values, (rows, columns)),"
    " shape).tocsr()"
)


def check_well_formed(matrix: Any, what: str = "X") -> None:
    """Refuse compressed rows or columns whose three arrays do not fit each other.

    scipy's loops read where ``indptr`` and ``indices`` point, in the memory of others
    too if these are wrong. Formats other than CSR and CSC are left to scipy.

    Raises
    ------
    DataError
        With the first row, or column, that is broken, and what is wrong with it.
    """
    if getattr(matrix, "format", None) not in ("csr", "csc"):
        return
    by_row = matrix.format == "csr"
    n_lines, n_across = matrix.shape if by_row else matrix.shape[::-1]
    line, across = ("row", "column") if by_row else ("column", "row")
    fault = _of_borders(matrix, n_lines, line) or _of_places(
        matrix, n_lines, n_across, line, across
    )
    if fault:
        raise DataError(f"{what} is no sparse matrix: {fault}; {ADVICE}")


def _of_borders(matrix: Any, n_lines: int, line: str) -> str:
    """Return what is wrong with where lines begin and end, or nothing."""
    indptr, n_values = np.asarray(matrix.indptr), len(matrix.data)
    if indptr.shape != (n_lines + 1,):
        count = f"{n_lines:,} {line}{'s' * (n_lines != 1)}"
        return f"indptr has {indptr.size:,} entries, and {count} need {n_lines + 1:,}"
    if len(matrix.indices) != n_values:
        return f"it has {n_values:,} values, and {len(matrix.indices):,} indices"
    if indptr[0] != 0:
        return f"{line} 0 begins at value {indptr[0]}, and not at 0"
    broken = np.flatnonzero((indptr[1:] < indptr[:-1]) | (indptr[1:] > n_values))
    if not len(broken):
        return ""
    first = int(broken[0])
    begin, end = indptr[first : first + 2].tolist()
    return (
        f"{line} {first:,} begins at value {begin:,} and ends at {end:,}, of "
        f"{n_values:,} values"
    )


def _of_places(matrix: Any, n_lines: int, n_across: int, line: str, across: str) -> str:
    """Return what is wrong with where values stand in their lines, or nothing."""
    used = matrix.indices[: matrix.indptr[-1]]
    if not len(used) or 0 <= used.min() <= used.max() < n_across:
        return ""
    place = int(np.flatnonzero((used < 0) | (used >= n_across))[0])
    own = int(np.searchsorted(matrix.indptr, place, side="right")) - 1
    return (
        f"{line} {own:,} has a value in {across} {used[place]:,}, and there are "
        f"{n_across:,} {across}s, counted from 0"
    )
