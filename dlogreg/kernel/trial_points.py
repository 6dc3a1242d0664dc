"""Loss and gradient of the binary model at several parameter vectors, from one read.

With the vectors as columns of P, for a slab Z of centred rows, one line per column,
offsets o, signs y = +-1 and weights s:

    M         = y * (o + P'Z)                     margins, (n_points, n_rows)
    losses   += sum_i s_i log(1 + exp(-M_bi))
    gradients += Z R',   R = -s y sigma(-M)

Two matrix products serve all points, and a handful of points costs little more than
one: BLAS multiplies by four or eight columns at a time. Everything is accumulated in
float64, whatever the type of the data.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dlogreg.evaluation import FloatArray, Label, TrialPoints
from dlogreg.kernel.block import Rows
from dlogreg.kernel.dense import row_weights
from dlogreg.kernel.information import point_sums
from dlogreg.kernel.predictor import linear_predictors
from dlogreg.kernel.slabs import AnySlab, open_slab
from dlogreg.loss import loss_residual_weight_rows
from dlogreg.row_kind import RowKind


@dataclass(frozen=True, slots=True, eq=False)
class _Buffers:
    slab: AnySlab
    product: FloatArray
    """Receives Z R', shape (n_params, n_points); of dense rows."""


@dataclass(frozen=True, slots=True, eq=False)
class TrialPointsKernel:
    """Sums of loss and gradient at every column of ``params``."""

    params: FloatArray
    """Coefficients of the centred columns, intercept first, (n_params, n_points)."""
    centre: FloatArray
    """What is subtracted from every column, shape (n_features,)."""
    event: Label
    """The label whose probability is modelled; every other label is its absence."""
    fit_intercept: bool = True
    intercept_curvatures: int = 0
    """At so many of the points, the first ones, also sum ``sum_i s_i p_i (1 - p_i)
    z_i``, the Hessian's column of the intercept; needs an intercept."""
    class_weight: tuple[tuple[Label, float], ...] = ()
    sparse: int = RowKind.DENSE
    """The kind of rows: those that are not dense keep no zeros."""

    @property
    def name(self) -> str:
        """What the dashboard shows."""
        return "loss_gradient"

    @property
    def linear(self) -> bool:
        """Rows are but multiplied by vectors, and may store a column twice."""
        return True

    def open(self) -> _Buffers:
        """Return the slab's buffers."""
        slab = open_slab(
            self.centre, fit_intercept=self.fit_intercept, order=1, sparse=self.sparse
        )
        lines = 0 if self.sparse else len(self.params)
        return _Buffers(slab, np.empty((lines, self.params.shape[1])))

    def start(self) -> TrialPoints:
        """Return empty sums."""
        shape, sparse = self.params.shape, self.sparse
        bends = self.intercept_curvatures
        bend = point_sums((shape[0], bends), sparse) if bends else None
        return TrialPoints(np.zeros(shape[1]), point_sums(shape, sparse), bend)

    def add(self, sums: TrialPoints, rows: Rows, buffers: _Buffers) -> None:
        """Add a block, slab by slab."""
        for slab in rows.slabs(buffers.slab.length):
            self._add_slab(sums, slab.positive(), buffers)

    def _add_slab(self, sums: TrialPoints, rows: Rows, buffers: _Buffers) -> None:
        slab, product = buffers.slab, buffers.product
        slab.load(rows.X)
        sign = np.where(rows.y == self.event, 1.0, -1.0)
        weight = row_weights(rows, self.class_weight)
        margin = linear_predictors(slab, self.params, rows)
        margin *= sign
        loss, miss, curvature = loss_residual_weight_rows(margin)
        if weight is not None:
            loss *= weight
            miss *= weight
            curvature *= weight
        sums.losses[:] += loss.sum(axis=1)
        miss *= -sign
        slab.add_points(sums.gradients, miss, product)
        if sums.intercept_curvatures is not None:
            first = self.intercept_curvatures
            slab.add_points(
                sums.intercept_curvatures, curvature[:first], product[:, :first]
            )

    def finish(self, sums: TrialPoints) -> TrialPoints:
        """Return the sums."""
        return sums
