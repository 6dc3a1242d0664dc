"""Losses and gradients of B models over dense blocks, from one read.

With the slab Z of centred rows, one line per column, params T of shape (k, B), the
margins and residuals of all models are matrices of B lines, and what costs is two
matrix products, exact in float64:

    eta       = o + T' Z
    gradients += Z (s * (p - y))'

Per row that is 4 k B operations and B evaluations of exp and log1p; a Hessian, formed
for chosen models alone, costs k^2 more for each. Models are taken in groups whose
margins stay in the cache beside the slab.

Models may have outcomes of their own; the margins and the residuals p - y then follow
from a matrix of signs in the place of a vector, and products are as many.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dlogreg.evaluation import FloatArray, Label, ManyEvaluation
from dlogreg.kernel.block import Rows
from dlogreg.kernel.dense import row_weights
from dlogreg.kernel.outcomes import Outcome, signs
from dlogreg.kernel.predictor import linear_predictors
from dlogreg.kernel.slab import CACHE_VALUES, Slab
from dlogreg.loss import loss_residual_weight_rows


@dataclass(slots=True)
class _Sums:
    losses: FloatArray
    gradients: FloatArray
    reaches: FloatArray
    hessians: tuple[FloatArray, ...]
    meats: tuple[FloatArray, ...]


class _Buffers:
    """The slab, and a second one for a slab that is multiplied by root weights."""

    def __init__(self, slab: Slab, *, scaled: bool) -> None:
        self.slab = slab
        shape = (slab.n_params, slab.length if scaled else 0)
        self._scaled = np.empty(shape)

    def scaled(self, z: FloatArray, factor: FloatArray) -> FloatArray:
        return np.multiply(z, factor, out=self._scaled[:, : z.shape[1]])


@dataclass(frozen=True, slots=True, eq=False)
class ManyKernel:
    """Sums of loss and gradient at B parameter vectors, and chosen Hessians."""

    params: FloatArray
    """Coefficients of the centred columns, intercept first, shape (n_params, B)."""
    centre: FloatArray
    """What is subtracted from every column, shape (n_features,)."""
    event: Label
    fit_intercept: bool = True
    moves: FloatArray | None = None
    """If given, shape (n_params, B), the largest abs(x_i'move) is found for each."""
    hessian_of: tuple[int, ...] = ()
    """Models, by position, of which the Hessian is formed too."""
    class_weight: tuple[tuple[Label, float], ...] = ()
    outcomes: tuple[Outcome, ...] = ()
    """Those of the models, one for each; without them all have that of ``event``."""
    meats: bool = False
    """Form the middle of the sandwich too wherever a Hessian is formed."""

    @property
    def name(self) -> str:
        """What the dashboard shows."""
        return "many_models"

    @property
    def n_models(self) -> int:
        """Number of models B."""
        return int(self.params.shape[1])

    def open(self) -> _Buffers:
        """Return the slab's buffers."""
        slab = Slab(self.centre, fit_intercept=self.fit_intercept)
        return _Buffers(slab, scaled=bool(self.hessian_of))

    def start(self) -> _Sums:
        """Return empty sums."""
        k, B = self.params.shape
        n = len(self.hessian_of)
        hessians = tuple(np.zeros((k, k)) for _ in range(n))
        meats = tuple(np.zeros((k, k)) for _ in range(n if self.meats else 0))
        return _Sums(np.zeros(B), np.zeros((k, B)), np.zeros(B), hessians, meats)

    def add(self, sums: _Sums, rows: Rows, buffers: _Buffers) -> None:
        """Add a block, slab by slab."""
        for slab in rows.slabs(buffers.slab.length):
            kept = slab.positive()
            if len(kept):
                self._add_slab(sums, kept, buffers)

    def _add_slab(self, sums: _Sums, rows: Rows, buffers: _Buffers) -> None:
        z = buffers.slab.load(rows.X)
        sign, weight = self._signs(rows), row_weights(rows, self.class_weight)
        if self.outcomes and not sign.all():  # rows whose outcome is not known
            known = np.abs(sign)
            weight = known if weight is None else known * weight
        group = max(1, CACHE_VALUES // len(rows))
        for low in range(0, self.n_models, group):
            models = range(low, min(low + group, self.n_models))
            own = slice(models.start, models.stop)
            signs_of = sign[own] if sign.ndim == 2 else sign
            own_weight = weight
            if weight is not None and weight.ndim == 2:
                own_weight = weight[own]
            self._add_models(sums, models, z, rows, signs_of, own_weight, buffers)

    def _signs(self, rows: Rows) -> FloatArray:
        """Return the signs of the rows, for all models or (n_models, n_rows)."""
        if self.outcomes:
            return signs(rows, self.outcomes)
        return np.where(rows.y == self.event, 1.0, -1.0)

    def _add_models(
        self,
        sums: _Sums,
        models: range,
        z: FloatArray,
        rows: Rows,
        sign: FloatArray,
        weight: FloatArray | None,
        buffers: _Buffers,
    ) -> None:
        """Add one slab to some of the models."""
        cut = slice(models.start, models.stop)
        margin = linear_predictors(buffers.slab, self.params[:, cut], rows)
        margin *= sign
        loss, miss, curvature = loss_residual_weight_rows(margin)
        square = miss**2 if self.meats else np.empty(0)
        if weight is not None:
            for values in (loss, miss, curvature, *([square] if self.meats else [])):
                values *= weight
        sums.losses[cut] += loss.sum(axis=1)
        miss *= sign
        sums.gradients[:, cut] -= z @ miss.T
        if self.moves is not None:
            reach = np.abs(self.moves[:, cut].T @ z).max(axis=1)
            np.maximum(sums.reaches[cut], reach, out=sums.reaches[cut])
        for totals, rows_of in ((sums.hessians, curvature), (sums.meats, square)):
            for total, model in zip(totals, self.hessian_of, strict=False):
                if model in models:
                    root = np.sqrt(rows_of[model - models.start])
                    buffers.slab.add_gram(total, buffers.scaled(z, root))

    def finish(self, sums: _Sums) -> ManyEvaluation:
        """Return the sums."""
        parts = sums.losses, sums.gradients, sums.reaches
        return ManyEvaluation(*parts, sums.hessians, sums.meats)
