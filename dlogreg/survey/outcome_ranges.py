"""Ranges of the columns by the outcome of a row: for the question of separation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from dlogreg.kernel.block import Rows
from dlogreg.kernel.csr import as_dense
from dlogreg.kernel.slab import slab_rows
from dlogreg.survey.ranges import Ranges, RangesInProgress


@dataclass(frozen=True, slots=True)
class OutcomeRangesKernel:
    """Follows the smallest and largest values of all columns, by y of 0 and 1."""

    n_features: int

    @property
    def name(self) -> str:
        """What the dashboard shows."""
        return "ranges"

    def open(self) -> None:
        """Need no buffers."""

    def start(self) -> RangesInProgress:
        """Return the ranges of no rows."""
        return RangesInProgress(self.n_features)

    def add(self, sums: RangesInProgress, rows: Rows, buffers: Any) -> None:
        """Follow a block."""
        for slab in rows.slabs(slab_rows(self.n_features)):
            kept = slab.positive()
            masks = [(label, kept.y == label) for label in (0, 1)]
            present = [(label, mask) for label, mask in masks if mask.any()]
            if present:
                sums.add(as_dense(kept.X), present)

    def finish(self, sums: RangesInProgress) -> Ranges:
        """Return the ranges."""
        return sums.finish()
