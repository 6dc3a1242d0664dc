"""What the passes did: how they came near the optimum, and what took their time."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from dlogreg.display.numerals import data_size, printable, significant
from dlogreg.display.plots.canvas import axes, grid, legend, name_rows, title
from dlogreg.display.theme import (
    BLUE,
    COMPUTING,
    GREY,
    ORANGE,
    READING,
    REDUCING,
    WAITING,
)
from dlogreg.display.trace import short_name
from dlogreg.evaluation import PassRecord

if TYPE_CHECKING:
    from dlogreg.results.fitted import FittedModel

MOST = 40
"""Passes that a timeline shows."""
COLOURS = (READING, COMPUTING, REDUCING, WAITING)
PARTS = ("reading", "computing", "reducing", "waiting")
LEAST = 1e-16
"""Distances below this are drawn as this."""


def draw_convergence(results: FittedModel, ax: Any, **style: Any) -> Any:
    """Draw the distance from the optimum after every pass, on a logarithmic axis."""
    records = [record for record in results.trace if record.number > 0]
    if not records:
        raise ValueError("the results hold no record of passes to draw")
    ax = axes(ax, (6.4, 4.0))
    bound = _series(records, "error_bound")
    estimate = _series(records, "decrement")
    if len(bound[0]) or len(estimate[0]):
        _distances(ax, estimate, bound, results.tol, style)
    else:
        _losses(ax, records, style)
    numbers = [record.number for record in records]
    ax.set_xlim(min(numbers) - 0.5, max(numbers) + 0.5)
    _whole_numbers(ax, numbers, records)
    grid(ax)
    n_rows = significant(results.n_rows, 3)
    text = f"{results.n_rows:,}" if results.n_rows < 1e7 else n_rows
    title(ax, f"Convergence: {results.solver}, {text} rows")
    return ax


def _series(records: Sequence[PassRecord], name: str) -> tuple[list[int], list[float]]:
    known = [
        (record.number, max(value, LEAST))
        for record in records
        if (value := getattr(record, name)) is not None and math.isfinite(value)
    ]
    return [number for number, _ in known], [value for _, value in known]


def _distances(
    ax: Any,
    estimate: tuple[list[int], list[float]],
    bound: tuple[list[int], list[float]],
    tol: float,
    style: dict[str, Any],
) -> None:
    ax.set_yscale("log")
    ax.axhline(tol, color=GREY, linestyle="--", linewidth=1, label=f"tol = {tol:g}")
    given = {"color": ORANGE, "marker": "o", "markerfacecolor": "white"}
    if len(estimate[0]):
        ax.plot(*estimate, linestyle=":", label="estimate at the pass", **given)
    if len(bound[0]):
        shown = {
            "color": BLUE,
            "marker": "o",
            "label": "proven bound after it",
            **style,
        }
        ax.plot(*bound, **shown)
    ax.set_ylabel("distance from the optimum\n[standard errors]")
    legend(ax, loc="best")


def _losses(ax: Any, records: Sequence[PassRecord], style: dict[str, Any]) -> None:
    """Draw how far losses are above the least, where no distance is known."""
    numbers, losses = _series(records, "loss")
    above = np.array(losses) - min(losses, default=0.0)
    shown = above > 0
    ax.set_yscale("log")
    given = {"color": BLUE, "marker": "o", "label": "loss", **style}
    ax.plot(np.array(numbers)[shown], above[shown], **given)
    ax.set_ylabel("loss above the least of all passes")


def _whole_numbers(
    ax: Any, numbers: Sequence[int], records: Sequence[PassRecord]
) -> None:
    """Name passes by number and, where there is room, by what they did."""
    every = math.ceil(len(numbers) / 12)
    shown = list(records)[::every]
    texts = [
        f"{record.number}\n{short_name(record.kind)}"
        if len(numbers) <= 8
        else f"{record.number}"
        for record in shown
    ]
    ax.set_xticks([record.number for record in shown], texts, parse_math=False)
    ax.set_xlabel("pass over the data")


def draw_passes(results: FittedModel, ax: Any, **style: Any) -> Any:
    """Draw when every pass ran, and what the average thread did meanwhile."""
    records = list(results.trace)
    if not records:
        raise ValueError("the results hold no record of passes to draw")
    starts = np.concatenate([[0.0], np.cumsum([record.seconds for record in records])])
    shown, note = list(range(len(records))), ""
    if len(records) > MOST:
        shown = [*range(MOST // 2), *range(len(records) - MOST // 2, len(records))]
        note = f"the first and the last {MOST // 2} of {len(records)} passes"
    ax = axes(ax, (7.2, 1.5 + 0.27 * len(shown)))
    unit, name = (1.0, "s") if starts[-1] >= 0.1 else (1e3, "ms")
    for row, k in enumerate(shown):
        _pass(ax, row, records[k], unit * starts[k], unit, style)
    handles = [
        ax.barh([np.nan], [np.nan], color=colour, label=part)
        for colour, part in zip(COLOURS, PARTS, strict=True)
    ]
    _name_passes(ax, [records[k] for k in shown])
    ax.set_xlim(0, unit * float(starts[-1]) * 1.02)
    ax.set_xlabel(f"time since the start [{name}]")
    grid(ax, "x")
    legend(ax, handles=handles, loc="upper left", bbox_to_anchor=(1.0, 1.0))
    size = data_size(results.bytes_read)
    title(ax, f"{results.n_passes} passes over the data, {size} read", note)
    return ax


def _pass(
    ax: Any,
    row: int,
    record: PassRecord,
    start: float,
    unit: float,
    style: dict[str, Any],
) -> None:
    """Draw the parts of a pass one after another; how they took turns is not known."""
    parts = [getattr(record, name) for name in PARTS]
    if any(map(math.isnan, parts)):
        given = {"color": GREY, "hatch": "//", **style}
        ax.barh(row, unit * record.seconds, left=start, height=0.7, **given)
        return
    for seconds, colour in zip(parts, COLOURS, strict=True):
        given = {"color": colour, "height": 0.7, **style}
        ax.barh(row, unit * seconds, left=start, linewidth=0, **given)
        start += unit * seconds


def _name_passes(ax: Any, records: Sequence[PassRecord]) -> None:
    names = [
        f"{record.number}  {printable(short_name(record.kind))}" for record in records
    ]
    name_rows(ax, names)
