"""Which slab serves which rows."""

from __future__ import annotations

from dlogreg.evaluation import FloatArray
from dlogreg.kernel.row_slab import ROWS_FROM, RowSlab
from dlogreg.kernel.slab import Slab
from dlogreg.kernel.sparse_slab import SparseSlab

AnySlab = Slab | RowSlab | SparseSlab


def open_slab(
    centre: FloatArray,
    *,
    fit_intercept: bool,
    precision: str = "double",
    order: int = 2,
    sparse: bool = False,
) -> AnySlab:
    """Return the slab for this many columns; few columns are always in float64.

    ``sparse`` rows are compressed, and always in float64 too.
    """
    if sparse:
        return SparseSlab(centre, fit_intercept=fit_intercept)
    if len(centre) < ROWS_FROM:
        return Slab(centre, fit_intercept=fit_intercept)
    return RowSlab(
        centre, fit_intercept=fit_intercept, precision=precision, order=order
    )
