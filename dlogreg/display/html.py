"""Summaries and tables as fragments of HTML, for notebooks and reports.

They are read without JavaScript and without a network; all text is escaped. What is
long is folded: browsers open it on a click.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING

from dlogreg.display.bars import Axis, axis_head, bar, common_axis
from dlogreg.display.numerals import elided
from dlogreg.display.theme import STYLE

if TYPE_CHECKING:
    from dlogreg.display.coefficients import CoefficientRow
    from dlogreg.display.summary import Facts, Summary

MAX_NAME = 44
OPEN_ROWS = 40
"""A table of more rows is folded below the strongest of them."""
TITLES = ("Model and data", "Fit", "Cost")


def fragment(title: str, *parts: str) -> str:
    """Return a div with its own style, a title and parts that are HTML."""
    return (
        f'<div class="dlogreg-summary"><style>{STYLE}</style>\n'
        f'<p class="title">{escape(title)}</p>\n{"".join(parts)}</div>'
    )


def render(summary: Summary, *figures: str) -> str:
    """Return a summary: status, warnings, facts, figures, table and notes."""
    return fragment(
        summary.title,
        status(summary),
        warnings(summary.warnings),
        facts(summary.model, summary.quality, summary.cost),
        f'<div class="figures">{"".join(figures)}</div>' if figures else "",
        coefficients(summary),
        *map(note, summary.notes),
    )


def status(summary: Summary) -> str:
    """Return how the fit ended."""
    if not summary.status:
        return ""
    kind = "good" if summary.succeeded else "bad"
    return f'<p class="status {kind}">Status: {escape(summary.status)}</p>\n'


def warnings(sentences: Sequence[str]) -> str:
    """Return a box of sentences, nothing if there are none."""
    if not sentences:
        return ""
    lines = "".join(f"<li>{escape(sentence)}</li>" for sentence in sentences)
    return f'<ul class="warnings" role="note">{lines}</ul>\n'


def note(text: str) -> str:
    """Return a paragraph below a table."""
    return f'<p class="notes">{escape(text)}</p>\n'


def facts(*groups: Facts) -> str:
    """Return groups of names and values, side by side where there is room."""
    titles = TITLES if len(groups) == len(TITLES) and all(groups) else [""] * 3
    tables = [
        _facts(group, title)
        for group, title in zip(groups, titles, strict=False)
        if group
    ]
    return f'<div class="facts">{"".join(tables)}</div>\n'


def _facts(group: Facts, title: str) -> str:
    caption = f"<caption>{title}</caption>" if title else ""
    lines = "\n".join(
        f'<tr><th scope="row">{escape(label)}</th><td>{escape(value)}</td></tr>'
        for label, value in group
    )
    return f"<table>{caption}<tbody>{lines}</tbody></table>\n"


def table(
    titles: Sequence[str], rows: Sequence[Sequence[str]], pictures: Sequence[str] = ()
) -> str:
    """Return a table of texts, the first of every row its name.

    ``pictures`` are HTML: the head of one column more, and its cells.
    """
    head = "".join(f'<th scope="col">{escape(title)}</th>' for title in titles)
    cells = [_cells(name, values) for name, *values in rows]
    if pictures:
        head += f'<th scope="col">{pictures[0]}</th>'
        cells = [
            f"{line}<td>{picture}</td>"
            for line, picture in zip(cells, pictures[1:], strict=True)
        ]
    body = "\n".join(f"<tr>{line}</tr>" for line in cells)
    return (
        f'<div class="scroll"><table>\n<thead><tr>{head}</tr></thead>\n'
        f"<tbody>{body}</tbody></table></div>\n"
    )


def _cells(name: str, values: Sequence[str]) -> str:
    cells = "".join(f"<td>{escape(value)}</td>" for value in values)
    return f'<th scope="row">{escape(name)}</th>{cells}'


def coefficients(summary: Summary) -> str:
    """Return the table; where it is long, the strongest rows and the rest folded."""
    every = (*summary.strongest, *summary.rows)
    intervals = [row.interval for row in every if row.interval is not None]
    axis = common_axis(intervals, ratios=summary.ratios)
    if not summary.strongest:
        return _coefficients(summary, summary.rows, axis)
    n_rows = f"{summary.n_rows:,}"
    return (
        note(
            f"The {len(summary.strongest)} of {n_rows} coefficients that are "
            f"{summary.strength}, those first"
        )
        + _coefficients(summary, summary.strongest, axis)
        + f"<details><summary>All {n_rows} coefficients, in the order of the columns"
        + f"</summary>{_coefficients(summary, summary.rows, axis)}</details>\n"
    )


def _coefficients(
    summary: Summary, rows: Sequence[CoefficientRow], axis: Axis | None
) -> str:
    titles = "".join(
        f'<th scope="col">{escape(title)}</th>' for title in summary.columns
    )
    titles += "" if axis is None else f'<th scope="col">{axis_head(axis)}</th>'
    body = "\n".join(_row(row, len(summary.columns), axis) for row in rows)
    return (
        '<div class="scroll"><table class="coefficients">\n'
        f'<thead><tr><th scope="col">{escape(summary.heading)}</th>'
        f"{titles}</tr></thead>\n<tbody>{body}</tbody></table></div>\n"
    )


def _row(row: CoefficientRow, n_columns: int, axis: Axis | None) -> str:
    name = escape(elided(row.name, MAX_NAME))
    title = f'<th scope="row" title="{escape(row.name)}">{name}</th>'
    if not row.cells:
        span = n_columns + (axis is not None)
        remark = f'<td class="remark" colspan="{span}">{escape(row.remark)}</td>'
        return f"<tr>{title}{remark}</tr>"
    cells = "".join(f"<td>{escape(cell)}</td>" for cell in row.cells)
    if axis is not None:
        picture = "" if row.interval is None else bar(row.interval, axis)
        cells += f"<td>{picture}</td>"
    return f"<tr>{title}{cells}</tr>"
