"""The loss of a model that has the columns beside X as well, from one read of both."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from dlogreg.errors import DataError
from dlogreg.kernel.around import AroundKernel
from dlogreg.kernel.block import Rows
from dlogreg.kernel.csr import as_dense
from dlogreg.kernel.dense import LossKernel


@dataclass(frozen=True, slots=True, eq=False)
class BesideKernel(AroundKernel):
    """Evaluates a loss whose columns are those of X, then those beside it."""

    kernel: LossKernel
    names: tuple[str, ...]
    """Names of the columns beside X."""

    @property
    def name(self) -> str:
        """What the dashboard shows."""
        return "score_test"

    def add(self, sums: Any, rows: Rows, buffers: Any) -> None:
        """Add a block, slab by slab, joined as they are read."""
        for slab in rows.slabs(buffers.length):
            kept = slab.positive()
            Z = self._checked(kept)
            joined = replace(kept, X=np.concatenate([as_dense(kept.X), Z], axis=1))
            self.kernel.add(sums, joined, buffers)

    def _checked(self, rows: Rows) -> Any:
        Z = rows.beside
        if Z is None:
            Z = np.empty((len(rows), 0))
        elif Z.ndim == 1:
            Z = Z[:, None]
        if Z.shape[1] != len(self.names) or Z.dtype.kind not in "fiub":
            raise DataError(
                f"block {rows.index} of Z has {Z.shape[1]} columns of type {Z.dtype}, "
                f"expected {len(self.names)} columns of numbers; check how Z was built"
            )
        bad = ~np.isfinite(Z)
        if bad.any():
            row, column = np.argwhere(bad)[0]
            kind = "NaN" if np.isnan(Z[row, column]) else "infinity"
            raise DataError(
                f"column {self.names[column]!r} holds {kind} in "
                f"{rows.place(int(row))} of Z; fill such rows, or leave them out of "
                "the fit too"
            )
        return Z
