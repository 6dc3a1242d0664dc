"""Loss, gradient and Hessian of the models of many groups, each of its own rows.

A row belongs to one group, so that all models together cost what one of all rows does:
k^2 operations for the Hessian and a few k for the rest, and sorting the rows of a slab
by their groups. What the models sum, a line of 1 + T + k + k^2 numbers for each, adds
by groups: a part of the data has lines for the groups that occur in it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dlogreg.errors import DataError
from dlogreg.evaluation import Evaluation, FloatArray, Label
from dlogreg.kernel.block import Rows
from dlogreg.kernel.csr import as_dense
from dlogreg.kernel.group_rows import (
    Places,
    coded,
    columns_of,
    products,
    runs_of,
    slab_length,
)
from dlogreg.keyed_sums import KeyedSums, Keys
from dlogreg.loss import loss_residual_weight_rows, loss_rows
from dlogreg.tree_sum import TreeSum

N_NULL = 3
"""Loss, slope and bend of the model with an intercept alone."""


@dataclass(frozen=True, slots=True, eq=False)
class GroupPoints:
    """The points of the models that are evaluated, in lines for each."""

    coefficients: FloatArray
    """Of the centred columns, shape (n_models, n_params)."""
    centres: FloatArray
    """Shape (n_models, n_features)."""
    steps: FloatArray | None = None
    """Directions in which losses are wanted too; zero where none are."""
    lengths: FloatArray | None = None
    """How far along them, shape (n_models, n_lengths)."""
    nulls: FloatArray | None = None
    """Intercepts of models without columns, if rows have offsets, (n_models,)."""

    @property
    def n_lengths(self) -> int:
        """Losses along every direction."""
        return 0 if self.lengths is None else int(self.lengths.shape[1])

    @property
    def n_sums(self) -> int:
        """Numbers that a model sums."""
        k, nulls = int(self.coefficients.shape[1]), self.nulls
        return N_NULL * (nulls is not None) + 1 + self.n_lengths + k + k**2


@dataclass(frozen=True, slots=True, eq=False)
class GroupSumsKernel:
    """Sums loss, gradient and Hessian of every model over the rows of its group."""

    levels: Keys
    """Labels of all groups, sorted, shape (n_groups,)."""
    models: Places
    """Line of the group's model among the points; -1 for those that rest."""
    points: GroupPoints
    event: Label
    fit_intercept: bool = True

    @property
    def name(self) -> str:
        """What the dashboard shows."""
        return "group_loss_gradient_hessian"

    def open(self) -> None:
        """Need no buffers."""

    def start(self) -> TreeSum:
        """Return empty sums."""
        tree = TreeSum()
        tree.push(KeyedSums.empty(self.points.n_sums, len(self.levels)))
        return tree

    def add(self, sums: TreeSum, rows: Rows, buffers: None) -> None:
        """Add a block, slab by slab."""
        for slab in rows.slabs(slab_length(self.points.coefficients.shape[1])):
            kept = slab.positive()
            if not len(kept):
                continue
            assert kept.groups is not None
            keys, places = coded(kept.groups)
            models = self._models(keys, kept)[places]
            chosen = np.flatnonzero(models >= 0)
            if len(chosen):
                chosen = chosen[np.argsort(models[chosen], kind="stable")]
                sums.push(self._sums(kept, models[chosen], chosen))

    def _models(self, keys: Keys, rows: Rows) -> Places:
        """Return the models of groups, all of which the first pass has seen."""
        found = np.searchsorted(self.levels, keys).clip(max=len(self.levels) - 1)
        new = np.flatnonzero(self.levels[found] != keys)
        if len(new):
            raise DataError(
                f"block {rows.index} holds the group {keys[new[0]]!r}, which was not "
                "there in the first pass; fit again when nobody changes the data"
            )
        return np.asarray(self.models[found])

    def _sums(self, rows: Rows, models: Places, chosen: Places) -> KeyedSums:
        """Return the sums over some rows, which are sorted by model."""
        present, starts, counts = runs_of(models)
        z = self._centred(rows, present, counts, chosen)
        points, (k, n_rows) = self.points, z.shape
        sign = np.where(rows.y[chosen] == self.event, 1.0, -1.0)
        given = rows.sample_weight
        weight = np.ones(n_rows) if given is None else given[chosen]
        eta = _predictor(z, points.coefficients[present], counts)
        if rows.offset is not None:
            eta += rows.offset[chosen]
        loss, miss, curvature = loss_residual_weight_rows(sign * eta)
        lines = np.empty((len(present), points.n_sums))
        lines[:, 0] = np.add.reduceat(loss * weight, starts)
        if points.steps is not None and points.lengths is not None:
            along = _predictor(z, points.steps[present], counts)
            for i, length in enumerate(points.lengths[present].T, 1):
                trial = loss_rows(sign * (eta + np.repeat(length, counts) * along))
                lines[:, i] = np.add.reduceat(trial * weight, starts)
        if points.nulls is not None:
            eta = np.repeat(points.nulls[present], counts)
            eta += 0.0 if rows.offset is None else rows.offset[chosen]
            found = _null_terms(sign, eta) * weight
            lines[:, -N_NULL:] = np.add.reduceat(found, starts, axis=1).T
        rest = lines[:, 1 + points.n_lengths :]
        miss *= -sign * weight
        rest[:, :k] = np.add.reduceat(z * miss, starts, axis=1).T
        z *= np.sqrt(curvature * weight)
        hessians = products(z, starts, counts).reshape(len(present), -1)
        rest[:, k : k + k**2] = hessians
        return KeyedSums(present, lines, len(self.levels))

    def _centred(
        self, rows: Rows, present: Places, counts: Places, chosen: Places
    ) -> FloatArray:
        """Return lines of the columns about the centres of their groups, 1 first."""
        first = int(self.fit_intercept)
        columns = columns_of(as_dense(rows.X[chosen]))
        columns -= np.repeat(self.points.centres[present].T, counts, axis=1)
        if not first:
            return columns
        return np.concatenate([np.ones((1, len(chosen))), columns])

    def finish(self, sums: TreeSum) -> KeyedSums:
        """Return the sums."""
        total: KeyedSums = sums.total()
        return total


def _null_terms(sign: FloatArray, eta: FloatArray) -> FloatArray:
    """Return a row's loss, slope and bend in the intercept, shape (3, n_rows)."""
    loss, miss, bend = loss_residual_weight_rows(sign * eta)
    return np.stack([loss, -sign * miss, bend])


def _predictor(z: FloatArray, coefficients: FloatArray, counts: Places) -> FloatArray:
    """Return what every row's own coefficients give, shape (n_rows,)."""
    eta = np.zeros(z.shape[1])
    for line, values in zip(z, coefficients.T, strict=True):
        eta += line * np.repeat(values, counts)
    return eta


def evaluation_of(line: FloatArray, points: GroupPoints) -> Evaluation:
    """Return what a model has summed, in centred columns."""
    k, n_lengths = points.coefficients.shape[1], points.n_lengths
    rest = line[1 + n_lengths :]
    return Evaluation(
        float(line[0]),
        rest[:k],
        rest[k : k + k**2].reshape(k, k),
        line[1 : 1 + n_lengths] if n_lengths else None,
    )
