"""Rows with a missing value, found and left out block by block."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from dlogreg.kernel import CSR, Rows

ROWS_AT_ONCE = 8192
"""Rows of X that are looked through at once, to hold no mask of all."""


def check_missing_option(missing: str) -> str:
    """Return "raise" or "drop", or say that these are the choices."""
    if missing not in ("raise", "drop"):
        raise ValueError(f"missing must be 'raise' or 'drop', not {missing!r}")
    return missing


def complete_rows(rows: Rows) -> Rows:
    """Return the rows that have all their values.

    Those of weight 0 stay: they count as removed already.
    """
    missing = _missing(rows)
    if rows.sample_weight is not None:
        missing &= rows.sample_weight != 0
    if not missing.any():
        return rows
    fitted = missing if rows.held is None else missing & ~rows.held
    return replace(rows.chosen(np.flatnonzero(~missing)), n_dropped=int(fitted.sum()))


def _missing(rows: Rows) -> npt.NDArray[np.bool_]:
    """Return where some value is missing."""
    found = is_missing(rows.y)
    if isinstance(rows.X, CSR):
        places = np.flatnonzero(np.isnan(rows.X.data)).tolist()
        found[[rows.X.row_of(place) for place in places]] = True
    elif rows.X.dtype.kind == "f":
        for low in range(0, len(rows), ROWS_AT_ONCE):
            cut = slice(low, low + ROWS_AT_ONCE)
            found[cut] |= np.isnan(rows.X[cut]).any(axis=1)
    for values in (rows.sample_weight, rows.offset):
        if values is not None:
            found |= np.isnan(values)
    if rows.groups is not None:
        found |= is_missing(rows.groups)
    return found


def is_missing(labels: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
    """Return where labels are NaN, None or of pandas' kinds of missing values."""
    if labels.dtype.kind == "f":
        return np.asarray(np.isnan(labels))
    if labels.dtype.kind in "mM":
        return np.asarray(np.isnat(labels))
    if labels.dtype != object:
        return np.zeros(len(labels), dtype=bool)
    return np.fromiter(map(_absent, labels), dtype=bool, count=len(labels))


def _absent(value: Any) -> bool:
    if value is None or type(value).__name__ in ("NAType", "NaTType"):
        return True
    return isinstance(value, float) and np.isnan(value)


def none_as_nan(name: str, values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return weights and offsets as numbers also where some of them are None."""
    if name not in ("sample_weight", "offset") or values.dtype != object:
        return values
    return np.where(is_missing(values), np.nan, values)
