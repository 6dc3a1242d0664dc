"""A summary in Markdown: GitHub's tables, which pandoc reads too."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dlogreg.display.coefficients import CoefficientRow
    from dlogreg.display.summary import Summary

SPECIAL = re.compile(r"[\\`*\[\]<>|~&$#!]|(?<![^\W_])_+|_+(?![^\W_])")
"""What Markdown might take for markup; underscores inside of words it does not."""


def render(summary: Summary) -> str:
    """Return a table, the facts in a paragraph, and the notes as a list."""
    width = len(summary.columns)
    facts = [
        f"{escaped(label)}: {escaped(value)}"
        for label, value in (*summary.model, *summary.cost, *summary.quality)
    ]
    notes = [*summary.notes, *summary.warnings]
    notes = [summary.status, *notes] if summary.status else notes
    lines = [
        _line(escaped(summary.heading), *map(escaped, summary.columns)),
        _line(":--", *["--:"] * width),
        *_body(summary, width),
        "",
        f"{escaped(summary.title)}. {'; '.join(facts)}.",
        "",
        *(f"- {escaped(note)}" for note in notes),
    ]
    return "\n".join(lines).rstrip()


def escaped(text: str) -> str:
    """Return text that Markdown shows as it is, also in the cell of a table."""
    shown = SPECIAL.sub(lambda found: "".join(f"\\{char}" for char in found[0]), text)
    return shown.replace("\n", " ")


def _body(summary: Summary, width: int) -> Iterator[str]:
    for row in summary.rows:
        yield _line(escaped(row.name), *_cells(row, width))


def _cells(row: CoefficientRow, width: int) -> list[str]:
    """Return the cells; a remark goes into the first, because none can span."""
    filled = row.cells or (row.remark,)
    return [*map(escaped, filled), *[""] * (width - len(filled))]


def _line(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"
