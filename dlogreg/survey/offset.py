r"""The null model of rows with offsets: an intercept alone, found from one read.

Its log-likelihood has no closed form, since every row has a probability of its own:
the intercept c solves

    F(c) = sum_i s_i sigma(o_i + c) = sum_{i: event} s_i.

F is summed at many c at once, which takes one exp per row and a division per point, and
knows nothing of the classes. Of these, 24 are the Chebyshev points of the interval of
half width 1 around a guess, which the pilot's rows give. sigma has its poles at odd
multiples of i pi, outside of the ellipse with semi-axes 2.6 and 2.4 around the
interval, on which it is at most 1 / sin(2.4) = 1.5. So the polynomial through these
points is off by at most 2e-16 of the sum of weights (Trefethen 2013, Approximation
Theory and Approximation Practice, theorem 8.2: 4 M rho^-23 / (rho - 1), rho = 5): as
good as the sums themselves. The loss is its integral from the guess, where it was
summed too.

Where the solution is outside, because the pilot's rows are unlike the rest, points
farther out tell where to look in another pass.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.polynomial import chebyshev
from scipy.special import expit, logit

from dlogreg.evaluation import FloatArray, Label
from dlogreg.kernel import Rows
from dlogreg.kernel.dense import row_weights
from dlogreg.loss import loss_rows
from dlogreg.root import root_between
from dlogreg.survey.labels import LARGEST_OFFSET, label_masks
from dlogreg.survey.ranges import Masks

N_POINTS = 24
ANGLES = np.pi * (np.arange(N_POINTS) + 0.5) / N_POINTS
NEAR = np.cos(ANGLES)
"""Chebyshev points of the interval from -1 to 1."""
FAR = np.array([-512.0, -64, -16, -4, -2, -1, 1, 2, 4, 16, 64, 512])
SHIFTS = np.concatenate([NEAR, FAR])
CERTAIN = 700.0
"""Beyond it exp overflows, and sigma is 0 or 1 all the same."""
LEAST_SHARE = 0.1
"""Of an interval that is known to hold the solution, the next guess leaves as much on
either side."""
SLAB_ROWS = 8192


@dataclass(frozen=True, slots=True, eq=False)
class NullSums:
    """Sums over rows at many intercepts."""

    loss: float
    """sum_i s_i log(1 + exp(o_i + guess))"""
    loss_at_zero: float
    """sum_i s_i log(1 + exp(o_i))"""
    expected: FloatArray
    """F at the guess plus SHIFTS, shape (n_shifts,)."""
    scores: Mapping[Label, float]
    """sum s_i (o_i + guess) over the rows of every label."""
    weights: Mapping[Label, float]
    """sum s_i over the rows of every label."""

    def __add__(self, other: NullSums) -> NullSums:
        """Return the sums over the rows of both."""
        return NullSums(
            self.loss + other.loss,
            self.loss_at_zero + other.loss_at_zero,
            self.expected + other.expected,
            _added(self.scores, other.scores),
            _added(self.weights, other.weights),
        )


def _added(
    left: Mapping[Label, float], right: Mapping[Label, float]
) -> dict[Label, float]:
    labels = dict.fromkeys((*left, *right))
    return {label: left.get(label, 0.0) + right.get(label, 0.0) for label in labels}


NOTHING = NullSums(0.0, 0.0, np.zeros(len(SHIFTS)), {}, {})


@dataclass(frozen=True, slots=True, eq=False)
class NullModel:
    """The model with an intercept alone, beside the offset."""

    intercept: float
    loss: float
    """NaN where no pass was left to find it."""
    variance: float
    """sum_i s_i p_i (1 - p_i), the loss's second derivative in the intercept."""
    loss_at_zero: float
    """Loss of the offset by itself."""

    def weighted(self, factor: float) -> NullModel:
        """Return the model with all weights multiplied."""
        return NullModel(
            self.intercept,
            factor * self.loss,
            factor * self.variance,
            factor * self.loss_at_zero,
        )


