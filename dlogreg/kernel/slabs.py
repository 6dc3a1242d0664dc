"""Which slab serves which rows."""

from __future__ import annotations

from dlogreg.evaluation import FloatArray
from dlogreg.kernel.compiled_slab import CompiledSlab
from dlogreg.kernel.mixed_slab import MixedSlab
from dlogreg.kernel.row_slab import ROWS_FROM, RowSlab
from dlogreg.kernel.slab import Slab
from dlogreg.kernel.sparse_slab import SparseSlab
from dlogreg.row_kind import RowKind

AnySlab = Slab | RowSlab | CompiledSlab | SparseSlab | MixedSlab


def open_slab(
    centre: FloatArray,
    *,
    fit_intercept: bool,
    precision: str = "double",
    order: int = 2,
    sparse: int = RowKind.DENSE,
    compiled: bool = False,
) -> AnySlab:
    """Return the slab for this many columns; few columns are always in float64.

    Rows of another kind than ``RowKind.DENSE`` are always in float64 too, and never
    ``compiled``.
    """
    if sparse == RowKind.MIXED:
        return MixedSlab(centre, fit_intercept=fit_intercept)
    if sparse:
        return SparseSlab(centre, fit_intercept=fit_intercept)
    few = len(centre) < ROWS_FROM
    if compiled:
        return CompiledSlab(
            centre,
            fit_intercept=fit_intercept,
            precision="double" if few else precision,
            order=order,
        )
    if few:
        return Slab(centre, fit_intercept=fit_intercept)
    return RowSlab(
        centre, fit_intercept=fit_intercept, precision=precision, order=order
    )
