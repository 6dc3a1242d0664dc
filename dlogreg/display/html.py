"""A summary as a fragment of HTML, for notebooks and reports.

Colours are those of the page around it, with translucent lines, so that it reads on
light and on dark ground. All text is escaped.
"""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from dlogreg.display.numerals import elided

if TYPE_CHECKING:
    from dlogreg.display.summary import CoefficientRow, Facts, Summary

MAX_NAME = 60
STYLE = """
.dlogreg-summary { color: inherit; font-size: 0.9em; max-width: 100%; }
.dlogreg-summary table { border-collapse: collapse; margin: 0.4em 0; color: inherit; }
.dlogreg-summary caption { text-align: left; font-weight: 600; color: inherit; }
.dlogreg-summary th, .dlogreg-summary td { padding: 0.15em 0.8em; text-align: right;
  color: inherit; white-space: nowrap; font-variant-numeric: tabular-nums; }
.dlogreg-summary th[scope=row] { text-align: left; font-weight: 500; }
.dlogreg-summary td.remark { text-align: left; opacity: 0.75; font-style: italic;
  white-space: normal; }
.dlogreg-summary thead th { border-bottom: 1px solid rgba(128, 128, 128, 0.6); }
.dlogreg-summary tbody tr { border-bottom: 1px solid rgba(128, 128, 128, 0.25); }
.dlogreg-summary .coefficients { max-height: 40em; overflow: auto; }
.dlogreg-summary .notes { margin: 0.3em 0; opacity: 0.85; max-width: 60em; }
"""


def render(summary: Summary) -> str:
    """Return a div with its own style and three parts: facts, table, notes."""
    titles = "".join(
        f'<th scope="col">{escape(title)}</th>' for title in summary.columns
    )
    body = "\n".join(_row(row, len(summary.columns)) for row in summary.rows)
    return (
        f'<div class="dlogreg-summary"><style>{STYLE}</style>\n'
        f"<table><caption>{escape(summary.title)}</caption>\n"
        f"<tbody>{_facts(summary.model, summary.quality)}</tbody></table>\n"
        f"{_note(f'Status: {summary.status}') if summary.status else ''}"
        '<div class="coefficients"><table>\n'
        f'<thead><tr><th scope="col">{escape(summary.heading)}</th>'
        f"{titles}</tr></thead>\n"
        f"<tbody>{body}</tbody></table></div>\n"
        f"{''.join(map(_note, summary.notes))}</div>"
    )


def _facts(left: Facts, right: Facts) -> str:
    depth = max(len(left), len(right))
    rows = []
    for position in range(depth):
        cells = "".join(_fact(half, position) for half in (left, right))
        rows.append(f"<tr>{cells}</tr>")
    return "\n".join(rows)


def _fact(facts: Facts, position: int) -> str:
    if position >= len(facts):
        return "<td></td><td></td>"
    label, value = facts[position]
    return f'<th scope="row">{escape(label)}</th><td>{escape(value)}</td>'


def _row(row: CoefficientRow, n_columns: int) -> str:
    name = escape(elided(row.name, MAX_NAME))
    title = f'<th scope="row" title="{escape(row.name)}">{name}</th>'
    if not row.cells:
        remark = f'<td class="remark" colspan="{n_columns}">{escape(row.remark)}</td>'
        return f"<tr>{title}{remark}</tr>"
    cells = "".join(f"<td>{escape(cell)}</td>" for cell in row.cells)
    return f"<tr>{title}{cells}</tr>"


def _note(note: str) -> str:
    return f'<p class="notes">{escape(note)}</p>\n'
