"""Loss, gradient and Hessian of every part of the rows at several points, in one read.

Parts are disjoint, so that their Hessians cost together what one of all rows costs,
and models that leave out one part each have theirs by adding up the others. Per row a
point takes k^2 operations for the Hessian, if it is wanted, and 4 k for the rest.

Losses and gradients are in float64; with ``single`` the products for Hessians are in
float32, of at most ``PRODUCT_ROWS`` rows each (``kernel/row_slab.py`` bounds what they
are off by), and added in float64.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from dlogreg.evaluation import FloatArray, Label
from dlogreg.kernel.block import Rows
from dlogreg.kernel.dense import row_weights
from dlogreg.kernel.parts import Parts, in_order
from dlogreg.kernel.standard_rows import StandardRows, add_grams
from dlogreg.loss import loss_residual_weight_rows

SLAB_VALUES = 2**19


def slab_length(n_params: int) -> int:
    """Return how many rows a slab has at most."""
    return int(np.clip(SLAB_VALUES // n_params, 512, 16384))


@dataclass(frozen=True, slots=True, eq=False)
class PartSums:
    """Sums over the rows of every part at every point."""

    losses: FloatArray
    """Shape (n_points, n_parts)."""
    gradients: FloatArray
    """Shape (n_points, n_parts, n_params)."""
    hessians: FloatArray
    """Of the chosen points, shape (n_chosen, n_parts, n_params, n_params)."""
    totals: FloatArray
    """Rows, their weight, and that of the events, shape (3, n_parts)."""
    reaches: FloatArray
    """Largest change of a row's predictor from a point nearby, shape (n_points,)."""

    def __add__(self, other: PartSums) -> PartSums:
        """Return the sums over the rows of both."""
        return PartSums(
            self.losses + other.losses,
            self.gradients + other.gradients,
            self.hessians + other.hessians,
            self.totals + other.totals,
            np.maximum(self.reaches, other.reaches),
        )


@dataclass(frozen=True, slots=True, eq=False)
class PartSumsKernel:
    """Sums loss, gradient and Hessian by part."""

    points: FloatArray
    """In the solver's coordinates, shape (n_params, n_points); more may follow, which
    are only compared with."""
    parts: Parts
    centre: FloatArray
    units: FloatArray
    event: Label
    fit_intercept: bool = True
    class_weight: tuple[tuple[Label, float], ...] = ()
    single: bool = True
    """Products for Hessians in float32."""
    hessian_of: tuple[int, ...] | None = None
    """Points, by position, whose Hessians are formed; None: all."""
    near: tuple[int, ...] = ()
    """The point with which each is compared; without any, all columns are points."""

    @property
    def name(self) -> str:
        """What the dashboard shows."""
        return "parts"

    @property
    def n_points(self) -> int:
        """Number of points that are evaluated."""
        return len(self.near) or int(self.points.shape[1])

    @property
    def _chosen(self) -> tuple[int, ...]:
        """Points whose Hessians are formed."""
        every = tuple(range(self.n_points))
        return every if self.hessian_of is None else self.hessian_of

    def open(self) -> StandardRows:
        """Return the slab's buffers."""
        length, first = slab_length(len(self.points)), self.fit_intercept
        return StandardRows(self.centre, self.units, length, fit_intercept=first)

    def start(self) -> PartSums:
        """Return empty sums."""
        k, n, p = len(self.points), self.n_points, self.parts.n_parts
        shapes = ((n, p), (n, p, k), (len(self._chosen), p, k, k), (3, p), (n,))
        return PartSums(*(np.zeros(shape) for shape in shapes))

    def add(self, sums: PartSums, rows: Rows, buffers: StandardRows) -> None:
        """Add a block, slab by slab, the rows of each in the order of their parts."""
        for slab in rows.slabs(buffers.length):
            kept = slab.positive()
            if len(kept):
                order, counts = in_order(self.parts, kept)
                self._add_slab(sums, kept.chosen(order), counts, buffers)

    def _add_slab(
        self,
        sums: PartSums,
        rows: Rows,
        counts: npt.NDArray[np.intp],
        buffers: StandardRows,
    ) -> None:
        z, is_event = buffers.load(rows.X), rows.y == self.event
        weight = row_weights(rows, self.class_weight)
        ones = np.ones(len(rows)) if weight is None else weight
        sign = np.where(is_event, 1.0, -1.0)
        margin = self.points.T @ z.T
        if self.near:
            margin = self._compared(sums, margin)
        if rows.offset is not None:
            margin += rows.offset
        margin *= sign
        loss, miss, curvature = loss_residual_weight_rows(margin, self._chosen)
        miss *= -sign * ones
        curvature *= ones
        roots, factors = np.sqrt(curvature, out=curvature), z
        if self.single:
            roots, factors = roots.astype("f4"), buffers.rounded(z)
        ends = counts.cumsum().tolist()
        for part, (low, high) in enumerate(pairwise([0, *ends])):
            if low == high:
                continue
            cut = slice(low, high)
            weights = ones[cut]
            events = weights[is_event[cut]].sum()
            sums.totals[:, part] += (high - low, weights.sum(), events)
            sums.losses[:, part] += loss[:, cut] @ weights
            sums.gradients[:, part] += miss[:, cut] @ z[cut]
            add_grams(sums.hessians[:, part], factors[cut], roots[:, cut])

    def _compared(self, sums: PartSums, eta: FloatArray) -> FloatArray:
        """Note how far predictors are from those of points nearby; return the own."""
        own = eta[: self.n_points]
        move = eta.take(self.near, axis=0)
        move -= own
        reach = np.maximum(move.max(axis=1), -move.min(axis=1))
        np.maximum(sums.reaches, reach, out=sums.reaches)
        return own

    def finish(self, sums: PartSums) -> PartSums:
        """Return the sums."""
        return sums
