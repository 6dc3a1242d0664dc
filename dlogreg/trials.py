"""Grouped rows: y successes among so many trials, as rows of one outcome each.

y counts the successes, or holds their shares; which of the two is decided for all rows
before the first pass (``shares.py``).

A row of n trials with y successes is read as two: one of the event with weight y and
one of the other outcome with weight n - y. Weights are frequencies, so that everything
equals the n rows of single trials; a side without trials has weight 0 and is left out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from dlogreg.errors import DataError
from dlogreg.evaluation import FloatArray
from dlogreg.kernel import Rows

FAILURE, SUCCESS = 0, 1
"""The labels that rows of trials get."""
WHOLE = 1e-9
"""Counts may be so far from whole, relatively: products of shares are rounded."""
WHOLE_SHARE = 1e-6
"""The same of shares times trials: shares may have been written with few digits."""


def split_trials(rows: Rows, trials: npt.NDArray[Any], *, shares: bool = False) -> Rows:
    """Return two rows for every row, the successes first; y and trials are checked.

    With ``shares``, y holds shares of successes instead of counts.
    """
    used = np.ones(len(rows), dtype=bool)
    if rows.sample_weight is not None:
        used = rows.sample_weight != 0  # NaN and negative ones are refused later
    counts = {"trials": _counts("trials", trials, rows, used)}
    if shares:
        used = used & (counts["trials"] > 0)
        counts["y"] = _of_shares(rows, counts["trials"], used)
    else:
        counts["y"] = _counts("y", rows.y, rows, used)
    _check_at_most(counts, rows, used)
    successes = np.where(used, counts["y"], 0.0)
    failures = np.where(used, counts["trials"], 0.0) - successes
    weight = np.stack([successes, failures], axis=1)
    if rows.sample_weight is not None:
        weight *= rows.sample_weight[:, None]
    return replace(
        rows,
        X=rows.X[np.repeat(np.arange(len(rows)), 2)],
        y=np.tile(np.array([SUCCESS, FAILURE]), len(rows)),
        sample_weight=weight.ravel(),
        start=None if rows.start is None else 2 * rows.start,
        copies=2,
        beside=_twice(rows.beside),
        offset=_twice(rows.offset),
        groups=_twice(rows.groups),
        held=_twice(rows.held),
        numbers=_twice(rows.numbers),
    )


def _twice(values: npt.NDArray[Any] | None) -> npt.NDArray[Any] | None:
    return None if values is None else np.repeat(values, 2, axis=0)


def _counts(
    name: str, values: npt.NDArray[Any], rows: Rows, used: npt.NDArray[np.bool_]
) -> FloatArray:
    """Return whole numbers that are not negative."""
    found = _as_numbers(name, values, rows)
    nearest = np.rint(found)
    with np.errstate(invalid="ignore"):
        whole = np.abs(found - nearest) <= WHOLE * np.maximum(1.0, nearest)
    bad = used & ~(np.isfinite(found) & (nearest >= 0) & whole)
    if bad.any():
        row = int(np.flatnonzero(bad)[0])
        advice = "; multiply shares by their trials" if name == "y" else ""
        raise DataError(
            f"{name} is {found[row]:g} in {rows.place(row)}, but with trials= y counts "
            f"the successes among them, and both must be whole numbers from 0{advice}"
        )
    return nearest


def _of_shares(
    rows: Rows, trials: FloatArray, used: npt.NDArray[np.bool_]
) -> FloatArray:
    """Return the successes, where y holds their shares of the trials."""
    share = _as_numbers("y", rows.y, rows)
    bad = used & ~((share >= 0) & (share <= 1))
    if bad.any():
        row = int(np.flatnonzero(bad)[0])
        raise DataError(
            f"y is {share[row]:g} in {rows.place(row)}, but other rows hold fractions, "
            "so that with trials= y is taken for shares of successes, which lie from "
            "0 to 1; give counts or shares in all rows"
        )
    found = np.where(used, share, 0.0) * trials
    nearest = np.rint(found)
    bad = used & (np.abs(found - nearest) > WHOLE_SHARE * np.maximum(1.0, nearest))
    if bad.any():
        row = int(np.flatnonzero(bad)[0])
        raise DataError(
            f"y is {share[row]:.10g} in {rows.place(row)}, and that share of "
            f"{trials[row]:g} trials is {found[row]:.10g} successes, which must be "
            "whole; give shares with more digits, or counts"
        )
    return nearest


def _as_numbers(name: str, values: npt.NDArray[Any], rows: Rows) -> FloatArray:
    try:
        return np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise DataError(
            f"{name} holds {error} in block {rows.index}; with trials= both must be "
            "numbers"
        ) from error


def _check_at_most(
    counts: Mapping[str, FloatArray], rows: Rows, used: npt.NDArray[np.bool_]
) -> None:
    bad = used & (counts["y"] > counts["trials"])
    if bad.any():
        row = int(np.flatnonzero(bad)[0])
        raise DataError(
            f"y is {counts['y'][row]:g} in {rows.place(row)}, of "
            f"{counts['trials'][row]:g} trials; y counts the successes among the trials"
        )
