"""Loss, gradient and Hessian of the binary model over dense blocks, from one read.

For a slab Z of centred rows with margins m, of linear predictors with the offset, and
weights s:

    loss     += sum s * log(1 + exp(-m))
    gradient += Z' (s * (p - y))
    Hessian  += (sqrt(s w) Z)' (sqrt(s w) Z),   w = p (1 - p)

Sums over slabs are accumulated in float64, whatever the type of the data.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from dlogreg.evaluation import Evaluation, FloatArray, Label
from dlogreg.kernel.block import Rows
from dlogreg.kernel.closing_sums import ClosingCollector, ClosingSums
from dlogreg.kernel.clusters import cluster_scores
from dlogreg.kernel.compiled_slab import CompiledSlab
from dlogreg.kernel.information import completed, information_sums
from dlogreg.kernel.predictor import linear_predictor
from dlogreg.kernel.row_slab import ROWS_FROM, RowSlab
from dlogreg.kernel.row_terms import RowTerms, row_terms, total_loss
from dlogreg.kernel.slab import Slab
from dlogreg.kernel.slabs import AnySlab, open_slab
from dlogreg.keyed_sums import KeyedSums
from dlogreg.loss import loss_rows
from dlogreg.row_kind import RowKind
from dlogreg.tree_sum import TreeSum

COLLECTING = ("closing", "measures")
"""Precisions of a pass that also sums what describes the fit."""
LEAST_SINGLE = 1e-20
"""Sums below it may hold terms that are too small for float32."""


@dataclass(slots=True)
class _Sums:
    loss: float
    gradient: FloatArray
    hessian: FloatArray | None
    trial_losses: FloatArray
    meat: FloatArray | None
    clusters: TreeSum | None
    rounding: float = 0.0
    closing: ClosingCollector | None = None


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
    precision: str = "double"
    """Of the arithmetic, see ``kernel/row_slab.py``; or "closing": float64, with what
    inference needs besides; or "measures": the same without matrices."""
    squares_weight: bool = False
    """The meat is sum s^2 r^2 z z' instead of sum s r^2 z z'."""
    most_groups: int = 0
    """If positive, a closing pass also sums the scores of at most so many groups."""
    sparse: int = RowKind.DENSE
    """The kind of rows: those that are not dense keep no zeros."""
    compiled: bool = False
    """Dense rows are multiplied by compiled loops."""

    @property
    def name(self) -> str:
        """What the dashboard shows."""
        if self.precision in COLLECTING:
            return self.precision
        return "loss_gradient_hessian" if self.order == 2 else "loss_gradient"

    @property
    def exact(self) -> bool:
        """Tell whether products are made in float64."""
        wide = len(self.centre) >= ROWS_FROM and not self.sparse
        return not wide or self.precision in ("double", *COLLECTING)

    def open(self) -> AnySlab:
        """Return the slab's buffers."""
        precision = "double" if self.exact else self.precision
        return open_slab(
            self.centre,
            fit_intercept=self.fit_intercept,
            precision=precision,
            sparse=self.sparse,
            compiled=self.compiled,
        )

    def start(self) -> _Sums:
        """Return empty sums."""
        k = len(self.params)
        closing, kind = self.precision == "closing", self.sparse
        hessian = information_sums(k, kind) if self.order == 2 else None
        meat = information_sums(k, kind) if closing else None
        clusters = None
        if meat is not None and self.most_groups:
            clusters = TreeSum()
            clusters.push(KeyedSums.empty(k + 1, self.most_groups))
        trials = np.zeros(len(self.step_lengths))
        sums = _Sums(0.0, np.zeros(k), hessian, trials, meat, clusters)
        if self.precision in COLLECTING:
            sums.closing = ClosingCollector(k, hessian=hessian is not None)
        return sums

    def add(self, sums: _Sums, rows: Rows, buffers: AnySlab) -> None:
        """Add a block, slab by slab."""
        for slab in rows.slabs(buffers.length):
            kept = slab.positive()
            buffers.load(kept.X)
            self.add_loaded(sums, kept, buffers)

    def add_loaded(self, sums: _Sums, rows: Rows, buffers: AnySlab) -> None:
        """Add the rows that are loaded in the buffers, which are used up."""
        event = np.asarray(rows.y == self.event, dtype=bool)
        weight = row_weights(rows, self.class_weight)
        compiled = buffers if isinstance(buffers, CompiledSlab) else None
        if compiled is not None:
            terms = self._add_at_once(sums, rows, event, weight, compiled)
        else:
            terms = row_terms(
                linear_predictor(buffers, self.params, rows), event, weight
            )
        sums.loss += terms.loss
        if sums.closing is not None:
            sums.closing.add(terms, event, weight)
        if sums.clusters is not None and len(rows):
            counted = None if self.squares_weight else weight
            scores = -terms.residual
            found = cluster_scores(rows, scores, counted, buffers, self.most_groups)
            sums.clusters.push(found)
        if self.direction is not None:
            slope = buffers.predict(self.direction)
            self._add_trials(sums, terms.eta, slope, event, weight)
        if compiled is None:
            self._add_derivatives(sums, rows, terms, event, weight, buffers)
        if sums.hessian is not None:
            sums.rounding = buffers.rounding

    def _add_at_once(
        self,
        sums: _Sums,
        rows: Rows,
        event: npt.NDArray[np.bool_],
        weight: FloatArray | None,
        slab: CompiledSlab,
    ) -> RowTerms:
        """Add what needs the columns, and return the terms of the rows."""
        products = [sums.hessian] if sums.hessian is not None else []
        products += [sums.meat] if sums.meat is not None else []
        describing = 0 if sums.closing is None else 4 - (sums.hessian is not None)
        found = np.zeros((1 + len(products) + describing, len(self.params)))
        terms = slab.evaluate(
            self.params,
            event,
            weight,
            rows.offset,
            found,
            products,
            squares_weight=self.squares_weight,
            keep=self.direction is not None or sums.closing is not None,
        )
        sums.gradient += found[0]
        if sums.closing is not None:
            sums.closing.add_columns(found[2:5], found[1])
        return terms

    def _add_derivatives(
        self,
        sums: _Sums,
        rows: Rows,
        terms: RowTerms,
        event: npt.NDArray[np.bool_],
        weight: FloatArray | None,
        slab: AnySlab,
    ) -> None:
        """Add what needs the columns; the loaded rows are used up."""
        if sums.closing is not None:
            sums.closing.project(slab, terms, event, weight)
        sums.gradient += slab.project(terms.residual)
        if sums.meat is not None:
            square = terms.miss**2
            if weight is not None:
                square *= weight**2 if self.squares_weight else weight
            if isinstance(slab, Slab):
                slab.add_information_beside(sums.meat, square)
            else:
                slab.add_information(sums.meat, square)
            if isinstance(slab, RowSlab):  # of which it has used up the rows
                slab.load(rows.X)
        if sums.hessian is not None:
            slab.add_information(sums.hessian, terms.curvature)

    def _add_trials(
        self,
        sums: _Sums,
        eta: FloatArray,
        slope: FloatArray,
        event: npt.NDArray[np.bool_],
        weight: FloatArray | None,
    ) -> None:
        sign = (2.0 * event - 1.0).astype(eta.dtype, copy=False)
        margin, along = sign * eta, sign * slope
        for i, length in enumerate(self.step_lengths):
            moved = length * along
            moved += margin
            sums.trial_losses[i] += total_loss(loss_rows(moved), weight)

    def finish(self, sums: _Sums) -> Evaluation:
        """Return the sums."""
        if sums.hessian is not None:
            sums.hessian = completed(sums.hessian, self.sparse)
        if sums.meat is not None:
            sums.meat = completed(sums.meat, self.sparse)
        trials, rounding = sums.trial_losses, sums.rounding
        if rounding and self._underflows(sums):
            rounding = np.inf
        return Evaluation(
            sums.loss,
            sums.gradient,
            sums.hessian,
            trials if self.step_lengths else None,
            rounding,
            meat=sums.meat,
            closing=self._closing(sums),
            clusters=None if sums.clusters is None else sums.clusters.total(),
        )

    def _closing(self, sums: _Sums) -> ClosingSums | None:
        """Return what describes the fit; the Hessian knows some of it."""
        if sums.closing is None:
            return None
        information = sums.hessian
        if information is not None:  # of 0/1 columns, where nothing is centred
            first = self.fit_intercept
            information = information[0] if first else np.diagonal(information)
            information = information.copy()  # the matrix goes on being added to
        return sums.closing.sums(sums.gradient, information)

    def _underflows(self, sums: _Sums) -> bool:
        assert sums.hessian is not None
        return bool(np.diagonal(sums.hessian).min(initial=np.inf) < LEAST_SINGLE)


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