@dataclass(frozen=True, slots=True)
class NullGrid:
    """The intercepts around a guess at which rows are summed."""

    guess: float
    low: float = -np.inf
    """The solution is known to be above it."""
    high: float = np.inf
    """The solution is known to be below it."""

    def sums(self, rows: Rows, weight: FloatArray | None, masks: Masks) -> NullSums:
        """Sum over the rows of a slab, of which masks tell the labels."""
        offset = rows.offset
        assert offset is not None
        ones = np.ones(len(rows)) if weight is None else weight
        with np.errstate(over="ignore", invalid="ignore"):
            eta = offset + self.guess
            odds = np.exp(np.clip(-eta, -CERTAIN, CERTAIN))
            factors = np.exp(-SHIFTS)
            expected = [float((ones / (1.0 + odds * f)).sum()) for f in factors]
            return NullSums(
                float(ones @ loss_rows(-eta)),
                float(ones @ loss_rows(-offset)),
                np.array(expected),
                {label: float(ones[mask] @ eta[mask]) for label, mask in masks},
                {label: float(ones[mask].sum()) for label, mask in masks},
            )

    def solve(self, sums: NullSums, event: Label) -> NullModel | NullGrid:
        """Return the null model, or where to look for it."""
        total, wanted = sum(sums.weights.values()), sums.weights[event]
        far = sums.expected[N_POINTS:]
        inside = np.abs(FAR) == 1
        low, high = far[inside].tolist()
        if not low <= wanted <= high:
            return self._elsewhere(far, wanted, total)
        cosines = np.cos(np.outer(np.arange(N_POINTS), ANGLES))
        series = 2 / N_POINTS * cosines @ sums.expected[:N_POINTS]
        series[0] /= 2
        move = _root(series, wanted)
        gain = float(chebyshev.chebval(move, chebyshev.chebint(series, lbnd=0.0)))
        bend = float(chebyshev.chebval(move, chebyshev.chebder(series)))
        score = sums.scores[event]
        return NullModel(
            self.guess + move,
            sums.loss + gain - score - move * wanted,
            bend,
            sums.loss_at_zero - score + self.guess * wanted,
        )

    def _elsewhere(self, far: FloatArray, wanted: float, total: float) -> NullGrid:
        """Guess anew, between the points that enclose the solution."""
        above = np.flatnonzero(far >= wanted)
        below = np.flatnonzero(far <= wanted)
        low, high = self.low, self.high
        if len(below):
            low = max(low, self.guess + float(FAR[below[-1]]))
        if len(above):
            high = min(high, self.guess + float(FAR[above[0]]))
        if not len(above):
            return NullGrid(min(self.guess + float(FAR[-1]), high), low, high)
        if not len(below):
            return NullGrid(max(self.guess + float(FAR[0]), low), low, high)
        with np.errstate(divide="ignore", invalid="ignore"):
            ends = logit(far[[below[-1], above[0]]] / total)
            share = (logit(wanted / total) - ends[0]) / (ends[1] - ends[0])
        share = share if np.isfinite(share) else 0.5
        share = min(max(share, LEAST_SHARE), 1 - LEAST_SHARE)
        return NullGrid(low + share * (high - low), low, high)


def _root(series: FloatArray, wanted: float) -> float:
    """Return where a rising series between -1 and 1 has the wanted value."""

    def missing(x: float) -> float:
        return float(chebyshev.chebval(x, series)) - wanted

    low, high = missing(-1.0), missing(1.0)
    if low >= 0 or high <= 0:  # at an end, up to rounding
        return -1.0 if low >= 0 else 1.0
    return root_between(missing, -1.0, 1.0, xtol=1e-15)


def guess_null(rows: Rows, weight: FloatArray | None, event: Label) -> NullGrid:
    """Return the intercept of some rows, with half a row more of either outcome."""
    if rows.offset is None or not len(rows):
        return NullGrid(0.0)
    finite = np.abs(rows.offset) <= LARGEST_OFFSET
    offset = rows.offset[finite]
    ones = np.ones(len(rows)) if weight is None else weight
    ones = ones[finite]
    total = float(ones.sum())
    if not (len(offset) and np.isfinite(total) and total > 0):
        return NullGrid(0.0)
    events = float(ones[rows.y[finite] == event].sum())
    share = (events / total * len(offset) + 0.5) / (len(offset) + 1)

    def missing(c: float) -> float:
        return float(ones @ expit(offset + c)) / total - share

    middle = float(logit(share))
    low, high = middle - float(offset.max()) - 1, middle - float(offset.min()) + 1
    return NullGrid(root_between(missing, low, high, xtol=1e-3))


@dataclass(frozen=True, slots=True, eq=False)
class NullKernel:
    """Sums over all rows around another guess."""

    grid: NullGrid
    classes: tuple[Label, ...]
    class_weight: tuple[tuple[Label, float], ...] = ()

    @property
    def name(self) -> str:
        """What the dashboard shows."""
        return "null_model"

    def open(self) -> None:
        """Need no buffers."""

    def start(self) -> list[NullSums]:
        """Return an empty sum."""
        return [NOTHING]

    def add(self, sums: list[NullSums], rows: Rows, buffers: None) -> None:
        """Add a block, slab by slab."""
        for slab in rows.slabs(SLAB_ROWS):
            kept = slab.positive()
            if len(kept):
                weight = row_weights(kept, self.class_weight)
                masks = [(label, kept.y == label) for label in self.classes]
                sums[0] += self.grid.sums(kept, weight, masks)

    def finish(self, sums: list[NullSums]) -> NullSums:
        """Return the sum."""
        return sums[0]


def find_null(
    sums: NullSums,
    grid: NullGrid,
    classes: tuple[Label, ...],
    run: Callable[[NullKernel], NullSums],
    class_weight: tuple[tuple[Label, float], ...] = (),
    max_passes: int = 100,
) -> NullModel:
    """Solve for the null model; read the rows again where the guess was too far off.

    After ``max_passes`` such passes the loss is given up as NaN.
    """
    while True:
        found = grid.solve(sums, classes[-1])
        if isinstance(found, NullModel):
            return found
        grid = found
        if max_passes <= 0:
            return NullModel(grid.guess, np.nan, np.nan, np.nan)
        sums = run(NullKernel(grid, classes, class_weight))
        max_passes -= 1


def null_event(rows: Rows, classes: Sequence[Label] | None) -> Label:
    """Return the label that is the event, as far as some rows can tell."""
    if classes is not None:
        return classes[-1]
    found = [label for label, _ in label_masks(rows.y, ())]
    return found[-1] if found else None
