"""What a fit would do and cost, without reading any data.

The module is not called ``plan``, because that is the name of the function.
"""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from dlogreg.errors import MemoryLimitError
from dlogreg.evaluation import Label
from dlogreg.layout import Layout, lay_out
from dlogreg.memory import ProjectedMemory, check_memory
from dlogreg.options import FitOptions, check_options
from dlogreg.passes import Progress
from dlogreg.penalty import PenaltyRule
from dlogreg.problem import check_start
from dlogreg.scheduling import active_client
from dlogreg.screen import bytes_text
from dlogreg.source import Source, as_source

NEWTON_PASSES = (3, 9)
"""From the null model; the survey included, a closing pass not."""
LEARNING_PASSES = (2, 6)
"""The same where the survey learns."""
LBFGS_PASSES = (10, 60)
FEW_ROWS = 10
GOOD_CHUNK = (8 * 2**20, 16 * 2**20)
LARGE_BLOCK = 64 * 2**20
SMALL_CHUNK = 2**19
ROWS_UNKNOWN = (
    "the numbers of rows are not known: they are found in the first pass; to see them "
    "here, and the memory, call compute_chunk_sizes() on X"
)
ROWS_COUNTED = (
    "the numbers of rows are not known and y is cut in other blocks than X, so all "
    "of X is read once more to count them; call compute_chunk_sizes() on X and keep it"
)


@dataclass(frozen=True, slots=True, eq=False)
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
    passes: tuple[int, int]
    """Fewest and most passes to expect, a closing pass included."""
    memory: ProjectedMemory
    memory_limit: int | None
    refusal: str
    """Why ``fit`` would raise MemoryLimitError; empty if it would not."""
    advice: tuple[str, ...]

    def rows(self) -> list[tuple[str, str]]:
        """Return the lines to show, as pairs of name and value."""
        block, rows = self.memory.block, self.n_rows
        size = "of unknown size" if block is None else f"up to {bytes_text(block)}"
        what = "blocks computed by dask" if self.kind.startswith("dask") else "blocks"
        lines = [
            ("data", f"{_count(rows)} rows x {self.n_features:,} columns"),
            ("source", f"{self.kind}, {self.dtype}; {self.n_blocks:,} {what}, {size}"),
            (
                "tasks",
                f"{self.n_tasks} per pass, {self.n_leaves:,} leaves; {self.where}",
            ),
            ("solver", f"{self.solver}: {self.why_solver}"),
            ("passes", f"{self.passes[0]} to {self.passes[1]}"),
            ("reading", self._reading()),
            ("memory", self._memory()),
        ]
        lines += [("refused", self.refusal)] if self.refusal else []
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

    def _memory(self) -> str:
        memory = self.memory
        each, solver = bytes_text(memory.per_task), bytes_text(memory.driver)
        if memory.block is None:
            return f"{each} per task beside its block, {solver} for the solver"
        parts = f"{self.n_threads} x {each} per task, {solver} for the solver"
        limit = self.memory_limit
        allowed = "" if limit is None else f", limit {bytes_text(limit)}"
        return f"{bytes_text(memory.total)} ({parts}){allowed}"

    def __str__(self) -> str:
        """Return one line per fact."""
        return "\n".join(f"{name:<8} {value}" for name, value in self.rows())

    def _repr_html_(self) -> str:
        cells = "".join(
            f"<tr><th style='text-align:left'>{name}</th>"
            f"<td style='text-align:left'>{html.escape(value)}</td></tr>"
            for name, value in self.rows()
        )
        return f"<table><caption>Plan of a fit</caption>{cells}</table>"


def _count(number: int | None) -> str:
    return "unknown" if number is None else f"{number:,}"


def plan(
    X: Any,
    y: Any,
    *,
    sample_weight: Any = None,
    classes: Sequence[Label] | None = None,
    alpha: float = 0.0,
    fit_intercept: bool = True,
    feature_names: Sequence[str] | None = None,
    solver: str = "auto",
    tol: float = 1e-4,
    max_passes: int = 100,
    start: Any = None,
    inference: bool = True,
    memory_limit: int | str | None = None,
    progress: bool | Progress | None = None,
) -> Plan:
    """Tell what ``fit`` with the same arguments would do and cost; reads no data.

    The arguments are those of ``fit`` and are checked as there. A plan makes no pass,
    so ``progress`` has nothing to show; a fit that would be refused for its memory
    is planned, and says so in ``refusal``.

    Returns
    -------
    Plan

    Examples
    --------
    >>> import numpy as np, dlogreg
    >>> p = dlogreg.plan(np.ones((1000, 3)), np.arange(1000) % 2)
    >>> p.solver, p.passes, p.bytes_per_pass
    ('newton', (3, 10), 32000)
    """
    options = check_options(
        classes=classes,
        penalty=PenaltyRule(alpha),
        fit_intercept=fit_intercept,
        feature_names=feature_names,
        solver=solver,
        tol=tol,
        max_passes=max_passes,
        start=start,
        inference=inference,
        memory_limit=memory_limit,
    )
    shared: list[Any] = []

    def postpone(graph: dict[Any, Any], keys: Sequence[Any]) -> dict[Any, Any]:
        shared.extend(keys)
        return {}

    source = as_source(
        X,
        y,
        sample_weight,
        feature_names=options.feature_names,
        compute=postpone,
        count_rows=lambda blocks: None,
    )
    layout = lay_out(source, replace(options, feature_names=source.feature_names))
    n_params = source.n_features + options.fit_intercept
    if start is not None:
        check_start(start, n_params)
    return _plan(layout, options, n_params, X, y, len(shared))


