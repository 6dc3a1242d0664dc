"""Grouped rows: y successes among so many trials, as rows of one outcome each.

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


def split_trials(rows: Rows, trials: npt.NDArray[Any]) -> Rows:
    """Return two rows for every row, the successes first; y and trials are checked."""
    used = np.ones(len(rows), dtype=bool)
    if rows.sample_weight is not None:
        used = rows.sample_weight != 0  # NaN and negative ones are refused later
    counts = {
        "trials": _counts("trials", trials, rows, used),
        "y": _counts("y", rows.y, rows, used),
    }
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
    )


def _twice(values: npt.NDArray[Any] | None) -> npt.NDArray[Any] | None:
    return None if values is None else np.repeat(values, 2, axis=0)


def _counts(
    name: str, values: npt.NDArray[Any], rows: Rows, used: npt.NDArray[np.bool_]
) -> FloatArray:
    """Return whole numbers that are not negative."""
    try:
        found = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise DataError(
            f"{name} holds {error} in block {rows.index}; with trials= both must be "
            "counts"
        ) from error
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
