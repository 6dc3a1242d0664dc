"""Loss, gradient and Hessian of the softmax model over dense blocks, from one read.

With the reference class 0, for which eta_0 = 0, and eta_k = params_k' z_i for the other
classes k, for a slab Z of centred rows, one line per column, with weights s:

    loss         += sum s (logsumexp(eta) - eta_y)
    gradient_k   += Z (s (p_k - [y = k]))
    Hessian_kl   += Z diag(s p_k ([k = l] - p_l)) Z'

The blocks k != l are those of -U U', where U stacks the slabs Z diag(sqrt(s) p_k): one
symmetric product for all of them, at the price of blocks on the diagonal that are not
used. Those are formed apart from p_k and 1 - p_k, since p_k - p_k^2 would cancel for
rows that are predicted well. The meat is V V', V with the residuals p_k - [y = k] in
the place of p_k.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from dlogreg.evaluation import Evaluation, FloatArray, Label
from dlogreg.kernel.block import Rows
from dlogreg.kernel.dense import row_weights
from dlogreg.kernel.slab import Slab, slab_rows
from dlogreg.loss import softmax_loss_rows, softmax_rows
from dlogreg.spare_matrices import spare_matrices


@dataclass(slots=True)
class _Sums:
    loss: float
    gradient: FloatArray
    """Shape (n_equations, n_params)."""
    diagonal: FloatArray
    """Hessian_kk, shape (n_equations, n_params, n_params)."""
    cross: FloatArray
    """U U', shape (n_equations * n_params, n_equations * n_params)."""
    meat: FloatArray
    """V V', of the same shape."""
    trial_losses: FloatArray


class _Buffers:
    """The slab of centred columns and, for a Hessian, the stacked slabs U."""

    def __init__(self, slab: Slab, n_equations: int, order: int) -> None:
        size = n_equations * slab.n_params
        self.slab = slab
        self.length = slab_rows(size)
        self.stacked = np.empty((0, slab.n_params, 0))
        self.product = np.empty((0, 0))
        if order == 2:
            self.stacked = np.empty((n_equations, slab.n_params, self.length))
            self.product = np.empty((size, size))