def _plan(
    layout: Layout, options: FitOptions, n_params: int, X: Any, y: Any, n_shared: int
) -> Plan:
    source, client = layout.source, active_client()
    return Plan(
        kind=source.kind,
        dtype=str(source.dtype),
        n_rows=source.n_rows,
        n_features=source.n_features,
        n_params=n_params,
        n_blocks=source.blocks.n_blocks,
        n_leaves=layout.n_leaves,
        n_tasks=len(layout.partitions),
        n_threads=layout.n_threads,
        n_workers=None if client is None else len(client.nthreads()),
        bytes_per_pass=_bytes_per_pass(source, y),
        solver=layout.solver,
        why_solver=layout.choice.reason,
        passes=expected_passes(layout.solver, options, learns=bool(layout.chains)),
        memory=layout.memory,
        memory_limit=options.memory_limit,
        refusal=_refusal(layout, options),
        advice=tuple(
            _advise_rows(source, options, n_params) + _advise(layout, X, n_shared)
        ),
    )


def _bytes_per_pass(source: Source, y: Any) -> int | None:
    """Return the decoded bytes of X, y and weights."""
    if source.n_rows is None:
        return None
    label = getattr(getattr(y, "dtype", None), "itemsize", 8)
    n_fields = len(source.vectors) + len(source.blocks.fields)
    weights = 8 * (n_fields - 2)
    row = source.n_features * source.dtype.itemsize + label + weights
    return int(source.n_rows * row)


def expected_passes(
    solver: str, options: FitOptions, *, learns: bool
) -> tuple[int, int]:
    """Return the range of passes that well-posed data take."""
    few = LEARNING_PASSES if learns else NEWTON_PASSES
    low, high = few if solver == "newton" else LBFGS_PASSES
    low, high = low + (options.start is not None), high + (options.start is not None)
    high += options.inference  # a closing pass, unless the last one serves
    return min(low, options.max_passes), min(high, options.max_passes)


def _refusal(layout: Layout, options: FitOptions) -> str:
    try:
        check_memory(layout.memory, options.memory_limit, layout.source)
    except MemoryLimitError as error:
        return str(error)
    return ""


def _advise_rows(source: Source, options: FitOptions, n_params: int) -> list[str]:
    """Warn of rows so few that the optimum is far from the truth, or nowhere."""
    rows = source.n_rows
    if rows is None or options.penalty or rows >= FEW_ROWS * n_params:
        return []
    text = f"{rows / n_params:.2g} rows per coefficient and no penalty"
    text += ": coefficients come out too large and their standard errors too small"
    return [f"{text}, or there is no finite optimum; consider alpha > 0"]


def _advise(layout: Layout, X: Any, n_shared: int) -> list[str]:
    """Return what the user could do to make the fit faster or smaller."""
    source, advice = layout.source, []
    if source.n_rows is None:
        counted = any(v.row_counts is None for v in source.vectors.values())
        advice.append(ROWS_COUNTED if counted or source.vectors else ROWS_UNKNOWN)
    if source.kind in ("numpy", "pandas"):
        return advice
    advice += _advise_chunks(layout, X)
    if n_shared:
        advice.append(
            f"{n_shared} intermediate result(s) that most blocks use are computed once "
            "before the first pass, which may read data"
        )
    return advice


def _advise_chunks(layout: Layout, X: Any) -> list[str]:
    source = layout.source
    row_bytes = max(1, source.n_features * source.dtype.itemsize)
    low, high = (max(1, size // row_bytes) for size in GOOD_CHUNK)
    good = f"chunks of {low:,} to {high:,} rows (8-16 MiB) are read fastest"
    largest = (source.largest_block or 0) * row_bytes
    n_blocks, threads = source.blocks.n_blocks, layout.n_threads
    chunk_rows = getattr(X, "chunks", (0,))[0]
    chunk = chunk_rows * row_bytes if source.kind == "zarr" else largest
    whole = (source.n_rows or 0) * row_bytes
    if largest > LARGE_BLOCK:
        return [f"blocks of {bytes_text(largest)} are large: {good}, in less memory"]
    if n_blocks < threads and whole > GOOD_CHUNK[0]:
        return [f"{n_blocks} block(s) leave some of {threads} threads idle: {good}"]
    if 0 < chunk < SMALL_CHUNK and whole > GOOD_CHUNK[1]:
        return [f"chunks of {bytes_text(chunk)} are small: {good}"]
    return []
