"""What rows there are, counted and measured: to tell whether they are those of a fit.

The pass that reads the rows of a fit again makes this census on the way, so that data
that have changed since are noticed before anything is concluded from them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dlogreg.evaluation import FloatArray, Label
from dlogreg.kernel.block import Rows
from dlogreg.kernel.dense import row_weights
from dlogreg.kernel.slab import Slab


@dataclass(frozen=True, slots=True, eq=False)
class Census:
    """Counts of rows, and how far they reach, in the solver's coordinates."""

    n_rows: int
    """Rows with a positive weight."""
    class_counts: tuple[int, ...]
    """Those of each class."""
    weight: float
    reach: FloatArray
    """Largest abs(z_ij), shape (n_params,)."""
    max_norm: float
    """Largest squared norm of a row."""
    column_squares: FloatArray
    """sum_i s_i z_ij^2, shape (n_params,)."""

    def __add__(self, other: Census) -> Census:
        """Return the census of the rows of both."""
        pairs = zip(self.class_counts, other.class_counts, strict=True)
        return Census(
            self.n_rows + other.n_rows,
            tuple(a + b for a, b in pairs),
            self.weight + other.weight,
            np.maximum(self.reach, other.reach),
            max(self.max_norm, other.max_norm),
            self.column_squares + other.column_squares,
        )


@dataclass(frozen=True, slots=True, eq=False)
class CensusKernel:
    """Counts and measures rows."""

    classes: tuple[Label, ...]
    centre: FloatArray
    units: FloatArray
    """What a centred column is multiplied with, shape (n_params,)."""
    fit_intercept: bool
    class_weight: tuple[tuple[Label, float], ...] = ()

    @property
    def name(self) -> str:
        """What the dashboard shows."""
        return "census"

    def open(self) -> Slab:
        """Return the slab's buffers."""
        return Slab(self.centre, fit_intercept=self.fit_intercept)

    def start(self) -> list[Census]:
        """Return the census of no rows."""
        nothing = np.zeros(len(self.units))
        counts = (0,) * len(self.classes)
        return [Census(0, counts, 0.0, nothing, 0.0, nothing)]

    def add(self, sums: list[Census], rows: Rows, buffers: Slab) -> None:
        """Add a block, slab by slab."""
        for slab in rows.slabs(buffers.length):
            kept = slab.positive()
            if len(kept):
                sums[0] += self._count(kept, buffers)

    def _count(self, rows: Rows, buffers: Slab) -> Census:
        squares = buffers.squares(buffers.load(rows.X))
        weight = row_weights(rows, self.class_weight)
        ones = np.ones(len(rows)) if weight is None else weight
        return Census(
            len(rows),
            tuple(int(np.sum(rows.y == label)) for label in self.classes),
            float(ones.sum()),
            np.sqrt(squares.max(axis=1)) * self.units,
            float((self.units**2 @ squares).max()),
            squares @ ones * self.units**2,
        )

    def finish(self, sums: list[Census]) -> Census:
        """Return the census."""
        return sums[0]


@dataclass(frozen=True, slots=True)
class RowCounts:
    """Counts of rows, whatever their columns."""

    n_rows: int
    """Rows with a positive weight."""
    class_counts: tuple[int, ...]
    """Those of each class."""
    weight: float

    def __add__(self, other: RowCounts) -> RowCounts:
        """Return the counts of the rows of both."""
        pairs = zip(self.class_counts, other.class_counts, strict=True)
        return RowCounts(
            self.n_rows + other.n_rows,
            tuple(a + b for a, b in pairs),
            self.weight + other.weight,
        )


@dataclass(frozen=True, slots=True)
class RowCountKernel:
    """Counts rows, and does not look at their columns."""

    classes: tuple[Label, ...]
    class_weight: tuple[tuple[Label, float], ...] = ()

    @property
    def name(self) -> str:
        """What the dashboard shows."""
        return "counts"

    def open(self) -> None:
        """Need no buffers."""

    def start(self) -> list[RowCounts]:
        """Return the counts of no rows."""
        return [RowCounts(0, (0,) * len(self.classes), 0.0)]

    def add(self, sums: list[RowCounts], rows: Rows, buffers: None) -> None:
        """Count a block."""
        kept = rows.positive()
        weight = row_weights(kept, self.class_weight)
        sums[0] += RowCounts(
            len(kept),
            tuple(int(np.sum(kept.y == label)) for label in self.classes),
            float(len(kept)) if weight is None else float(weight.sum()),
        )

    def finish(self, sums: list[RowCounts]) -> RowCounts:
        """Return the counts."""
        return sums[0]
