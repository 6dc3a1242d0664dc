"""Runs a kernel over the rows that are held out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from dlogreg.kernel.around import AroundKernel
from dlogreg.kernel.block import Rows
from dlogreg.kernel.slab import slab_rows


@dataclass(frozen=True, slots=True, eq=False)
class HeldKernel(AroundKernel):
    """Gives a kernel the rows held out, as if there were no others."""

    n_features: int

    @property
    def name(self) -> str:
        """What the dashboard shows."""
        return "holdout"

    def add(self, sums: Any, rows: Rows, buffers: Any) -> None:
        """Add those of a block, a slab at a time, because they are copied."""
        if rows.held is None:
            return
        for slab in rows.slabs(slab_rows(self.n_features)):
            held = slab.held_out()
            if len(held):
                self.kernel.add(sums, held, buffers)
