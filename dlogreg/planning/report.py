"""The plan of a fit, as text and as HTML."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from textwrap import fill

from dlogreg.display.html import fragment, warnings
from dlogreg.memory import ProjectedMemory
from dlogreg.planning.timing import BlockTime
from dlogreg.screen import bytes_text, seconds_text

WIDTH = 88
CAUTIONS = ("refused", "warning")
"""Names of lines that stand out."""
Row = tuple[str, str]


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Plan:
    """What a fit would do and cost; print it, or look at a notebook's table."""

    kind: str
    """numpy, zarr, dask, pandas or dask dataframe."""
    dtype: str
    n_rows: int | None
    """None where only a pass would tell."""
    n_features: int
    n_params: int
    n_blocks: int
    n_leaves: int
    n_tasks: int
    """Tasks of every pass."""
    n_threads: int
    n_workers: int | None
    """Workers of the active cluster; None: threads of this process."""
    bytes_per_pass: int | None
    """Decoded bytes that every pass reads."""
    solver: str
    why_solver: str
    loops: str
    """What numba compiles; empty if nothing."""
    passes: tuple[int, int]
    """Fewest and most passes to expect, a closing pass included."""
    block: BlockTime | None
    """What one block took on one thread; None where none was timed."""
    why_not_timed: str
    """Why no block was timed; empty if one was."""
    seconds_first_pass: float | None
    seconds_per_pass: float | None
    """Of every pass after the first; None where no block was timed."""
    memory: ProjectedMemory
    memory_limit: int | None
    refusal: str
    """Why ``fit`` would raise MemoryLimitError; empty if it would not."""
    warnings: tuple[str, ...]
    """What may make the fit slow or fail."""
    advice: tuple[str, ...]
    """What would make it faster or smaller."""

    @property
    def compiled(self) -> bool:
        """Rows are multiplied by loops that numba compiles, in some passes or all."""
        return bool(self.loops)

    @property
    def seconds(self) -> tuple[float, float] | None:
        """Seconds of all passes, for the fewest and for the most to expect."""
        if self.seconds_first_pass is None or self.seconds_per_pass is None:
            return None
        first, later = self.seconds_first_pass, self.seconds_per_pass
        fewest, most = (first + (n - 1) * later for n in self.passes)
        return fewest, most

    @property
    def bytes_per_second(self) -> float | None:
        """Decoded bytes that one thread reads in a second; None if not measured.

        Infinite for arrays in memory, which are used where they lie.
        """
        if self.block is None:
            return None
        reading = self.block.reading
        if self.kind == "numpy" or not reading:
            return float("inf")
        return self.block.n_bytes / reading

    def rows(self) -> list[Row]:
        """Return the lines to show, as pairs of name and value."""
        size = "of unknown size"
        if self.memory.block is not None:
            size = f"up to {bytes_text(self.memory.block)}"
        what = "blocks computed by dask" if self.kind.startswith("dask") else "blocks"
        lines = [
            ("data", f"{_count(self.n_rows)} rows x {self.n_features:,} columns"),
            ("source", f"{self.kind}, {self.dtype}; {self.n_blocks:,} {what}, {size}"),
            (
                "tasks",
                f"{self.n_tasks} per pass, {self.n_leaves:,} leaves; {self.where}",
            ),
            ("solver", f"{self.solver}: {self.why_solver}"),
            *[("loops", self.loops)] * self.compiled,
            ("passes", f"{self.passes[0]} to {self.passes[1]}"),
            ("reading", self._reading()),
            *self._time(),
            *self._memory(),
        ]
        lines += [("refused", self.refusal)] if self.refusal else []
        lines += [("warning", text) for text in self.warnings]
        return lines + [("advice", text) for text in self.advice]

    @property
    def where(self) -> str:
        """Where the tasks run."""
        threads = f"{self.n_threads} thread{'s' * (self.n_threads != 1)}"
        if self.n_workers is None:
            return f"{threads} of this process"
        return f"{self.n_workers} worker{'s' * (self.n_workers != 1)} with {threads}"

    def _reading(self) -> str:
        if self.bytes_per_pass is None:
            return "unknown until the first pass"
        low, high = (bytes_text(n * self.bytes_per_pass) for n in self.passes)
        return f"{bytes_text(self.bytes_per_pass)} per pass, {low} to {high} in all"

    def _time(self) -> list[Row]:
        block, seconds = self.block, self.seconds
        if block is None or seconds is None:
            return [("time", f"not measured: {self.why_not_timed}")]
        first, later, low, high = (
            seconds_text(s or 0.0)
            for s in (self.seconds_first_pass, self.seconds_per_pass, *seconds)
        )
        rate = self.bytes_per_second
        read = f"read in {seconds_text(block.reading)} ({bytes_text(rate or 0.0)}/s)"
        if rate == float("inf"):
            read = "used where they lie"
        size = f"{block.n_rows:,} rows, {bytes_text(block.n_bytes)}"
        times = seconds_text(block.first), seconds_text(block.later)
        computed = "{} in the first pass and {} in a later one".format(*times)
        expected = f"about {later} per pass, {first} for the first"
        return [
            ("time", f"{expected}; {low} to {high} in all"),
            ("timed", f"{size}, on one thread: {read}, computed in {computed}"),
        ]

    def _memory(self) -> list[Row]:
        memory = self.memory
        limit = self.memory_limit
        allowed = "" if limit is None else f"; limit {bytes_text(limit)}"
        beside = " beside its block" if memory.block is None else ""
        total = "unknown" if memory.block is None else bytes_text(memory.total)
        return [
            ("memory", f"{total} in all{allowed}"),
            (
                "per task",
                f"{bytes_text(memory.per_task)}{beside}, {memory.n_tasks} at a time",
            ),
            ("driver", f"{bytes_text(memory.driver)} for the solver"),
        ]

    def __str__(self) -> str:
        """Return one fact per line, long ones wrapped."""
        return as_lines(self.rows())

    def __repr__(self) -> str:
        """Return the same, so that a terminal shows it."""
        return str(self)

    def _repr_html_(self) -> str:
        facts = [row for row in self.rows() if row[0] not in CAUTIONS]
        cautions = [
            f"{name}: {value}" for name, value in self.rows() if name in CAUTIONS
        ]
        lines = "\n".join(
            f'<tr><th scope="row">{name}</th><td class="text">{escape(value)}</td></tr>'
            for name, value in facts
        )
        return fragment(
            "Plan of a fit",
            warnings(cautions),
            f"<table><tbody>{lines}</tbody></table>",
        )


def as_lines(rows: list[Row]) -> str:
    """Return one fact per line, long ones wrapped."""
    return "\n".join(
        fill(
            f"{name:<8}  {value}",
            WIDTH,
            subsequent_indent=" " * 10,
            break_long_words=False,
            break_on_hyphens=False,
        )
        for name, value in rows
    )


def _count(number: int | None) -> str:
    return "unknown" if number is None else f"{number:,}"
