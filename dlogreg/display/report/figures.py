"""Plots as SVG inside of a page, in the colours of the page."""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Callable
from html import escape
from typing import Any

from dlogreg.extras import require

INK = "#0a0b0c"
"""Stands for the colour of the page's text until the plot is part of the page."""
STYLE = {
    "svg.fonttype": "none",
    "svg.hashsalt": "dlogreg",
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "savefig.facecolor": "none",
}
NO_METADATA = dict.fromkeys(("Creator", "Date", "Format", "Type"))
REFERENCES = re.compile(r'(\bid="|url\(#|href="#)')


def check_matplotlib() -> None:
    """Say how to install matplotlib where it is missing, before anything is drawn."""
    require("matplotlib.pyplot", "plot")


def figure(name: str, caption: str, draw: Callable[[], Any]) -> str:
    """Return a plot as an element of a page.

    Parameters
    ----------
    name : str
        Goes before the ids inside the picture, which must differ from those of others.
    caption : str
        What is seen, for who cannot see it.
    draw : callable
        Draws on a new figure and returns its axes.
    """
    picture = REFERENCES.sub(rf"\g<1>{name}-", _svg(draw)).replace(INK, "currentColor")
    label = escape(caption, quote=True)
    start = f'<svg role="img" aria-label="{label}" class="plot" '
    return f'<figure id="{name}">{picture.replace("<svg ", start, 1)}</figure>\n'


def _svg(draw: Callable[[], Any]) -> str:
    """Return what is drawn as SVG; the user's styles and figures are left alone."""
    matplotlib = require("matplotlib", "plot")
    pyplot = require("matplotlib.pyplot", "plot")
    with matplotlib.rc_context(), warnings.catch_warnings():
        # browsers have fonts for signs that matplotlib's own font lacks
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(STYLE)
        drawn = draw().figure
        try:
            content = io.StringIO()
            drawn.savefig(content, format="svg", metadata=NO_METADATA)
        finally:
            pyplot.close(drawn)
    text = content.getvalue()
    return text[text.index("<svg ") :]
