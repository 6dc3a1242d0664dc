"""Scores of models of three or more classes on the parts that they have left out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from dlogreg.evaluation import FloatArray, Label
from dlogreg.kernel.block import Rows
from dlogreg.kernel.held_parts import HeldSums, slab_length
from dlogreg.kernel.parts import Parts
from dlogreg.kernel.standard_rows import StandardRows
from dlogreg.loss import softmax_rows


@dataclass(frozen=True, slots=True, eq=False)
class HeldClassesKernel:
    """Scores rows by the models of the folds that test their part."""

    models: FloatArray
    """Equations of all classes but the first in the solver's coordinates, of shape
    (n_folds, n_models, n_classes - 1, n_params)."""
    parts: Parts
    tests: npt.NDArray[np.bool_]
    """Which parts a fold tests, shape (n_folds, n_parts)."""
    centre: FloatArray
    units: FloatArray
    classes: tuple[Label, ...]
    fit_intercept: bool = True

    @property
    def name(self) -> str:
        """What the dashboard shows."""
        return "scores"

    def open(self) -> StandardRows:
        """Return the slab's buffers."""
        length, first = slab_length(self.models.shape[3]), self.fit_intercept
        return StandardRows(self.centre, self.units, length, fit_intercept=first)

    def start(self) -> HeldSums:
        """Return empty sums; the losses of models of all rows stay 0."""
        n_folds, n_models = self.models.shape[:2]
        scores = np.zeros((3, n_folds, n_models))
        return HeldSums(scores, np.zeros((3, n_folds)), np.zeros(n_models))

    def add(self, sums: HeldSums, rows: Rows, buffers: StandardRows) -> None:
        """Add a block, slab by slab."""
        for slab in rows.slabs(buffers.length):
            kept = slab.positive()
            if not len(kept):
                continue
            z, parts = buffers.load(kept.X), self.parts.of(kept)
            own = np.zeros(len(kept), dtype=np.intp)
            for k, label in enumerate(self.classes):
                own[kept.y == label] = k
            given = kept.sample_weight
            weight = np.ones(len(kept)) if given is None else given
            for fold, tested in enumerate(self.tests):
                some = np.flatnonzero(tested[parts])
                if len(some):
                    self._add_fold(sums, fold, z[some], own[some], weight[some])

    def _add_fold(
        self,
        sums: HeldSums,
        fold: int,
        z: FloatArray,
        own: npt.NDArray[np.intp],
        weight: FloatArray,
    ) -> None:
        every = np.arange(len(own))
        sums.totals[:2, fold] += len(own), weight.sum()
        for model, equations in enumerate(self.models[fold]):
            eta = equations @ z.T
            loss, p, rest = softmax_rows(eta, own)
            squares = (p**2).sum(axis=0) - p[own, every] ** 2 + rest[own, every] ** 2
            margins = np.vstack([np.zeros(len(own)), eta])
            right = margins.argmax(axis=0) == own
            sums.scores[:, fold, model] += (
                loss @ weight,
                squares @ weight,
                right @ weight,
            )

    def finish(self, sums: HeldSums) -> HeldSums:
        """Return the sums."""
        return sums
