"""The rows that move the coefficients most."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from dlogreg.display.plots.canvas import axes, grid, legend, name_rows, title
from dlogreg.display.theme import BLUE, GREY

if TYPE_CHECKING:
    from dlogreg.diagnostics import Influence

MOST = 60
"""Rows of the plot."""


def draw_influence(found: Influence, ax: Any, n_rows: int, **style: Any) -> Any:
    """Draw the largest of Cook's distances, beside the usual mark of 4 / n."""
    rows, distances = found.rows[:MOST], found.distances[:MOST]
    finite = np.isfinite(distances)
    ax = axes(ax, (6.0, 1.3 + 0.26 * len(rows)))
    places = np.arange(len(rows))
    most = float(distances[finite].max(initial=0.0)) or 1.0
    shown = np.where(finite, distances, 1.08 * most)
    given = {"color": BLUE, **style}
    ax.hlines(places, 0, shown, color=given["color"], linewidth=1.6)
    ax.plot(shown[finite], places[finite], "o", markersize=5, **given)
    ax.plot(shown[~finite], places[~finite], ">", markersize=7, **given)
    usual = 4 / n_rows
    if usual < 1.05 * most:
        text = f"4 / n = {usual:.3g}"
        ax.axvline(usual, color=GREY, linestyle="--", linewidth=1, label=text)
        legend(ax, loc="lower right")
    name_rows(ax, [f"row {row:,}" for row in rows.tolist()])
    ax.set_xlim(0, 1.1 * most)
    grid(ax, "x")
    ax.set_xlabel("Cook's distance")
    note = "arrows: the row decides a coefficient alone" if not finite.all() else ""
    title(ax, f"The {len(rows)} most influential of {n_rows:,} rows", note)
    return ax
