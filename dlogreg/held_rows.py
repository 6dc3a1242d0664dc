"""Which rows are held out of a fit: those that a vector marks, or a share of all.

A share is drawn by a hash of the row's number, so that it does not depend on how rows
are cut in blocks.
"""

from __future__ import annotations

from dataclasses import replace
from numbers import Real
from typing import Any

import numpy as np
import numpy.typing as npt

from dlogreg.errors import DataError
from dlogreg.kernel import Rows
from dlogreg.kernel.folds import hashed

SEED = 1
"""Of the hash; another one than that of folds."""
LARGEST_SHARE = 0.9
ROWS_AT_ONCE = 8192
"""Rows that are numbered and hashed at once: their numbers take more than a mark."""


def split_holdout(holdout: Any) -> tuple[float, Any]:
    """Return the share that is drawn, 0 if none is, and the vector of marks or None.

    Raises
    ------
    ValueError
        If it is a number that is no share, or neither number nor vector.
    """
    if holdout is None:
        return 0.0, None
    if np.iterable(holdout) and not isinstance(holdout, str | bytes | dict | set):
        return 0.0, holdout
    is_number = isinstance(holdout, Real) and not isinstance(holdout, bool | np.bool_)
    if not (is_number and 0 < holdout < LARGEST_SHARE):
        raise ValueError(
            f"holdout must be a share of the rows, above 0 and below {LARGEST_SHARE}, "
            f"or True or False for every row, not {holdout!r}"
        )
    return float(holdout), None


def with_held(rows: Rows, marks: npt.NDArray[Any] | None, share: float) -> Rows:
    """Return the rows of a block, those marked or drawn held out."""
    if marks is not None:
        return replace(rows, held=_flags(marks, rows))
    if not share:
        return rows
    assert rows.start is not None
    held = np.empty(len(rows), dtype=bool)
    for low in range(0, len(rows), ROWS_AT_ONCE):
        high = min(low + ROWS_AT_ONCE, len(rows))
        numbers = np.arange(rows.start + low, rows.start + high, dtype=np.uint64)
        held[low:high] = hashed(numbers, SEED) < np.uint64(int(share * 2**64))
    return replace(rows, held=held)


def _flags(marks: npt.NDArray[Any], rows: Rows) -> npt.NDArray[np.bool_]:
    if marks.dtype.kind == "b":
        return np.asarray(marks)
    values = marks.tolist()
    wrong = [i for i, value in enumerate(values) if not isinstance(value, bool)]
    if wrong:
        raise DataError(
            f"holdout is {values[wrong[0]]!r} in {rows.place(wrong[0])}; it must be "
            "True or False in every row"
        )
    return np.array(values, dtype=bool)
