"""Products of the Hessian with several vectors, and the gradient, from one read.

With the vectors as columns of V, for a slab Z of centred rows, one line per column,
and w = s p (1 - p) at the parameters:

    products += Z (w * (Z'V)),   gradient += Z (s * (p - y))

The Hessian is never formed; two matrix products serve all vectors.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dlogreg.evaluation import FloatArray, HessianProducts, Label
from dlogreg.kernel.block import Rows
from dlogreg.kernel.dense import row_weights
from dlogreg.kernel.information import point_sums
from dlogreg.kernel.predictor import linear_predictor
from dlogreg.kernel.slabs import AnySlab, open_slab
from dlogreg.loss import loss_residual_weight_rows
from dlogreg.row_kind import RowKind


@dataclass(frozen=True, slots=True, eq=False)
class HessianProductsKernel:
    """Sums of Hessian times every column of ``vectors``, at one parameter vector."""

    params: FloatArray
    """Coefficients of the centred columns, intercept first, shape (n_params,)."""
    vectors: FloatArray
    """In the coordinates of ``params``, shape (n_params, n_vectors)."""
    centre: FloatArray
    """What is subtracted from every column, shape (n_features,)."""
    event: Label
    """The label whose probability is modelled; every other label is its absence."""
    fit_intercept: bool = True
    class_weight: tuple[tuple[Label, float], ...] = ()
    sparse: int = RowKind.DENSE
    """The kind of rows: those that are not dense keep no zeros."""

    @property
    def name(self) -> str:
        """What the dashboard shows."""
        return "hessian_products"

    def open(self) -> AnySlab:
        """Return the slab's buffers."""
        return open_slab(
            self.centre, fit_intercept=self.fit_intercept, order=1, sparse=self.sparse
        )

    def start(self) -> HessianProducts:
        """Return empty sums."""
        products = point_sums(self.vectors.shape, self.sparse)
        return HessianProducts(products, np.zeros(len(self.params)))

    def add(self, sums: HessianProducts, rows: Rows, buffers: AnySlab) -> None:
        """Add a block, slab by slab."""
        for slab in rows.slabs(buffers.length):
            self._add_slab(sums, slab.positive(), buffers)

    def _add_slab(self, sums: HessianProducts, rows: Rows, buffers: AnySlab) -> None:
        buffers.load(rows.X)
        sign = np.where(rows.y == self.event, 1.0, -1.0)
        weight = row_weights(rows, self.class_weight)
        eta = linear_predictor(buffers, self.params, rows)
        _, miss, curvature = loss_residual_weight_rows(sign * eta)
        if weight is not None:
            miss *= weight
            curvature *= weight
        sums.gradient[:] -= buffers.project(sign * miss)
        along = buffers.predict_points(self.vectors)
        along *= curvature
        buffers.add_points(sums.products, along, np.empty(self.vectors.shape))

    def finish(self, sums: HessianProducts) -> HessianProducts:
        """Return the sums."""
        return sums
