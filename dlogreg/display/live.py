"""A fit while it runs, as a table in a notebook that is written again as it goes on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from dlogreg.display.html import fragment, note, table
from dlogreg.display.trace import distance, short_name
from dlogreg.evaluation import PassRecord
from dlogreg.screen import bytes_text, count_text, duration_text

COLUMNS = (
    *("pass", "what", "seconds", "rows/s", "bytes/s", "loss"),
    "distance to the optimum [s.e.]",
)
LAST = 8
"""So many of the last passes are shown while more run."""


@dataclass(frozen=True, slots=True)
class Running:
    """The pass that runs."""

    text: str
    n_done: int
    n_tasks: int


def cells(record: PassRecord) -> tuple[str, ...]:
    """Return a pass as the cells of a line."""
    seconds, tally = max(record.seconds, 1e-9), record.tally
    return (
        str(record.number),
        short_name(record.kind),
        f"{record.seconds:.2f}",
        count_text(tally.n_rows / seconds),
        f"{bytes_text(tally.n_bytes / seconds)}",
        "" if record.loss is None else f"{record.loss:,.4f}",
        distance(record),
    )


def render_progress(
    records: Sequence[PassRecord], running: Running | None, dashboard: str | None
) -> str:
    """Return the last passes, the one that runs, and where to see its tasks."""
    shown = [cells(record) for record in records[-LAST:]]
    left_out = len(records) - len(shown)
    return fragment(
        "Passes over the data, running",
        "" if running is None else _bar(running),
        table(COLUMNS, shown) if shown else "",
        note(f"{left_out} passes before these") if left_out else "",
        "" if dashboard is None else _link(dashboard),
    )


def render_done(records: Sequence[PassRecord], dashboard: str | None) -> str:
    """Return one line, below which the passes are folded."""
    seconds = sum(record.seconds for record in records)
    passes = sum(record.number > 0 for record in records)
    known = [distance(record) for record in records if distance(record)]
    reached = f", {known[-1]} standard errors from the optimum" if known else ""
    text = f"{passes} passes in {_duration(seconds)}{reached}"
    return fragment(
        "Passes over the data",
        f"<details><summary>{escape(text)}</summary>\n"
        f"{table(COLUMNS, [cells(record) for record in records])}</details>\n",
        "" if dashboard is None else _link(dashboard),
    )


def _bar(running: Running) -> str:
    total = max(1, running.n_tasks)
    return (
        f'<p><progress value="{min(running.n_done, total)}" max="{total}">'
        f"{running.n_done} of {total}</progress> {escape(running.text)}</p>\n"
    )


def _link(address: str) -> str:
    """Return a link to the dashboard, if it is an address of the web."""
    if not address.startswith(("http://", "https://", "/")):
        return note(f"Dask dashboard: {address}")
    shown = escape(address, quote=True)
    return (
        f'<p class="notes">Dask dashboard: <a href="{shown}" target="_blank" '
        f'rel="noopener">{shown}</a></p>\n'
    )


def _duration(seconds: float) -> str:
    return f"{seconds:.2g} s" if seconds < 10 else duration_text(seconds)
