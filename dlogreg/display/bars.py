"""Estimates with their intervals as small pictures beside the numbers of a table."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from dlogreg.display.ticks import ratio_ticks, round_ticks, tick_text

WIDTH, HEIGHT, HEAD = 170.0, 16.0, 14.0
EDGE = 8.0
"""Room left and right of the axis, for labels of ticks at its ends."""
ROOM = 11.0
"""Least distance of the middles of two labels, for every character of the longer."""
HUGE = 5.0
"""No smaller estimate is cut off: an odds ratio of 150, or 1/150."""
FAR = 2.5
"""Ends are cut off where they lie so many times farther out than most."""
LARGEST = 1e100
"""Values beyond this have no place on an axis, nor have infinite ones."""
Interval = tuple[float, float, float]
"""Lower end, estimate and upper end; NaN ends where there are none."""


@dataclass(frozen=True, slots=True)
class Axis:
    """What the bars of a table have in common."""

    low: float
    high: float
    ticks: tuple[tuple[float, str], ...]
    """Places and labels."""

    def place(self, value: float) -> float:
        """Return the pixel of a value, at the edge where it is outside."""
        share = (value - self.low) / (self.high - self.low)
        return EDGE + (WIDTH - 2 * EDGE) * min(1.0, max(0.0, share))


def common_axis(intervals: Sequence[Interval], *, ratios: bool) -> Axis | None:
    """Return an axis that shows 0 and what matters of the intervals.

    Ends far beyond all others are cut off, so that a column without information does
    not press the others into a point. ``ratios``: the values are logarithms, whose
    ticks are named by what they are logarithms of.
    """
    low, high = shown_range(intervals)
    if not low < high:
        return None
    ticks = ratio_ticks(low, high) if ratios else round_ticks(low, high)
    places = [math.log(tick) if ratios else tick for tick in ticks]
    bare = Axis(low, high, ())
    labels = tuple(zip(places, map(tick_text, ticks), strict=True))
    return Axis(low, high, _apart(bare, labels))


def shown_range(intervals: Sequence[Interval]) -> tuple[float, float]:
    """Return the ends of an axis; see ``common_axis``."""
    values = np.array(intervals, dtype=float).reshape(-1, 3)
    values[np.abs(values) > LARGEST] = np.inf
    middles = values[:, 1][np.isfinite(values[:, 1])]
    ends = values[np.isfinite(values)]
    if not len(middles):
        return 0.0, 0.0
    sizes = np.abs(middles)
    usual = min(float(sizes.max()), max(HUGE, 3 * float(np.quantile(sizes, 0.8))))
    farthest = float(np.abs(ends).max())
    most = 1.15 * max(usual, float(np.quantile(np.abs(ends), 0.8)))
    most = farthest if farthest < FAR * most else most
    low, high = max(-most, float(ends.min())), min(most, float(ends.max()))
    low, high = min(0.0, low), max(0.0, high)
    margin = 0.05 * (high - low)
    return low - margin * (low < 0), high + margin * (high > 0)


def _apart(
    axis: Axis, labels: tuple[tuple[float, str], ...]
) -> tuple[tuple[float, str], ...]:
    """Leave out labels that would touch one another; that of no effect stays."""
    kept = [label for label in labels if label[0] == 0][:1]
    for place, text in labels:
        if text in [known for _, known in kept]:  # too near to be written apart
            continue
        pixel = axis.place(place)
        others = [(abs(pixel - axis.place(p)), t) for p, t in kept]
        needed = (ROOM * (len(text) + len(t)) / 3 for _, t in others)
        if all(gap >= room for (gap, _), room in zip(others, needed, strict=True)):
            kept.append((place, text))
    return tuple(sorted(kept))


def axis_head(axis: Axis) -> str:
    """Return the labels of the ticks, for the head of the column."""
    labels = "".join(
        f'<text x="{axis.place(place):.1f}" y="10" text-anchor="middle">{text}</text>'
        for place, text in axis.ticks
    )
    return f'<svg width="{WIDTH:g}" height="{HEAD:g}">{labels}</svg>'


def bar(interval: Interval, axis: Axis) -> str:
    """Return an estimate as a point on its interval, beside the line of no effect."""
    low, middle, high = interval
    zero, level = axis.place(0.0), HEIGHT / 2
    parts = [f'<path class="rule" d="M{zero:.1f} 0V{HEIGHT:g}"/>']
    if not math.isnan(low) and not math.isnan(high):
        left, right = axis.place(low), axis.place(high)
        parts.append(
            f'<path class="mark" stroke-width="2" d="M{left:.1f} {level:g}'
            f'H{max(right, left + 0.5):.1f}"/>'
        )
        parts += [_arrow(left, -1)] if low < axis.low else []
        parts += [_arrow(right, 1)] if high > axis.high else []
    if axis.low <= middle <= axis.high:
        parts.append(
            f'<circle class="mark" cx="{axis.place(middle):.1f}" cy="{level:g}" r="3"/>'
        )
    elif not math.isnan(middle):
        parts.append(_arrow(axis.place(middle), 1 if middle > 0 else -1))
    return (
        f'<svg width="{WIDTH:g}" height="{HEIGHT:g}" aria-hidden="true">'
        f"{''.join(parts)}</svg>"
    )


def _arrow(place: float, side: int) -> str:
    """Say that the interval goes on beyond the axis."""
    tip, level = place + side * 6, HEIGHT / 2
    return (
        f'<path class="mark" stroke="none" d="M{tip:.1f} {level:g}'
        f'L{place:.1f} {level - 4:g}V{level + 4:g}Z"/>'
    )


def share_bar(share: float) -> str:
    """Return a bar of a share of the width; infinite shares fill it."""
    width = WIDTH * min(1.0, max(0.0, share)) if not math.isnan(share) else 0.0
    return (
        f'<svg width="{WIDTH:g}" height="11" aria-hidden="true">'
        f'<rect class="mark" width="{width:.1f}" height="11"/></svg>'
    )
