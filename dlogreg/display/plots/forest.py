"""Odds ratios with their intervals, one row each."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from dlogreg.display.bars import shown_range
from dlogreg.display.numerals import elided, printable, significant
from dlogreg.display.plots.canvas import SMALL, axes, grid, legend, name_rows, title
from dlogreg.display.summary import label_text
from dlogreg.display.theme import GREY, SERIES
from dlogreg.display.ticks import ratio_ticks, tick_text
from dlogreg.evaluation import FloatArray

if TYPE_CHECKING:
    from dlogreg.results import LogitResults, MultinomialResults
    from dlogreg.results.fitted import FittedModel

MAX_NAME = 36
CROWDED = 0.02
"""Axes of log-odds shorter than this have long labels, such as 1.0004, and so fewer."""
MOST = 40
"""Rows of a plot, unless more are asked for."""
MOST_CLASSES = 6
ROW, AROUND, WIDTH = 0.26, 1.15, 7.6
"""Inches of a row, of what stands above and below, and of all from left to right."""


@dataclass(frozen=True, slots=True, eq=False)
class Forest:
    """Log-odds of some columns, one line of intervals for every class."""

    names: tuple[str, ...]
    intervals: FloatArray
    """Lower end, estimate and upper end, shape (n_classes, n_names, 3)."""
    labels: tuple[str, ...]
    note: str
    """What is left out."""


def chosen(
    results: FittedModel,
    logs: FloatArray,
    labels: Sequence[str],
    names: Sequence[str] | None,
    most: int,
    *,
    sort: bool,
) -> Forest:
    """Return the rows to draw: those asked for, or the strongest, sorted by effect."""
    if isinstance(most, bool) or most != int(most) or most < 1:
        raise ValueError(f"most must be a whole number from 1, not {most!r}")
    first, every = int(results.fit_intercept), list(results.names)
    if names is None:
        places = [
            j for j in range(first, len(every)) if every[j] not in results.dropped
        ]
    else:
        places = [_place(every, name) for name in names]
    n_known = len(places)
    if not n_known:
        raise ValueError("there is no coefficient to show but the intercept")
    places = _strongest(logs, places, most)
    left_out = n_known - len(places)
    tested = not np.isnan(logs[:, places, 0]).all()
    kind = "most significant" if tested else "largest"
    note = f"the {kind} {len(places)} of {n_known:,} columns" if left_out else ""
    if sort:
        sizes = np.nanmean(logs[:, places, 1], axis=0)
        places = [places[k] for k in np.argsort(-sizes, kind="stable")]
    shown = tuple(elided(printable(every[j]), MAX_NAME) for j in places)
    return Forest(shown, logs[:, places], tuple(labels), note)


def _place(every: list[str], name: str) -> int:
    if name not in every:
        known = ", ".join(map(repr, every[:10])) + ", ..." * (len(every) > 10)
        raise ValueError(f"no coefficient is named {name!r}; there are {known}")
    return every.index(name)


def _strongest(logs: FloatArray, places: list[int], most: int) -> list[int]:
    """Return the places of the largest abs(z), or else of the largest effects."""
    if len(places) <= most:
        return places
    parts = logs[:, places]
    size = np.abs(parts[:, :, 1])
    with np.errstate(invalid="ignore", divide="ignore"):
        z = size / (parts[:, :, 2] - parts[:, :, 0])
    rank = np.where(np.isfinite(z), z, np.where(np.isinf(size), np.inf, -1.0))
    rank = size if np.isnan(z).all() else rank
    order = np.argsort(-np.nan_to_num(rank, nan=-1.0).max(axis=0), kind="stable")
    return sorted(places[k] for k in order[:most])


def binary_forest(
    results: LogitResults,
    alpha: float,
    units: Mapping[str, float] | None,
    kind: str | None,
    method: str,
) -> tuple[FloatArray, tuple[str, ...]]:
    """Return log-odds with intervals, shape (1, n_names, 3), and no label."""
    ratios = results.odds_ratios(alpha, units=units, kind=kind, method=method)
    with np.errstate(divide="ignore"):
        return _logs(ratios)[None], ("",)


def class_forest(
    results: MultinomialResults, alpha: float
) -> tuple[FloatArray, tuple[str, ...]]:
    """Return the same for up to six classes, and their labels."""
    labels = tuple(label_text(label) for label in results.labels)
    return _logs(results.odds_ratios(alpha))[:MOST_CLASSES], labels[:MOST_CLASSES]


def _logs(ratios: FloatArray) -> FloatArray:
    """Return lower ends, estimates and upper ends as logarithms."""
    with np.errstate(divide="ignore"):
        return np.asarray(np.log(ratios)[..., [1, 0, 2]])


def draw_forest(forest: Forest, ax: Any, heading: str, **style: Any) -> Any:
    """Draw rows on a logarithmic axis; return the axes."""
    n_classes, n_rows, _ = forest.intervals.shape
    height = AROUND + ROW * n_rows * (1 if n_classes == 1 else 0.5 + 0.5 * n_classes)
    ax = axes(ax, (WIDTH, height))
    ends = _limits(forest.intervals)
    _frame(ax, ends)
    for k, part in enumerate(forest.intervals):
        shift = 0.0 if n_classes == 1 else 0.6 * ((k + 0.5) / n_classes - 0.5)
        given = {"color": SERIES[k], **style}
        _points(ax, part, np.arange(n_rows) + shift, ends, forest.labels[k], given)
    name_rows(ax, forest.names)
    if n_classes == 1:
        _numbers(ax, forest.intervals[0])
    else:
        legend(ax, loc="upper left", bbox_to_anchor=(1.0, 1.0))
    title(ax, heading, forest.note)
    return ax


def _limits(intervals: FloatArray) -> tuple[float, float]:
    low, high = shown_range([(a, b, c) for a, b, c in intervals.reshape(-1, 3)])
    return (low, high) if low < high else (-math.log(2), math.log(2))


def _frame(ax: Any, ends: tuple[float, float]) -> None:
    """Lay out the axis of odds ratios, with a line where there is no effect."""
    ticks = ratio_ticks(*ends, 7 if ends[1] - ends[0] > CROWDED else 4)
    ax.set_xscale("log")
    ax.set_xlim(*np.exp(ends))
    ax.set_xticks(ticks, [tick_text(tick) for tick in ticks])
    ax.set_xticks([], minor=True)
    ax.set_xlabel("odds ratio (logarithmic scale)")
    ax.axvline(1.0, color=GREY, linewidth=1.0)
    grid(ax, "x")


def _points(
    ax: Any,
    part: FloatArray,
    places: FloatArray,
    ends: tuple[float, float],
    label: str,
    style: dict[str, Any],
) -> None:
    """Draw estimates on their intervals; what leaves the axis ends in an arrow."""
    shown = np.exp(np.clip(part, *ends))
    known = np.isfinite(part[:, 1]) & ~np.isnan(part[:, [0, 2]]).any(axis=1)
    color = style["color"]
    ax.hlines(
        places[known], shown[known, 0], shown[known, 2], color=color, linewidth=1.8
    )
    inside = (part[:, 1] >= ends[0]) & (part[:, 1] <= ends[1])
    given = {
        "marker": "o",
        "markersize": 5.5,
        "linestyle": "none",
        "zorder": 3,
        **style,
    }
    ax.plot(shown[inside, 1], places[inside], label=label or None, **given)
    beyond = (part < ends[0]).any(axis=1), (part > ends[1]).any(axis=1)
    for rows, end, marker in zip(beyond, ends, "<>", strict=True):
        if rows.any():
            edge = np.full(int(rows.sum()), math.exp(end))
            given = {"color": color, "markersize": 7, "clip_on": False, "zorder": 3}
            ax.plot(edge, places[rows], marker, **given)


def _numbers(ax: Any, part: FloatArray) -> None:
    """Write the odds ratio and its interval to the right of every row."""
    place = ax.get_yaxis_transform()
    for k, row in enumerate(part.tolist()):
        text = ratio_text(row)
        ax.text(1.025, k, text, transform=place, va="center", fontsize=SMALL)


def ratio_text(row: Sequence[float]) -> str:
    """Return an odds ratio and its interval to three digits, to more beside 1."""
    low, middle, high = row
    if math.isinf(middle):
        return "infinite (separated)" if middle > 0 else "0 (separated)"
    farthest = max(abs(value) for value in row if not math.isnan(value))
    # of 1.0036 three digits would hide that it is not 1
    digits = 3 if farthest > 0.05 else 5 if farthest > 5e-4 else 8
    if math.isnan(low) or math.isnan(high):
        return _short(middle, 4)
    ends = f"[{_short(low, digits)}, {_short(high, digits)}]"
    return f"{_short(middle, digits)}  {ends}"


def _short(log: float, digits: int) -> str:
    if log > 690:
        return ">1e299"
    value = math.exp(log)
    return "<1e-300" if value < 1e-300 else significant(value, digits)
