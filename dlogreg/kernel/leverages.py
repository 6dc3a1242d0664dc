"""What bias reduction adds to the gradient, summed over the rows of dense blocks.

With an information H, of this point or of one nearby, row i has the leverage

    h_i = s_i w_i z_i'H^-1 z_i,   w_i = p_i (1 - p_i),

and the score of Firth's penalised likelihood is that of the likelihood plus
sum_i h_i (1/2 - p_i) z_i (Firth 1993, Biometrika 80, 27-38; Heinze and Schemper 2002).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dlogreg.evaluation import FloatArray, Label
from dlogreg.kernel.block import Rows
from dlogreg.kernel.dense import row_weights
from dlogreg.kernel.predictor import linear_predictor
from dlogreg.kernel.slab import Slab
from dlogreg.loss import loss_residual_weight_rows


@dataclass(frozen=True, slots=True, eq=False)
class Adjustment:
    """Sums over rows of what the leverages add."""

    gradient: FloatArray
    """sum_i h_i (p_i - 1/2) z_i: added to the gradient of the loss, (n_params,)."""
    size: float
    """sum_i h_i abs(p_i - 1/2) sqrt(z_i'H^-1 z_i), which bounds its norm in H^-1."""

    def __add__(self, other: Adjustment) -> Adjustment:
        """Return the sums over the rows of both."""
        return Adjustment(self.gradient + other.gradient, self.size + other.size)


@dataclass(frozen=True, slots=True, eq=False)
class LeverageKernel:
    """Sums what the leverages add to the gradient at one parameter vector."""

    params: FloatArray
    """Coefficients of the centred columns, intercept first, shape (n_params,)."""
    root: FloatArray
    """C with H^-1 = C C', for the centred columns, shape (n_params, n_estimated)."""
    centre: FloatArray
    event: Label
    fit_intercept: bool = True
    class_weight: tuple[tuple[Label, float], ...] = ()

    @property
    def name(self) -> str:
        """What the dashboard shows."""
        return "leverages"

    def open(self) -> Slab:
        """Return the slab's buffers."""
        return Slab(self.centre, fit_intercept=self.fit_intercept)

    def start(self) -> list[Adjustment]:
        """Return empty sums."""
        return [Adjustment(np.zeros(len(self.params)), 0.0)]

    def add(self, sums: list[Adjustment], rows: Rows, buffers: Slab) -> None:
        """Add a block, slab by slab."""
        for slab in rows.slabs(buffers.length):
            kept = slab.positive()
            if len(kept):
                sums[0] += self._of_slab(kept, buffers)

    def _of_slab(self, rows: Rows, buffers: Slab) -> Adjustment:
        z = buffers.load(rows.X)
        sign = np.where(rows.y == self.event, 1.0, -1.0)
        _, miss, curvature = loss_residual_weight_rows(
            sign * linear_predictor(buffers, self.params, rows)
        )
        spread = self.root.T @ z
        norms = np.einsum("ji,ji->i", spread, spread)
        weight = row_weights(rows, self.class_weight)
        if weight is not None:
            curvature *= weight
        # p - 1/2 is sign * (1/2 - miss), since miss is the probability of the other
        shares = curvature * norms * sign * (0.5 - miss)
        size = float(np.abs(shares) @ np.sqrt(norms))
        return Adjustment(buffers.project(shares), size)

    def finish(self, sums: list[Adjustment]) -> Adjustment:
        """Return the sums."""
        return sums[0]
