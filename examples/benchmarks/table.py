"""Tables for a terminal or, as Markdown, for README."""

from __future__ import annotations

import sys
from collections.abc import Sequence

Row = Sequence[str]


def render(header: Row, rows: Sequence[Row], *, markdown: bool = False) -> str:
    """Return a table; the first column is text, the others are set to the right."""
    if markdown:
        lines = [header, ["---", *["---:"] * (len(header) - 1)], *rows]
        return "\n".join(f"| {' | '.join(line)} |" for line in lines)
    widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]
    return "\n".join(
        "  ".join(
            [line[0].ljust(widths[0])]
            + [cell.rjust(w) for cell, w in zip(line[1:], widths[1:], strict=True)]
        )
        for line in [header, *rows]
    )


def seconds_text(seconds: float) -> str:
    """Return three digits that matter."""
    digits = 4 if seconds < 0.1 else 3 if seconds < 1 else 2 if seconds < 10 else 1
    return f"{seconds:.{digits}f}"


def note(text: str) -> None:
    """Say what happens; results alone go to the standard output."""
    print(text, file=sys.stderr, flush=True)
