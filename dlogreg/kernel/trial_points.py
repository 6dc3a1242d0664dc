"""Loss and gradient of the binary model at several parameter vectors, from one read.

With the vectors as columns of P, for a slab Z of centred rows, one line per column,
offsets o, signs y = +-1 and weights s:

    M         = y * (o + P'Z)                     margins, (n_points, n_rows)
    losses   += sum_i s_i log(1 + exp(-M_bi))
    gradients += Z R',   R = -s y sigma(-M)

Two matrix products serve all points, and a handful of points costs little more than
one: BLAS multiplies by four or eight columns at a time. Points of a line are P = V M
with its begin and its direction as V, and P'Z is made from V'Z. Everything is
accumulated in float64, whatever the type of the data.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dlogreg.evaluation import FloatArray, Label, TrialPoints
from dlogreg.kernel.block import Rows
from dlogreg.kernel.compiled_points import CompiledPoints
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
    """Sums of loss and gradient at several vectors of coefficients."""

    params: FloatArray
    """Coefficients of the centred columns, intercept first: V, one vector a column."""
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
    mixing: FloatArray | None = None
    """M, shape (n_vectors, n_points): the points are the columns of V M, or without it
    those of V."""
    compiled: bool = False
    """Dense rows are multiplied by compiled loops."""

    @property
    def n_points(self) -> int:
        """Number of vectors at which losses and gradients are summed."""
        return int((self.params if self.mixing is None else self.mixing).shape[1])

    @property
    def name(self) -> str:
        """What the dashboard shows."""
        return "loss_gradient"

    @property
    def linear(self) -> bool:
        """Rows are but multiplied by vectors, and may store a column twice."""
        return True

    def open(self) -> _Buffers | CompiledPoints:
        """Return the slab's buffers."""
        if self.compiled and not self.sparse:
            mixing = np.eye(self.n_points) if self.mixing is None else self.mixing
            bends, first = self.intercept_curvatures, self.fit_intercept
            return CompiledPoints(
                self.centre, self.params, mixing, bends, fit_intercept=first
            )
        slab = open_slab(
            self.centre, fit_intercept=self.fit_intercept, order=1, sparse=self.sparse
        )
        lines = 0 if self.sparse else len(self.params)
        return _Buffers(slab, np.empty((lines, self.n_points)))

    def start(self) -> TrialPoints:
        """Return empty sums."""
        n_params, sparse = len(self.params), self.sparse
        bends = self.intercept_curvatures
        bend = point_sums((n_params, bends), sparse) if bends else None
        gradients = point_sums((n_params, self.n_points), sparse)
        return TrialPoints(np.zeros(self.n_points), gradients, bend)

    def add(
        self, sums: TrialPoints, rows: Rows, buffers: _Buffers | CompiledPoints
    ) -> None:
        """Add a block, slab by slab."""
        if isinstance(buffers, CompiledPoints):
            for slab in rows.slabs(buffers.length):
                kept = slab.positive()
                event = np.asarray(kept.y == self.event, dtype=bool)
                buffers.add(sums, kept, event, row_weights(kept, self.class_weight))
            return
        for slab in rows.slabs(buffers.slab.length):
            self._add_slab(sums, slab.positive(), buffers)

    def _add_slab(self, sums: TrialPoints, rows: Rows, buffers: _Buffers) -> None:
        slab, product = buffers.slab, buffers.product
        slab.load(rows.X)
        sign = np.where(rows.y == self.event, 1.0, -1.0)
        weight = row_weights(rows, self.class_weight)
        margin = linear_predictors(slab, self.params, rows, self.mixing)
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
