"""The pilot: some rows of a few blocks, read before the first pass."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from dlogreg.evaluation import FloatArray
from dlogreg.kernel import CSR, Mixed, Rows
from dlogreg.row_kind import RowKind
from dlogreg.standardization import Standardization

PILOT_BLOCKS = 4
PILOT_ROWS = 4096
"""Rows taken from each of them, or four per coefficient where that is more."""
VALUES_AT_ONCE = 2**16
"""Values that are copied at once: more would take fresh memory."""
LEAST_CENTRED = 0.05
"""Share of stored values from which a column of compressed rows is centred: with fewer
its mean is within a quarter of a standard deviation of zero."""


@dataclass(frozen=True, slots=True, eq=False)
class PilotRows:
    """Rows that are pooled on the driver; adding joins them."""

    rows: tuple[Rows, ...]

    def __add__(self, other: PilotRows) -> PilotRows:
        """Return the rows of both."""
        return PilotRows(self.rows + other.rows)

    @property
    def n_rows(self) -> int:
        """Number of rows taken."""
        return sum(map(len, self.rows))

    def pooled(self) -> Rows:
        """Return all rows as one block."""
        parts = [rows.X for rows in self.rows]
        return Rows(
            _stacked(parts),
            np.concatenate([rows.y for rows in self.rows]),
            _joined([rows.sample_weight for rows in self.rows]),
            offset=_joined([rows.offset for rows in self.rows]),
        )

    def standardization(self, *, fit_intercept: bool) -> Standardization:
        """Return means and scales of the columns over these rows."""
        parts = [rows.X for rows in self.rows]
        if isinstance(parts[0], CSR):
            return _of_compressed(_stacked(parts), fit_intercept=fit_intercept)
        if isinstance(parts[0], Mixed):
            return _of_mixed(_stacked(parts), fit_intercept=fit_intercept)
        with np.errstate(all="ignore"):  # the survey names NaN and overflow
            return Standardization.from_moments(
                *_moments(parts), fit_intercept=fit_intercept
            )


def _moments(parts: Sequence[npt.NDArray[Any]]) -> tuple[FloatArray, FloatArray]:
    """Return means and variances of the columns; zeros where there is no row."""
    n_rows, n_features = sum(map(len, parts)), parts[0].shape[1]
    mean, variance = np.zeros((2, n_features))
    step = max(1, VALUES_AT_ONCE // max(1, n_features))
    pieces = [x[low : low + step] for x in parts for low in range(0, len(x), step)]
    for piece in pieces:  # products with ones: sums by numpy take 5 times as long
        mean += np.ones(len(piece)) @ piece.astype(float, copy=False)
    mean /= max(1, n_rows)
    for piece in pieces:
        centred = piece - mean
        variance += np.ones(len(piece)) @ np.square(centred, out=centred)
    return mean, variance / max(1, n_rows)


def _stacked(parts: Sequence[Any]) -> Any:
    """Return blocks of X of any kind as one."""
    if len(parts) == 1:
        return parts[0]
    for kind in (CSR, Mixed):
        if isinstance(parts[0], kind):
            return kind.concatenated(parts)
    return np.concatenate(parts)


def _joined(parts: Sequence[FloatArray | None]) -> FloatArray | None:
    given = [part for part in parts if part is not None]
    return np.concatenate(given) if given else None


def _of_compressed(X: CSR, *, fit_intercept: bool) -> Standardization:
    """Return means of the columns that are worth it, and scales about them."""
    with np.errstate(all="ignore"):
        mean, variance = _stored_moments(X)
        return Standardization.from_moments(
            mean, variance, fit_intercept=fit_intercept, sparse=RowKind.COMPRESSED
        )


def _of_mixed(X: Mixed, *, fit_intercept: bool) -> Standardization:
    """Return the same, the dense columns' means exact."""
    with np.errstate(all="ignore"):
        mean, variance = _stored_moments(X.stored())
        dense = X.dense.astype(float) if len(X) else np.zeros((1, X.dense.shape[1]))
        mean[X.dense_columns] = dense.mean(axis=0)
        variance[X.dense_columns] = dense.var(axis=0)
        return Standardization.from_moments(
            mean, variance, fit_intercept=fit_intercept, sparse=RowKind.MIXED
        )


def _stored_moments(X: CSR) -> tuple[FloatArray, FloatArray]:
    """Return means, of columns that are worth it, and mean squares about them."""
    n_rows, counts = max(1, len(X)), X.column_counts()
    data = X.data.astype(np.float64)
    mean = X.column_sums(data) / n_rows
    mean[counts < LEAST_CENTRED * n_rows] = 0.0
    stored = X.column_sums((data - mean[X.indices]) ** 2)
    return mean, (stored + (n_rows - counts) * mean**2) / n_rows


@dataclass(frozen=True, slots=True)
class PilotKernel:
    """Takes rows spread evenly over a block."""

    max_rows: int = PILOT_ROWS

    @property
    def name(self) -> str:
        """What the dashboard shows."""
        return "pilot"

    def open(self) -> None:
        """Need no buffers."""

    def start(self) -> list[Rows]:
        """Return no rows."""
        return []

    def add(self, sums: list[Rows], rows: Rows, buffers: None) -> None:
        """Copy some rows of a block."""
        sums.append(rows.positive().thinned(self.max_rows))

    def finish(self, sums: list[Rows]) -> PilotRows:
        """Return the rows."""
        return PilotRows(tuple(sums))
