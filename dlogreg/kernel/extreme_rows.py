"""The rows that say most about whether the classes are separated, a bounded number.

Rows carry the sign of their class, a_i = +z_i for the event and -z_i otherwise, so that
a direction b is right about row i if a_i'b >= 0. Kept are

- for every direction the rows of least a_i'b: those that it is wrong about, if any;
- for every column the rows with the largest and the smallest a_ij: both outcomes of
  every level that has them;
- a few rows spread over the data.

Which rows are kept depends on the order of the data, never on how many tasks read them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from dlogreg.evaluation import FloatArray, Label
from dlogreg.kernel.block import Rows
from dlogreg.kernel.mixed import Mixed
from dlogreg.kernel.mixed_slab import MixedSlab
from dlogreg.kernel.signed_rows import SignedRows, signed_rows
from dlogreg.kernel.slab import slab_rows

SPREAD = 8
"""Rows kept of every slab, before they are thinned."""


@dataclass(frozen=True, slots=True, eq=False)
class Counts:
    """How many rows lie where, for every direction, shape (n_directions,)."""

    wrong: npt.NDArray[np.int64]
    zero: npt.NDArray[np.int64]
    right: npt.NDArray[np.int64]
    least: FloatArray
    """The smallest margin of the rows that are right; infinity without any."""

    def __add__(self, other: Counts) -> Counts:
        """Return the counts over the rows of both."""
        return Counts(
            self.wrong + other.wrong,
            self.zero + other.zero,
            self.right + other.right,
            np.minimum(self.least, other.least),
        )


@dataclass(frozen=True, slots=True, eq=False)
class Lowest:
    """Rows of least margin by one direction, in order."""

    rows: FloatArray
    margins: FloatArray

    def merged(self, other: Lowest, most: int) -> Lowest:
        """Return the lowest of both; of equal ones those that came first."""
        margins = np.concatenate([self.margins, other.margins])
        order = np.argsort(margins, kind="stable")[:most]
        return Lowest(np.concatenate([self.rows, other.rows])[order], margins[order])


@dataclass(frozen=True, slots=True, eq=False)
class Extremes:
    """For every column the row with the largest value of ``sign`` times it."""

    sign: float
    rows: FloatArray
    values: FloatArray
    """-infinity where there is no row yet."""

    def merged(self, rows: FloatArray, values: FloatArray) -> Extremes:
        """Return the extremes of both; of equal ones those that came first."""
        larger = values > self.values
        return Extremes(
            self.sign,
            np.where(larger[:, None], rows, self.rows),
            np.where(larger, values, self.values),
        )

    def with_rows(self, rows: FloatArray) -> Extremes:
        """Return the extremes with some more rows."""
        signed = self.sign * rows
        best = signed.argmax(axis=0)
        return self.merged(rows[best], signed[best, np.arange(rows.shape[1])])


@dataclass(frozen=True, slots=True, eq=False)
class ExtremeRows:
    """What was kept, and counted."""

    counts: Counts
    lowest: tuple[Lowest, ...]
    high: Extremes
    low: Extremes
    spread: FloatArray
    most: int

    @property
    def rows(self) -> FloatArray:
        """All kept rows, signed, shape (n, n_params)."""
        found = [kept.rows for kept in self.lowest]
        sides = (self.high, self.low)
        found += [side.rows[np.isfinite(side.values)] for side in sides]
        return np.concatenate([*found, self.spread])

    def __add__(self, other: ExtremeRows) -> ExtremeRows:
        """Return what is kept of the rows of both."""
        pairs = zip(self.lowest, other.lowest, strict=True)
        return ExtremeRows(
            self.counts + other.counts,
            tuple(a.merged(b, self.most) for a, b in pairs),
            self.high.merged(other.high.rows, other.high.values),
            self.low.merged(other.low.rows, other.low.values),
            thinned(np.concatenate([self.spread, other.spread]), self.most),
            self.most,
        )


def thinned(rows: npt.NDArray[Any], most: int) -> npt.NDArray[Any]:
    """Return at most so many rows, evenly spread."""
    return rows[:: max(1, -(-len(rows) // most))]


@dataclass(frozen=True, slots=True, eq=False)
class ExtremeRowsKernel:
    """Keeps the rows that say most about some directions."""

    directions: FloatArray
    """Of the scaled columns, intercept first, shape (n_params, n_directions)."""
    centre: FloatArray
    units: FloatArray
    """What a centred column is multiplied with, shape (n_params,)."""
    event: Label
    fit_intercept: bool
    most: int
    """Rows kept of every kind."""
    doubtful: bool = False
    """Extremes and spread are only of rows that the first direction leaves doubtful,
    because it has them at zero or on their wrong side."""

    @property
    def name(self) -> str:
        """What the dashboard shows."""
        return "extreme_rows"

    def open(self) -> None:
        """Need no buffers."""

    def start(self) -> list[ExtremeRows]:
        """Return what is kept of no rows."""
        k, n = self.directions.shape
        none, nothing = np.zeros(n, dtype=np.int64), np.full(k, -np.inf)
        lowest = Lowest(np.empty((0, k)), np.empty(0))
        return [
            ExtremeRows(
                Counts(none, none, none, np.full(n, np.inf)),
                (lowest,) * n,
                Extremes(1.0, np.zeros((k, k)), nothing),
                Extremes(-1.0, np.zeros((k, k)), nothing),
                np.empty((0, k)),
                self.most,
            )
        ]

    def add(self, sums: list[ExtremeRows], rows: Rows, buffers: None) -> None:
        """Keep what is extreme in a block, slab by slab."""
        length = usual = slab_rows(len(self.directions))
        if isinstance(rows.X, Mixed) and rows.X.compressed is None:
            length = MixedSlab.length
        for slab in rows.slabs(length):
            kept = slab.positive()
            if len(kept):
                spread = SPREAD * -(-len(kept) // usual)
                sums[0] += self._of_slab(kept, spread, sums[0].lowest)

    def _of_slab(
        self, rows: Rows, n_spread: int, known: tuple[Lowest, ...]
    ) -> ExtremeRows:
        sign = np.where(rows.y == self.event, 1.0, -1.0)
        signed = signed_rows(rows.X, sign, self.centre, self.units)
        margins, zero = signed.margins(self.directions)
        right, wrong = margins > zero, margins < -zero
        counts = Counts(
            wrong.sum(axis=0),
            (~right & ~wrong).sum(axis=0),
            right.sum(axis=0),
            np.where(right, margins, np.inf).min(axis=0),
        )
        pairs = zip(margins.T, known, strict=True)
        lowest = tuple(self._lowest(signed, m, before) for m, before in pairs)
        inside = np.arange(len(rows))
        if self.doubtful:
            inside = inside[~right[:, 0]]
        empty = self.start()[0]
        high, low = empty.high, empty.low
        if len(inside):
            extreme = signed.extreme(inside)
            high, low = high.with_rows(extreme), low.with_rows(extreme)
        spread = signed.take(thinned(inside, n_spread))
        return ExtremeRows(counts, lowest, high, low, spread, self.most)

    def _lowest(self, signed: SignedRows, margins: FloatArray, known: Lowest) -> Lowest:
        """Return the rows of least margin that those before them leave a place."""
        near = np.arange(len(margins))
        if len(margins) > self.most:
            border = np.partition(margins, self.most - 1)[self.most - 1]
            near = np.flatnonzero(margins <= border)
        if len(known.margins) == self.most:
            near = near[margins[near] < known.margins[-1]]
        near = near[np.argsort(margins[near], kind="stable")[: self.most]]
        return Lowest(signed.take(near), margins[near])

    def finish(self, sums: list[ExtremeRows]) -> ExtremeRows:
        """Return what was kept."""
        return sums[0]
