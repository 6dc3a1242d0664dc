"""Several outcomes of the same rows: what they are, and how many rows have which.

An outcome of a row is 1, the event, or 0, or NaN where it is not known; then the row
does not count for the model of that outcome, and for the others it does. Outcomes are
recipes about y as it is read, a matrix with a column for each, or labels of which each
is an outcome against the rest: they are never laid out as a table.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from dlogreg.errors import DataError, MissingValueError
from dlogreg.evaluation import FloatArray, Label
from dlogreg.kernel.around import AroundKernel
from dlogreg.kernel.block import Rows


@dataclass(frozen=True, slots=True)
class ColumnOutcome:
    """One column of a matrix of outcomes."""

    position: int

    def of(self, y: npt.NDArray[Any]) -> FloatArray:
        """Return 1, 0 or NaN for every row of y, shape (n_rows, n_outcomes)."""
        return np.asarray(y[:, self.position], dtype=np.float64)


@dataclass(frozen=True, slots=True)
class LabelOutcome:
    """One label against all others."""

    label: Label

    def of(self, y: npt.NDArray[Any]) -> FloatArray:
        """Return 1 or 0 for every row of y, shape (n_rows,)."""
        return np.asarray(y == self.label, dtype=np.float64)


Outcome = ColumnOutcome | LabelOutcome


def signs(rows: Rows, outcomes: Sequence[Outcome]) -> FloatArray:
    """Return +1 for events, -1 for other rows, 0 where it is not known.

    The shape is (n_outcomes, n_rows).
    """
    sign = np.array([outcome.of(rows.y) for outcome in outcomes])
    sign *= 2.0
    sign -= 1.0
    sign[np.isnan(sign)] = 0.0
    return sign


@dataclass(frozen=True, slots=True, eq=False)
class OutcomeCounts:
    """Rows of every outcome and their weights, those with the event last."""

    rows: npt.NDArray[np.int64]
    """Shape (2, n_outcomes)."""
    weights: FloatArray
    """Shape (2, n_outcomes)."""
    n_missing: npt.NDArray[np.int64]
    """Rows of which an outcome is not known, shape (n_outcomes,)."""

    def __add__(self, other: OutcomeCounts) -> OutcomeCounts:
        """Return the counts over the rows of both."""
        return OutcomeCounts(
            self.rows + other.rows,
            self.weights + other.weights,
            self.n_missing + other.n_missing,
        )


@dataclass(frozen=True, slots=True)
class OutcomeCountKernel:
    """Checks a matrix of outcomes and counts them."""

    names: tuple[str, ...]
    drops: bool
    """An outcome that is missing leaves the row out of its own model."""

    @property
    def name(self) -> str:
        """What the dashboard shows."""
        return "outcomes"

    def open(self) -> None:
        """Need no buffers."""

    def start(self) -> OutcomeCounts:
        """Return an empty count."""
        m = len(self.names)
        rows, missing = np.zeros((2, m), np.int64), np.zeros(m, np.int64)
        return OutcomeCounts(rows, np.zeros((2, m)), missing)

    def add(self, sums: OutcomeCounts, rows: Rows, buffers: None) -> None:
        """Check and count a block."""
        rows = rows.positive()
        if not len(rows):
            return
        self._check(rows)
        ones = np.ones(len(rows))
        weight = ones if rows.sample_weight is None else rows.sample_weight
        for side in (0, 1):
            found = rows.y == side
            sums.rows[side] += found.sum(axis=0)
            sums.weights[side] += weight @ found
        if rows.y.dtype.kind == "f":
            sums.n_missing[:] += np.isnan(rows.y).sum(axis=0)

    def _check(self, rows: Rows) -> None:
        """Refuse what is neither 1 nor 0, and what is missing unless that is left out.

        Raises
        ------
        DataError
            With the outcome, the row, what it holds and what to do.
        """
        if rows.y.shape != (len(rows), len(self.names)):
            raise DataError(
                f"block {rows.index} of Y has shape {rows.y.shape}, expected "
                f"{len(self.names)} columns; check how Y was built"
            )
        if rows.y.dtype.kind not in "fiub":
            raise DataError(
                f"block {rows.index} of Y holds values of type {rows.y.dtype}; "
                "outcomes are 0 and 1: convert them, for example with astype(float)"
            )
        known = (rows.y == 0) | (rows.y == 1)
        missing = np.zeros_like(known)
        if rows.y.dtype.kind == "f":
            missing = np.isnan(rows.y)
        bad = ~(known | missing) if self.drops else ~known
        if not bad.any():
            return
        row, column = (int(place) for place in np.argwhere(bad)[0])
        where = f"outcome {self.names[column]!r} is {rows.y[row, column]} in"
        if missing[row, column]:
            raise MissingValueError(
                f"{where} {rows.place(row)}; missing='drop' leaves the row out of the "
                "model of that outcome"
            )
        raise DataError(
            f"{where} {rows.place(row)}, and outcomes are 0 and 1: give y == label, or "
            "y > threshold; labels of one y go to one_vs_rest="
        )

    def finish(self, sums: OutcomeCounts) -> OutcomeCounts:
        """Return the counts."""
        return sums


@dataclass(frozen=True, slots=True, eq=False)
class OutcomeKernel(AroundKernel):
    """Runs a kernel of one outcome, or one that asks for none, over these rows."""

    outcome: Outcome | None = None
    """None: all rows have the same."""

    def add(self, sums: Any, rows: Rows, buffers: Any) -> None:
        """Add a block of which the outcome is known."""
        if self.outcome is None:
            blank = np.zeros(len(rows), dtype=np.int8)
            self.kernel.add(sums, replace(rows, y=blank), buffers)
            return
        self.kernel.add(sums, of_outcome(rows, self.outcome), buffers)


def of_outcome(rows: Rows, outcome: Outcome) -> Rows:
    """Return the rows of which an outcome is known, with that as y."""
    y = outcome.of(rows.y)
    rows = replace(rows, y=y)
    missing = np.isnan(y)
    return rows.chosen(np.flatnonzero(~missing)) if missing.any() else rows
