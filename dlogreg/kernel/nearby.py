r"""Gradients of many models near points at which the data are known, from one read.

A model b weights the rows by m_ib, and its point is a base theta_a, shared with other
models, plus a shift d_b. With delta = z_i'd_b, and the probability p and the weight
w = p (1 - p) of the row at the base,

    p(eta + delta) - p = w E / (1 + p E),     E = exp(delta) - 1,

exactly, which is (1 - p) E / (1 / p + E). So the kernel sums what the shift changes,

    G_b = sum_i m_ib (w E / (1 + p E))_i z_i,

and the gradient is that of the base, known from before, plus G_b. Two matrix products,
one exp and one division serve a row and a model: about 4 k + 15 operations, against k^2
for a Hessian.

With ``single`` all of it is in float32, summed in float64 slab by slab. Rounding is
then relative to what the shift changes and not to the gradient. It is taken as 48 units
of rounding of the sums of absolute values: rows that change alike, as all do where the
intercept alone moves, round the same way, and 33 units were found. And

    sum_i abs(D_i z_ij) <= exp(S0 / 2) norm(d)_H sqrt(H_jj) sqrt(e^S0)

by Cauchy and Schwarz, where abs(D) <= w exp(S0) abs(delta).

Rows that count in the same models are put side by side, where that is few kinds of rows
(``kernel/part_weights.py``): no operation is spent on a model that has left them out,
and S0 is over the rows of the model alone.

Without shifts the sums are those of the base itself, G_b = sum_i m_ib (p - y)_i z_i,
the gradient, and the weights of the rows and of the events in each model come too.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from dlogreg.evaluation import FloatArray, Label
from dlogreg.kernel.block import Rows
from dlogreg.kernel.standard_rows import StandardRows, add_grams
from dlogreg.loss import inverse_rest_rows, probability_weight_rows

SLAB_VALUES = 2**17
GROUP = 128
"""Models whose values stay in the cache beside the slab."""
LARGEST_SORTED = 16384
"""Rows that are put in order at once: these are copied."""
LARGEST_SHIFT = {4: 10.0, 8: 30.0}
"""Of a predictor, by bytes of the type: 1 + p E loses its digits beyond, and a larger
shift counts as this one. ``reaches`` tells of it."""


def slab_length(n_params: int) -> int:
    """Return how many rows a slab has at most."""
    return int(np.clip(SLAB_VALUES // n_params, 256, 2048))


def sorted_length(n_params: int, n_kinds: int) -> int:
    """Return how many rows are put in order at most, to find those of one kind."""
    length = slab_length(n_params)
    return max(length, min(LARGEST_SORTED, n_kinds * length * 7 // 8))


Models = npt.NDArray[np.intp]
"""Positions of models, ascending."""


class ModelWeights(Protocol):
    """What a row counts in every model: a recipe, never a table."""

    @property
    def n_kinds(self) -> int:
        """How many kinds of rows ``alike`` tells apart."""
        ...

    def alike(self, rows: Rows) -> Iterator[tuple[Rows, Models]]:
        """Return the rows kind by kind, and the models in which each kind counts."""
        ...

    def weights(
        self, rows: Rows, models: Models, type_: npt.DTypeLike
    ) -> FloatArray | None:
        """Return the weights of rows of one kind in these models, None if all are 1.

        Of shape (n_models, n_rows), or (1, n_rows) where they are those of all.
        """
        ...


@dataclass(frozen=True, slots=True, eq=False)
class NearbySums:
    """Sums over rows, of B models."""

    gradients: FloatArray
    """G, shape (n_params, B)."""
    reaches: FloatArray
    """Largest abs(z_i'd_b) over rows, shape (B,)."""
    totals: FloatArray
    """Weight of the rows and of the events, shape (2, B); zeros beside shifts."""
    hessians: tuple[FloatArray, ...] = ()
    """Those of the models that were chosen."""

    def __add__(self, other: NearbySums) -> NearbySums:
        """Return the sums over the rows of both."""
        return NearbySums(
            self.gradients + other.gradients,
            np.maximum(self.reaches, other.reaches),
            self.totals + other.totals,
            tuple(a + b for a, b in zip(self.hessians, other.hessians, strict=True)),
        )


class _Buffers:
    """The slab, and the points in its type."""

    def __init__(self, kernel: NearbyKernel) -> None:
        self.type = np.dtype("f4" if kernel.single else "f8")
        self.slab = StandardRows(
            kernel.centre,
            kernel.units,
            slab_length(len(kernel.bases)),
            fit_intercept=kernel.fit_intercept,
            type_=self.type,
        )
        self.bases = kernel.bases.astype(self.type)
        shifts = kernel.shifts
        self.shifts = None if shifts is None else shifts.T.astype(self.type, order="C")
        self.base_of = np.array(kernel.base_of, dtype=np.intp)


@dataclass(frozen=True, slots=True, eq=False)
class NearbyKernel:
    """Sums the changes of gradients by shifts from base points."""

    bases: FloatArray
    """Base points in the solver's coordinates, shape (n_params, n_bases)."""
    base_of: tuple[int, ...]
    """The base of every model."""
    shifts: FloatArray | None
    """Shape (n_params, B); None: sum at the bases themselves."""
    rows: ModelWeights
    centre: FloatArray
    units: FloatArray
    event: Label
    fit_intercept: bool = True
    hessian_of: tuple[int, ...] = ()
    """Models, by position, of which the Hessian is formed too."""
    single: bool = True
    """Arithmetic in float32."""

    @property
    def name(self) -> str:
        """What the dashboard shows."""
        return "many_models"

    def open(self) -> _Buffers:
        """Return the slab's buffers."""
        return _Buffers(self)

    def start(self) -> NearbySums:
        """Return empty sums."""
        k, B = len(self.bases), len(self.base_of)
        hessians = tuple(np.zeros((k, k)) for _ in self.hessian_of)
        return NearbySums(np.zeros((k, B)), np.zeros(B), np.zeros((2, B)), hessians)

    def add(self, sums: NearbySums, rows: Rows, buffers: _Buffers) -> None:
        """Add a block, slab by slab, each of rows that count in the same models."""
        length = buffers.slab.length
        for slab in rows.slabs(sorted_length(len(self.bases), self.rows.n_kinds)):
            kept = slab.positive()
            if not len(kept):
                continue
            for some, models in self.rows.alike(kept):
                n_groups = -(-len(models) // GROUP)
                groups = np.array_split(models, n_groups) if n_groups else []
                for piece in some.slabs(length):
                    self._add_slab(sums, piece, groups, buffers)

    def _add_slab(
        self,
        sums: NearbySums,
        rows: Rows,
        groups: Sequence[Models],
        buffers: _Buffers,
    ) -> None:
        """Add rows to the models in which they count."""
        z = buffers.slab.load(rows.X)
        eta = buffers.bases.T @ z.T
        if rows.offset is not None:
            eta += rows.offset.astype(eta.dtype)
        if buffers.shifts is None:
            self._add_at_bases(sums, rows, groups, z, eta, buffers)
        else:
            self._add_changes(sums, rows, groups, z, eta, buffers.shifts, buffers)

    def _add_at_bases(
        self,
        sums: NearbySums,
        rows: Rows,
        groups: Sequence[Models],
        z: FloatArray,
        eta: FloatArray,
        buffers: _Buffers,
    ) -> None:
        """Add the gradients of the bases themselves, and the weights of the rows."""
        is_event, base = rows.y == self.event, probability_weight_rows(eta)
        # sigma with its own sign: p - 1 would cancel where p is near 1
        miss = np.where(is_event, -probability_weight_rows(-eta)[0], base[0])
        for models in groups:
            weight = self.rows.weights(rows, models, buffers.type)
            if weight is None:
                weight = np.ones((1, len(rows)), buffers.type)
            changed = miss[buffers.base_of[models]] * weight
            if self.hessian_of:
                still = np.zeros_like(changed)
                self._add_hessians(sums, models, z, still, base, weight)
            sums.totals[0, models] += weight.sum(axis=1, dtype=float)
            sums.totals[1, models] += weight[:, is_event].sum(axis=1, dtype=float)
            sums.gradients.T[models] += changed @ z

    def _add_changes(
        self,
        sums: NearbySums,
        rows: Rows,
        groups: Sequence[Models],
        z: FloatArray,
        eta: FloatArray,
        shifts: FloatArray,
        buffers: _Buffers,
    ) -> None:
        """Add what the shifts change in the gradients, and how far they reach."""
        base = probability_weight_rows(eta) if self.hessian_of else (eta, eta)
        whole, rest = inverse_rest_rows(eta)
        for models in groups:
            weight = self.rows.weights(rows, models, buffers.type)
            delta = shifts[models] @ z.T
            reach = np.maximum(delta.max(axis=1), -delta.min(axis=1))
            sums.reaches[models] = np.maximum(sums.reaches[models], reach)
            largest = LARGEST_SHIFT[delta.itemsize]
            if reach.max() > largest:
                np.clip(delta, -largest, largest, out=delta)
            changed = _changes(delta, whole, rest, buffers.base_of[models])
            self._add_hessians(sums, models, z, delta, base, weight)
            if weight is not None:
                changed *= weight
            sums.gradients.T[models] += changed @ z

    def _add_hessians(
        self,
        sums: NearbySums,
        models: Models,
        z: FloatArray,
        growth: FloatArray,
        base: tuple[FloatArray, FloatArray],
        weight: FloatArray | None,
    ) -> None:
        """Add the Hessians of the chosen models; ``growth`` is their E."""
        place = {model: at for at, model in enumerate(models.tolist())}
        for total, model in zip(sums.hessians, self.hessian_of, strict=True):
            if model in place:
                at, own = place[model], self.base_of[model]
                p, w = base[0][own], base[1][own]
                bend = w * (1 + growth[at]) / (1 + p * growth[at]) ** 2
                if weight is not None:
                    bend *= weight[at % len(weight)]
                add_grams(total[None], z, np.sqrt(bend)[None])

    def finish(self, sums: NearbySums) -> NearbySums:
        """Return the sums."""
        return sums


def _changes(
    delta: FloatArray, whole: FloatArray, rest: FloatArray, own: npt.NDArray[np.intp]
) -> FloatArray:
    """Return (1 - p) E / (1 / p + E) of every model and row; delta becomes E."""
    growth = np.expm1(delta, out=delta)  # exp - 1 would round the same way in all rows
    one = len(whole) == 1
    changed = growth + whole if one else whole.take(own, axis=0)
    if not one:
        changed += growth
    np.divide(growth, changed, out=changed)
    changed *= rest if one else rest.take(own, axis=0)
    return changed
