"""Loss, gradient and Hessian of the binary model over dense blocks, from one read.

For a slab Z of centred rows, one line per column, with margins m and weights s:

    loss     += sum s * log(1 + exp(-m))
    gradient += Z (s * (p - y))
    Hessian  += (Z sqrt(s w)) (Z sqrt(s w))',   w = p (1 - p)

Everything is accumulated in float64, whatever the type of the data.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dlogreg.evaluation import Evaluation, FloatArray, Label
from dlogreg.kernel.block import Rows
from dlogreg.kernel.slab import Slab
from dlogreg.loss import loss_residual_weight_rows, loss_rows


@dataclass(slots=True)
class _Sums:
    loss: float
    gradient: FloatArray
    hessian: FloatArray | None
    trial_losses: FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class LossKernel:
    """Sums of loss, gradient and, at order 2, Hessian at one parameter vector."""

    params: FloatArray
    """Coefficients of the centred columns, intercept first, shape (n_params,)."""
    centre: FloatArray
    """What is subtracted from every column, shape (n_features,)."""
    event: Label
    """The label whose probability is modelled; every other label is its absence."""
    fit_intercept: bool = True
    order: int = 2
    direction: FloatArray | None = None
    """If given, losses at ``params + t * direction`` come from the same read."""
    step_lengths: tuple[float, ...] = ()
    class_weight: tuple[tuple[Label, float], ...] = ()

    @property
    def name(self) -> str:
        """What the dashboard shows."""
        return "loss_gradient_hessian" if self.order == 2 else "loss_gradient"

    def open(self) -> Slab:
        """Return the slab's buffers."""
        return Slab(self.centre, fit_intercept=self.fit_intercept)

    def start(self) -> _Sums:
        """Return empty sums."""
        k = len(self.params)
        hessian = np.zeros((k, k)) if self.order == 2 else None
        return _Sums(0.0, np.zeros(k), hessian, np.zeros(len(self.step_lengths)))

    def add(self, sums: _Sums, rows: Rows, buffers: Slab) -> None:
        """Add a block, slab by slab."""
        for slab in rows.slabs(buffers.length):
            self._add_slab(sums, slab.positive(), buffers)

    def _add_slab(self, sums: _Sums, rows: Rows, buffers: Slab) -> None:
        z = buffers.load(rows.X)
        sign = np.where(rows.y == self.event, 1.0, -1.0)
        weight = row_weights(rows, self.class_weight)
        eta = self.params @ z
        loss, miss, curvature = loss_residual_weight_rows(sign * eta)
        if weight is not None:
            miss *= weight
            curvature *= weight
        sums.loss += _total(loss, weight)
        sums.gradient -= z @ (sign * miss)
        if self.direction is not None:
            self._add_trials(sums, eta, self.direction @ z, sign, weight)
        if sums.hessian is not None:
            np.sqrt(curvature, out=curvature)
            np.multiply(z, curvature, out=z)
            buffers.add_gram(sums.hessian, z)

    def _add_trials(
        self,
        sums: _Sums,
        eta: FloatArray,
        slope: FloatArray,
        sign: FloatArray,
        weight: FloatArray | None,
    ) -> None:
        for i, length in enumerate(self.step_lengths):
            margin = sign * (eta + length * slope)
            sums.trial_losses[i] += _total(loss_rows(margin), weight)

    def finish(self, sums: _Sums) -> Evaluation:
        """Return the sums."""
        trials = sums.trial_losses if self.step_lengths else None
        return Evaluation(sums.loss, sums.gradient, sums.hessian, trials)


def row_weights(
    rows: Rows, class_weight: tuple[tuple[Label, float], ...]
) -> FloatArray | None:
    """Return sample weight times class weight of every row; None if all are one."""
    weight = rows.sample_weight
    if not class_weight:
        return weight
    factor = np.ones(len(rows))
    for label, value in class_weight:
        factor[rows.y == label] = value
    return factor if weight is None else factor * weight


def _total(loss: FloatArray, weight: FloatArray | None) -> float:
    return float(loss.sum() if weight is None else loss @ weight)
