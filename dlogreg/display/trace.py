"""The passes of a fit as a table: where the time went."""

from __future__ import annotations

import math
from collections.abc import Sequence

from dlogreg.display.html import fragment, note, table
from dlogreg.display.numerals import MISSING, data_size, printable
from dlogreg.display.theme import COMPUTING, READING, REDUCING, WAITING
from dlogreg.evaluation import PassRecord

NAMES = {"loss_gradient_hessian": "hessian", "loss_gradient": "gradient"}
TITLE = "Passes over the data"
COLUMNS = (
    *("pass", "what", "seconds", "reading", "computing", "reducing", "waiting"),
    *("data", "distance [s.e.]"),
)
PARTS = (
    *(("reading", READING), ("computing", COMPUTING)),
    *(("reducing", REDUCING), ("waiting", WAITING)),
)
"""What a pass spends its time on, and the colours of it."""
BAR = 150.0
"""Width of the longest bar."""
Row = tuple[str, ...]


class Trace(tuple[PassRecord, ...]):
    """What each pass did and cost: ``print`` it, or end a notebook's cell with it.

    Seconds are those of the average thread, so that reading, computing, reducing
    (adding sums) and waiting (scheduling, transfers, tasks of unequal length) add up
    to what the pass took. Reading counts loading and decoding; rows of an array in
    memory or of a memory map are first touched while computing. Time that a thread
    waits for another within its work counts as that work.
    """

    __slots__ = ()

    def rows(self) -> list[Row]:
        """Return the cells of every pass, and below them those of all together."""
        return [*map(_cells, self), _total(self)] if self else []

    def __str__(self) -> str:
        """Return the table as text, numbers flush right."""
        table = [COLUMNS, *self.rows()]
        widths = [max(map(len, column)) for column in zip(*table, strict=True)]
        lines = ["  ".join(_laid(row, widths)).rstrip() for row in table]
        return "\n".join([*lines, self._note()])

    def __repr__(self) -> str:
        """Return the same, so that a terminal shows it."""
        return str(self)

    def _repr_html_(self) -> str:
        pictures = ("where the time went", *map(_bar, self._shares()))
        key = "".join(
            f'<span class="key" style="background:{colour}"></span>{name}'
            for name, colour in PARTS
        )
        return fragment(
            TITLE,
            table(COLUMNS, self.rows(), pictures if self else ()),
            f'<p class="notes">{key}</p>\n',
            note(self._note()),
        )

    def _shares(self) -> list[list[float]]:
        """Return the parts of every pass, and of all, as shares of the longest pass."""
        longest = max((record.seconds for record in self), default=0.0) or 1.0
        shares = [[part / longest for part in _parts(record)[1:]] for record in self]
        whole = [sum(parts) for parts in zip(*shares, strict=True)]
        total = sum(whole) or 1.0
        return [*shares, [part / total for part in whole]]

    def _note(self) -> str:
        repeated = sum(record.tally.n_retries for record in self)
        if not repeated:
            return self._times_note()
        reads = "read failed and was" if repeated == 1 else "reads failed and were"
        return f"{self._times_note()} {repeated:,} {reads} repeated."

    def _times_note(self) -> str:
        threads = sorted({record.n_threads for record in self} - {0})
        if not threads:
            return "How the time was spent was not recorded."
        least, most = threads[0], threads[-1]
        count = f"{most}" if least == most else f"{least} to {most}"
        return (
            f"Seconds of the average of {count} thread{'s' * (most > 1)}: reading, "
            "computing, reducing and waiting add up."
        )


def short_name(kind: str) -> str:
    """Return what a pass is called where it is shown."""
    return NAMES.get(kind, kind)


def distance(record: PassRecord) -> str:
    """Return the proven distance to the optimum, or else the estimate with a tilde."""
    bound, estimate = record.error_bound, record.decrement
    if bound is not None and math.isfinite(bound):
        return f"<= {bound:.2g}"
    known = estimate is not None and math.isfinite(estimate)
    return f"~ {estimate:.2g}" if known else ""


def _parts(record: PassRecord) -> tuple[float, ...]:
    return (
        *(record.seconds, record.reading, record.computing),
        *(record.reducing, record.waiting),
    )


def _cells(record: PassRecord) -> Row:
    name = printable(short_name(record.kind))
    times = map(_seconds, _parts(record))
    size = data_size(record.tally.n_bytes)
    return (str(record.number), name, *times, size, distance(record))


def _total(records: Sequence[PassRecord]) -> Row:
    columns = zip(*map(_parts, records), strict=True)
    size = data_size(sum(record.tally.n_bytes for record in records))
    return ("all", "", *(_seconds(sum(column)) for column in columns), size, "")


def _seconds(value: float) -> str:
    return MISSING if math.isnan(value) else f"{value:,.3f}"


def _laid(row: Row, widths: Sequence[int]) -> list[str]:
    """Align the name to the left and everything else to the right."""
    number, name, *cells = row
    laid = [number.rjust(widths[0]), name.ljust(widths[1])]
    return laid + [c.rjust(w) for c, w in zip(cells, widths[2:], strict=True)]


def _bar(shares: Sequence[float]) -> str:
    """Return shares of the longest bar beside one another."""
    left, pieces = 0.0, []
    for share, (_, colour) in zip(shares, PARTS, strict=True):
        if share > 0:
            width = BAR * share
            pieces.append(
                f'<rect x="{left:.1f}" width="{width:.1f}" height="11" '
                f'fill="{colour}"/>'
            )
            left += width
    return (
        f'<svg width="{BAR:g}" height="11" aria-hidden="true">{"".join(pieces)}</svg>'
    )
