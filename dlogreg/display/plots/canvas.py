"""Axes to draw on; the one place that loads matplotlib."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dlogreg.display.theme import GREY
from dlogreg.extras import require

SMALL = 8.5
"""Size of text beside the marks."""
FAINT = 0.35


def axes(ax: Any, size: tuple[float, float] = (6.0, 4.2)) -> Any:
    """Return the axes that were given, or those of a new figure of this size."""
    pyplot = require("matplotlib.pyplot", "plot")
    if ax is None:
        _, ax = pyplot.subplots(figsize=size, layout="constrained")
    if not hasattr(ax, "spines"):
        raise ValueError(
            f"ax must be matplotlib Axes, as plt.subplots() gives them, not {ax!r}"
        )
    ax.spines[["top", "right"]].set_visible(False)
    ax.set_axisbelow(True)
    return ax


def title(ax: Any, text: str, note: str = "") -> None:
    """Write what is shown above it, and below that what is left out."""
    if note:
        ax.set_title(f"{text}\n{note}", loc="left", fontsize="medium", parse_math=False)
    else:
        ax.set_title(text, loc="left", fontsize="medium", parse_math=False)


def grid(ax: Any, axis: str = "both") -> None:
    """Draw faint lines at the ticks."""
    ax.grid(visible=True, axis=axis, color=GREY, alpha=FAINT, linewidth=0.6)


def name_rows(ax: Any, names: Sequence[str]) -> None:
    """Write names beside rows, the first one on top."""
    ax.set_yticks(range(len(names)), names, parse_math=False)
    ax.set_ylim(len(names) - 0.4, -0.6)
    ax.tick_params(axis="y", length=0, pad=9)  # room for arrows


def unit_square(ax: Any) -> None:
    """Show 0 to 1 both ways, at the same scale."""
    ax.set_xlim(-0.02, 1.02)
    ax.set_ylim(-0.02, 1.02)
    ax.set_aspect("equal", adjustable="box")
    grid(ax)


def legend(ax: Any, **options: Any) -> None:
    """Name the curves."""
    ax.legend(frameon=False, fontsize=SMALL, **options)
