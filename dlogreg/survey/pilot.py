"""The pilot: some rows of a few blocks, read before the first pass."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from dlogreg.evaluation import FloatArray
from dlogreg.kernel import CSR, Rows
from dlogreg.standardization import Standardization

PILOT_BLOCKS = 4
PILOT_ROWS = 4096
"""Rows taken from each of them, or four per coefficient where that is more."""
COLUMNS_AT_ONCE = 512
"""Columns that are copied at once; of wide data a whole copy would be large."""
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
        sparse = isinstance(parts[0], CSR)
        return Rows(
            CSR.concatenated(parts) if sparse else np.concatenate(parts),
            np.concatenate([rows.y for rows in self.rows]),
            _joined([rows.sample_weight for rows in self.rows]),
            offset=_joined([rows.offset for rows in self.rows]),
        )

    def standardization(self, *, fit_intercept: bool) -> Standardization:
        """Return means and scales of the columns over these rows."""
        X = self.pooled().X
        if isinstance(X, CSR):
            return _of_compressed(X, fit_intercept=fit_intercept)
        if not len(X):
            X = np.zeros((1, X.shape[1]))
        mean, variance = np.empty((2, X.shape[1]))
        with np.errstate(all="ignore"):  # the survey names NaN and overflow
            for low in range(0, X.shape[1], COLUMNS_AT_ONCE):
                columns = slice(low, low + COLUMNS_AT_ONCE)
                part = X[:, columns].astype(float)
                mean[columns], variance[columns] = part.mean(axis=0), part.var(axis=0)
            return Standardization.from_moments(
                mean, variance, fit_intercept=fit_intercept
            )


def _joined(parts: Sequence[FloatArray | None]) -> FloatArray | None:
    given = [part for part in parts if part is not None]
    return np.concatenate(given) if given else None


def _of_compressed(X: CSR, *, fit_intercept: bool) -> Standardization:
    """Return means of the columns that are worth it, and scales about them."""
    n_rows, counts = max(1, len(X)), X.column_counts()
    data = X.data.astype(np.float64)
    with np.errstate(all="ignore"):
        mean = X.column_sums(data) / n_rows
        mean[counts < LEAST_CENTRED * n_rows] = 0.0
        stored = X.column_sums((data - mean[X.indices]) ** 2)
        variance = (stored + (n_rows - counts) * mean**2) / n_rows
        return Standardization.from_moments(
            mean, variance, fit_intercept=fit_intercept, sparse=True
        )


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