@dataclass(frozen=True, slots=True, eq=False)
class SoftmaxKernel:
    """Sums of loss, gradient and, at order 2, Hessian for three or more classes."""

    params: FloatArray
    """Coefficients of the centred columns, intercept first, one line for every class
    but the reference, shape (n_equations, n_params)."""
    centre: FloatArray
    """What is subtracted from every column, shape (n_features,)."""
    classes: tuple[Label, ...]
    """The labels, the reference first; every row has one of them."""
    fit_intercept: bool = True
    order: int = 2
    direction: FloatArray | None = None
    """If given, losses at ``params + t * direction`` come from the same read."""
    step_lengths: tuple[float, ...] = ()
    class_weight: tuple[tuple[Label, float], ...] = ()
    precision: str = "double"
    """ "double", or "closing" with what inference needs besides."""
    squares_weight: bool = False
    """The meat is that of weights squared, see ``LossKernel``."""

    @property
    def name(self) -> str:
        """What the dashboard shows."""
        if self.precision == "closing":
            return "closing"
        return "loss_gradient_hessian" if self.order == 2 else "loss_gradient"

    def open(self) -> _Buffers:
        """Return the buffers of one task."""
        slab = Slab(self.centre, fit_intercept=self.fit_intercept)
        return _Buffers(slab, len(self.params), self.order)

    def start(self) -> _Sums:
        """Return empty sums."""
        n_equations, k = self.params.shape if self.order == 2 else (0, 0)
        size = n_equations * k
        closing = self.precision == "closing"
        return _Sums(
            0.0,
            np.zeros_like(self.params),
            np.zeros((n_equations, k, k)),
            spare_matrices.zeros((size, size)),
            spare_matrices.zeros((size, size) if closing else (0, 0)),
            np.zeros(len(self.step_lengths)),
        )

    def add(self, sums: _Sums, rows: Rows, buffers: _Buffers) -> None:
        """Add a block, slab by slab."""
        for part in rows.slabs(buffers.length):
            slab = part.positive()
            if len(slab):
                self.add_loaded(sums, slab, buffers.slab.load(slab.X), buffers)

    def add_loaded(
        self, sums: _Sums, rows: Rows, z: FloatArray, buffers: _Buffers
    ) -> None:
        """Add rows of positive weight, z their centred columns, one line each."""
        weight = row_weights(rows, self.class_weight)
        own = self._own_class(rows)
        eta = self.params @ z
        loss, p, complement = softmax_rows(eta, own)
        sums.loss += _total(loss, weight)
        if self.direction is not None:
            self._add_trials(sums, eta, self.direction @ z, own, weight)
        if self.order == 2:
            self._add_hessian(sums, z, p[1:], complement[1:], weight, buffers)
        places = np.arange(len(rows))
        p[own, places] = -complement[own, places]  # the residual p - [y = k]
        if sums.meat.size:
            squared = (
                weight**2 if self.squares_weight and weight is not None else weight
            )
            _add_stacked(sums.meat, z, p[1:], squared, buffers)
        if weight is not None:
            p *= weight
        sums.gradient += p[1:] @ z.T

    def _own_class(self, rows: Rows) -> npt.NDArray[np.intp]:
        """Return the position of every row's label among the classes."""
        own = np.zeros(len(rows), dtype=np.intp)
        for k, label in enumerate(self.classes[1:], 1):
            own[rows.y == label] = k
        return own

    def _add_hessian(
        self,
        sums: _Sums,
        z: FloatArray,
        p: FloatArray,
        complement: FloatArray,
        weight: FloatArray | None,
        buffers: _Buffers,
    ) -> None:
        single = buffers.stacked[0, :, : z.shape[1]]
        curvature = complement * p
        if weight is not None:
            curvature *= weight
        np.sqrt(curvature, out=curvature)
        for k, scale in enumerate(curvature):
            buffers.slab.add_gram(sums.diagonal[k], np.multiply(z, scale, single))
        if len(p) > 1:
            _add_stacked(sums.cross, z, p, weight, buffers)

    def _add_trials(
        self,
        sums: _Sums,
        eta: FloatArray,
        slope: FloatArray,
        own: npt.NDArray[np.intp],
        weight: FloatArray | None,
    ) -> None:
        for i, length in enumerate(self.step_lengths):
            rows = softmax_loss_rows(eta + length * slope, own)
            sums.trial_losses[i] += _total(rows, weight)

    def finish(self, sums: _Sums) -> Evaluation:
        """Return the sums, class after class in one vector."""
        trials = sums.trial_losses if self.step_lengths else None
        gradient = sums.gradient.ravel()
        hessian = None
        if self.order == 2:
            hessian = np.negative(sums.cross, out=sums.cross)
            n_equations, k = self.params.shape
            blocks = hessian.reshape(n_equations, k, n_equations, k)
            for i, block in enumerate(sums.diagonal):
                blocks[i, :, i] = block
        meat = sums.meat if sums.meat.size else None
        return Evaluation(sums.loss, gradient, hessian, trials, meat=meat)


def _add_stacked(
    total: FloatArray,
    z: FloatArray,
    factors: FloatArray,
    weight: FloatArray | None,
    buffers: _Buffers,
) -> None:
    """Add sum_i s_i (f_i f_i') x (z_i z_i') to ``total``, f_i a column of factors."""
    factors = factors if weight is None else factors * np.sqrt(weight)
    stacked = buffers.stacked[:, :, : z.shape[1]]
    np.multiply(z, factors[:, None, :], out=stacked)
    flat = stacked.reshape(-1, z.shape[1])
    np.matmul(flat, flat.T, out=buffers.product)
    total += buffers.product


def _total(loss: FloatArray, weight: FloatArray | None) -> float:
    return float(loss.sum() if weight is None else loss @ weight)
