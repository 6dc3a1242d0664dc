"""Kernels of several sets of rows in one pass, each as if there were no other rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from dlogreg.evaluation import Summable
from dlogreg.kernel.block import Kernel, Rows
from dlogreg.kernel.parts import Parts
from dlogreg.kernel.slab import slab_rows
from dlogreg.kernel.together import Together


@dataclass(frozen=True, slots=True, eq=False)
class OfFolds:
    """Gives every kernel the rows of some parts, a slab at a time: they are copied."""

    parts: Parts
    sets: tuple[npt.NDArray[np.bool_], ...]
    """Whether a set of rows holds a part, each of shape (n_parts,)."""
    kernels: tuple[Together, ...]
    """Those of every set."""
    n_features: int

    @property
    def name(self) -> str:
        """What the dashboard shows."""
        return self.kernels[-1].name

    def open(self) -> Any:
        """Return the buffers of all kernels."""
        return self._together.open()

    def start(self) -> Any:
        """Return the empty sums of all kernels."""
        return self._together.start()

    def add(self, sums: Any, rows: Rows, buffers: Any) -> None:
        """Add a block to each."""
        for slab in rows.slabs(slab_rows(self.n_features)):
            kept = slab.positive()
            if not len(kept):
                continue
            parts = self.parts.of(kept)
            pairs = zip(self.sets, self.kernels, sums, buffers, strict=True)
            for held, kernel, own, rest in pairs:
                places = np.flatnonzero(held[parts])
                if len(places):
                    whole = len(places) == len(kept)
                    kernel.add(own, kept if whole else kept.chosen(places), rest)

    def finish(self, sums: Any) -> Summable:
        """Return the sums of each, in their order."""
        return self._together.finish(sums)

    @property
    def _together(self) -> Together:
        kernels: tuple[Kernel, ...] = self.kernels
        return Together(kernels)
