"""A Wald test as text and as HTML."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scipy.special import ndtr

from dlogreg.display.html import fragment, note, table
from dlogreg.display.numerals import (
    display_width,
    elided,
    p_value,
    padded,
    printable,
    significant,
    statistic,
)

if TYPE_CHECKING:
    from dlogreg.inference.wald import WaldTest

TITLES = ("estimate", "std err", "z", "P>|z|")
MAX_WIDTH = 44
MAX_SHOWN = 40
"""Constraints of a longer hypothesis are shown up to so many."""


def verdict(test: WaldTest) -> str:
    """Return the test in one line."""
    kind = "" if test.cov_type == "model" else f" ({test.cov_type})"
    return (
        f"Wald test{kind}: chi2({test.df}) = {statistic(test.statistic)}, "
        f"p = {p_value(test.pvalue)}"
    )


def render_test(test: WaldTest) -> str:
    """Return the verdict and a line for every constraint."""
    rows = _rows(test)
    room = max(display_width(text) for text, *_ in rows)
    widths = [
        max(len(title), *(len(row[k]) for row in rows))
        for k, title in enumerate(TITLES, 1)
    ]
    lines = [
        padded(text, room)
        + "".join(f"  {cell:>{w}}" for cell, w in zip(cells, widths, strict=True))
        for text, *cells in [("", *TITLES), *rows]
    ]
    return "\n".join([verdict(test), *lines, *_rest(test)])


def render_test_html(test: WaldTest) -> str:
    """Return the same as a table in a fragment of HTML."""
    rest = map(note, _rest(test))
    return fragment(verdict(test), table(("constraint", *TITLES), _rows(test)), *rest)


def _rows(test: WaldTest) -> list[tuple[str, ...]]:
    columns = zip(test.hypothesis, test.estimates, test.bse, test.zvalues, strict=True)
    return [
        (
            elided(printable(text), MAX_WIDTH),
            significant(float(estimate), 6),
            significant(float(error), 5),
            statistic(float(z)),
            p_value(float(2 * ndtr(-abs(z)))),
        )
        for text, estimate, error, z in list(columns)[:MAX_SHOWN]
    ]


def _rest(test: WaldTest) -> list[str]:
    left = len(test.hypothesis) - MAX_SHOWN
    return [f"... ({left} more constraints)"] if left > 0 else []
