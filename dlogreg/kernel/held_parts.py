"""Scores of models on the parts that they have left out, from one read.

Each row is scored by the models of the folds that test its part, usually one fold's
models, and by those of all rows, whose losses are summed too. Predictors are made in
float64, so that scores do not depend on how rows are cut but for the last digits.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from dlogreg.evaluation import FloatArray, Label
from dlogreg.kernel.block import Rows
from dlogreg.kernel.dense import row_weights
from dlogreg.kernel.parts import Parts, in_order
from dlogreg.kernel.scores import ScoreCollector, ScoreSums
from dlogreg.kernel.standard_rows import StandardRows
from dlogreg.loss import loss_residual_rows

SLAB_VALUES = 2**19
CURVE_CAPACITY = 2**12
"""Bins of predictors from which an AUC is made: of the rows of a fold, each holds about
1/4000, so that rows that share a bin change an AUC by less than 1e-4, mostly 1e-6."""


def slab_length(n_params: int) -> int:
    """Return how many rows a slab has at most."""
    return int(np.clip(SLAB_VALUES // n_params, 512, 16384))


@dataclass(frozen=True, slots=True, eq=False)
class HeldSums:
    """Sums of what models say about rows that they have not seen."""

    scores: FloatArray
    """Loss, (p - y)^2 and weight of the rows called right, (3, n_folds, n_models)."""
    totals: FloatArray
    """Rows, weight, and weight of the events of every fold, shape (3, n_folds)."""
    losses: FloatArray
    """Losses of the models of all rows, shape (n_models,)."""
    curves: tuple[ScoreSums, ...] = ()
    """For AUCs, fold by fold; empty where they are not wanted."""

    def __add__(self, other: HeldSums) -> HeldSums:
        """Return the sums over the rows of both."""
        pairs = zip(self.curves, other.curves, strict=True)
        return HeldSums(
            self.scores + other.scores,
            self.totals + other.totals,
            self.losses + other.losses,
            tuple(a + b for a, b in pairs),
        )


@dataclass(frozen=True, slots=True, eq=False)
class _Sums:
    found: HeldSums
    curves: tuple[ScoreCollector, ...]


@dataclass(frozen=True, slots=True, eq=False)
class HeldPartsKernel:
    """Scores rows by the models that have not seen them."""

    models: FloatArray
    """In the solver's coordinates, shape (n_folds, n_models, n_params)."""
    whole: FloatArray
    """Those of all rows, shape (n_models, n_params)."""
    parts: Parts
    tests: npt.NDArray[np.bool_]
    """Which parts a fold tests, shape (n_folds, n_parts)."""
    centre: FloatArray
    units: FloatArray
    event: Label
    fit_intercept: bool = True
    class_weight: tuple[tuple[Label, float], ...] = ()
    """Of the losses of models of all rows; scores go by sample weights alone."""
    curves: bool = False

    @property
    def name(self) -> str:
        """What the dashboard shows."""
        return "scores"

    def open(self) -> StandardRows:
        """Return the slab's buffers."""
        length, first = slab_length(self.models.shape[2]), self.fit_intercept
        return StandardRows(self.centre, self.units, length, fit_intercept=first)

    def start(self) -> _Sums:
        """Return empty sums."""
        n_folds, n_models, _ = self.models.shape
        found = HeldSums(
            np.zeros((3, n_folds, n_models)), np.zeros((3, n_folds)), np.zeros(n_models)
        )
        count = n_folds * n_models if self.curves else 0
        return _Sums(found, tuple(ScoreCollector(CURVE_CAPACITY) for _ in range(count)))

    def add(self, sums: _Sums, rows: Rows, buffers: StandardRows) -> None:
        """Add a block, slab by slab, the rows of each in the order of their parts."""
        for slab in rows.slabs(buffers.length):
            kept = slab.positive()
            if not len(kept):
                continue
            order, counts = in_order(self.parts, kept)
            ordered = kept.chosen(order)
            z = buffers.load(ordered.X)
            ends = counts.cumsum().tolist()
            for part, (low, high) in enumerate(pairwise([0, *ends])):
                if low < high:
                    cut = slice(low, high)
                    self._add_part(sums, part, ordered.between(cut), z[cut])

    def _add_part(self, sums: _Sums, part: int, rows: Rows, z: FloatArray) -> None:
        """Add rows of one part: to the models of all rows, and folds that test it.

        The models of all rows go with the first of the folds, since fewer and larger
        calls of numpy serve.
        """
        folds = np.flatnonzero(self.tests[:, part])
        is_event, weight = rows.y == self.event, rows.sample_weight
        for place in range(max(1, len(folds))):
            whole = self.whole[: 0 if place else len(self.whole)]
            self._add_models(sums, whole, folds[place : place + 1], rows, z)
        events = is_event.sum() if weight is None else weight[is_event].sum()
        total = len(rows) if weight is None else weight.sum()
        sums.found.totals[:, folds] += np.array([[len(rows)], [total], [events]])

    def _add_models(
        self,
        sums: _Sums,
        whole: FloatArray,
        folds: npt.NDArray[np.intp],
        rows: Rows,
        z: FloatArray,
    ) -> None:
        """Add rows to models of all rows and to those of a fold, if there is one."""
        n, is_event, weight = len(whole), rows.y == self.event, rows.sample_weight
        eta = np.concatenate([whole, *self.models[folds]]) @ z.T
        if rows.offset is not None:
            eta += rows.offset
        own = eta[n:]
        if self.curves:
            for fold in folds.tolist():
                curves = sums.curves[fold * len(own) : (fold + 1) * len(own)]
                for one, line in zip(curves, own, strict=True):
                    one.add(line, is_event, weight)
        right = own > 0
        np.equal(right, is_event, out=right)
        eta *= np.where(is_event, 1.0, -1.0)
        loss, miss = loss_residual_rows(eta, n)
        miss *= miss
        if n:
            factors = row_weights(rows, self.class_weight)
            sums.found.losses[:] += _summed(loss[:n], factors)
        for fold in folds.tolist():
            found = [_summed(values, weight) for values in (loss[n:], miss, right)]
            sums.found.scores[:, fold] += found

    def finish(self, sums: _Sums) -> HeldSums:
        """Return the sums."""
        found = sums.found
        curves = tuple(one.sums() for one in sums.curves)
        return HeldSums(found.scores, found.totals, found.losses, curves)


def _summed(
    values: npt.NDArray[Any], weight: FloatArray | None
) -> npt.NDArray[np.float64]:
    """Return the sums of lines over rows."""
    if weight is None:
        return np.asarray(values.sum(axis=1, dtype=np.float64))
    return np.asarray(values @ weight)
