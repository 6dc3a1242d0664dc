"""A summary as text of fixed width."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from textwrap import wrap
from typing import TYPE_CHECKING

from dlogreg.display.numerals import display_width, elided, padded

if TYPE_CHECKING:
    from dlogreg.display.summary import Facts, Summary

MAX_NAME = 32
"""Longer names lose their middle."""
GAP = "  "
MIN_WIDTH = 78


def render(summary: Summary) -> str:
    """Return the lines of a summary, none with trailing spaces."""
    table = _table(summary)
    header = _header((*summary.model, *summary.cost), summary.quality)
    width = max(MIN_WIDTH, *map(display_width, [*table[0], *table[1], *header]))
    lines = [
        summary.title.center(width),
        "=" * width,
        *header,
        *_status(summary, width),
        "=" * width,
        *table[0],
        "-" * width,
        *table[1],
        "=" * width,
    ]
    for note in (*summary.notes, *summary.warnings):
        lines += _wrapped(note, width)
    return "\n".join(line.rstrip() for line in lines)


def _status(summary: Summary, width: int) -> list[str]:
    if not summary.status:
        return []
    return ["-" * width, *_wrapped(f"Status: {summary.status}", width)]


def _header(left: Facts, right: Facts) -> list[str]:
    """Return two columns of facts side by side."""
    blank = ("", "")
    depth = max(len(left), len(right))
    halves = [
        _facts([*facts, *[blank] * (depth - len(facts))]) for facts in (left, right)
    ]
    return [f"{a}{GAP}{b}" for a, b in zip(*halves, strict=True)]


def _facts(facts: Sequence[tuple[str, str]]) -> list[str]:
    """Return "label:   value" lines, values flush right."""
    width = max(len(label) for label, _ in facts) + 1
    room = max(display_width(value) for _, value in facts)
    lines = []
    for label, value in facts:
        shown = f"{label}:" if label else ""
        lines.append(f"{shown:<{width}}  {_flush_right(value, room)}")
    return lines


def _table(summary: Summary) -> tuple[list[str], list[str]]:
    """Return the head and the body of the table of coefficients."""
    names = [elided(row.name, MAX_NAME) for row in summary.rows]
    room = max(map(display_width, names), default=0)
    filled = [row.cells for row in summary.rows if row.cells]
    columns = list(zip(*filled, strict=True)) or [() for _ in summary.columns]
    laid = [
        _column(title, cells)
        for title, cells in zip(summary.columns, columns, strict=True)
    ]
    body = zip(*(cells for _, cells in laid), strict=True)
    widths = [display_width(title) for title, _ in laid]
    span = sum(widths) + len(GAP) * (len(widths) - 1)
    head = padded("", room) + GAP + GAP.join(title for title, _ in laid)
    lines = _lines(summary, names, room, span, iter(body))
    return [head], list(lines)


def _lines(
    summary: Summary,
    names: Sequence[str],
    room: int,
    span: int,
    body: Iterator[tuple[str, ...]],
) -> Iterator[str]:
    """Return a line for every row, the remark in place of cells where there is one."""
    for row, name in zip(summary.rows, names, strict=True):
        if row.cells:
            content = GAP.join(next(body))
        else:
            content = elided(row.remark, max(span, MIN_WIDTH - room - len(GAP)))
        yield padded(name, room) + GAP + content


def _column(title: str, cells: Sequence[str]) -> tuple[str, list[str]]:
    """Return the title and the cells, decimal points below each other."""
    parts = [_split(cell) for cell in cells]
    before = max((len(whole) for whole, _ in parts), default=0)
    after = max((len(rest) for _, rest in parts), default=0)
    width = max(len(title), before + after)
    laid = [f"{whole:>{before}}{rest:<{after}}".rjust(width) for whole, rest in parts]
    return title.rjust(width), laid


def _split(cell: str) -> tuple[str, str]:
    """Return what comes before the decimal point, and the point with the rest."""
    whole, point, rest = cell.partition(".")
    return whole, point + rest


def _flush_right(value: str, room: int) -> str:
    return " " * (room - display_width(value)) + value


def _wrapped(line: str, width: int) -> list[str]:
    return wrap(line, width, subsequent_indent="  ")
