"""A kernel that sees some of the columns alone."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from dlogreg.kernel.around import AroundKernel
from dlogreg.kernel.block import Rows
from dlogreg.kernel.csr import CSR


@dataclass(frozen=True, slots=True, eq=False)
class ColumnsKernel(AroundKernel):
    """Another kernel, over the chosen columns of every block."""

    columns: npt.NDArray[np.intp]
    """Ascending, without the intercept."""

    def add(self, sums: Any, rows: Rows, buffers: Any) -> None:
        """Add a block."""
        chosen = replace(rows, X=columns_of(rows.X, self.columns))
        self.kernel.add(sums, chosen, buffers)


def columns_of(X: Any, columns: npt.NDArray[np.intp]) -> Any:
    """Return some columns of a block, dense or compressed as the block is."""
    if not isinstance(X, CSR):
        whole = X if isinstance(X, np.ndarray) else X.toarray()
        return np.ascontiguousarray(whole[:, columns])
    place = np.full(X.n_columns, -1, dtype=X.indices.dtype)
    place[columns] = np.arange(len(columns))
    found = place[X.indices]
    kept = found >= 0
    before = np.concatenate([[0], np.cumsum(kept)])
    return CSR(before[X.indptr], found[kept], X.data[kept], len(columns))
