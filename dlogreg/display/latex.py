r"""A summary in LaTeX: a ``tabular`` with the rules of the package booktabs."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from dlogreg.display.numerals import MISSING

if TYPE_CHECKING:
    from dlogreg.display.summary import Summary

SPECIAL = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "&": r"\&",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"\textquotedbl{}",
    "[": "{[}",
    "]": "{]}",
}
NUMBER = re.compile(r"([<>]?)(-?)([\d.,]+|inf)(?:e([+-]\d+))?")


def render(summary: Summary) -> str:
    """Return the table with the facts of the fit below the coefficients."""
    width = len(summary.columns) + 1
    lines = [
        rf"\begin{{tabular}}{{l{'r' * (width - 1)}}}",
        r"\toprule",
        _line(escaped(summary.heading), *map(escaped, summary.columns)),
        r"\midrule",
        *_body(summary, width),
        r"\midrule",
        *(_spanning(f"{label}: {value}", width) for label, value in summary.quality),
        *(
            _spanning(note, width, r"p{0.9\linewidth}")
            for note in (*summary.notes, *summary.warnings)
        ),
        r"\bottomrule",
        r"\end{tabular}",
    ]
    return "\n".join(lines)


def escaped(text: str) -> str:
    """Return text that LaTeX prints as it is."""
    return "".join(SPECIAL.get(char, char) for char in text).replace("\n", " ")


def number(cell: str) -> str:
    """Return a number set as one, with its minus and its power of ten."""
    if cell == MISSING:
        return "--"
    found = NUMBER.fullmatch(cell)
    if found is None:
        return escaped(cell)
    relation, sign, digits, power = found.groups()
    digits = r"\infty" if digits == "inf" else digits.replace(",", "{,}")
    times = "" if power is None else rf"\times 10^{{{int(power)}}}"
    return f"${relation}{sign}{digits}{times}$"


def _body(summary: Summary, width: int) -> Iterator[str]:
    for row in summary.rows:
        if row.cells:
            yield _line(escaped(row.name), *map(number, row.cells))
        else:
            remark = rf"\multicolumn{{{width - 1}}}{{l}}{{{escaped(row.remark)}}}"
            yield _line(escaped(row.name), remark)


def _spanning(text: str, width: int, column: str = "l") -> str:
    return _line(rf"\multicolumn{{{width}}}{{{column}}}{{{escaped(text)}}}")


def _line(*cells: str) -> str:
    return rf"{' & '.join(cells)} \\"
