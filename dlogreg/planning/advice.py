"""What the user could do to make a fit faster, smaller, or possible at all."""

from __future__ import annotations

from collections import Counter
from typing import Any

from dlogreg.choice import numba_version, worth_compiling
from dlogreg.layout import Layout
from dlogreg.options import FitOptions
from dlogreg.planning.given import Given
from dlogreg.screen import bytes_text
from dlogreg.source.blocks import Blocks
from dlogreg.source.graph import GraphBlocks
from dlogreg.source.group_writer import VECTOR_ROWS
from dlogreg.source.sharing import SHARED_BYTES
from dlogreg.source.zarr_store import ZarrBlocks

GOOD_CHUNK = (8 * 2**20, 16 * 2**20)
LARGE_BLOCK = 32 * 2**20
"""Larger arrays get fresh memory every time (glibc's largest threshold for that), which
costs more than reading them."""
SMALL_CHUNK = 2**19
"""Smaller ones take longer to find and open than to read."""
ROWS_PER_COEFFICIENT = 10
"""With fewer, and no penalty, data are often separated or nearly so."""
MUCH = 0.1
"""Share of a pass from which reading something again is worth a word."""
MANY_CHUNKS = 256
REPEATED = 1.5
"""Times that blocks do their common work from which it is worth a word."""


def warn(layout: Layout, options: FitOptions) -> tuple[str, ...]:
    """Return what may make the fit slow or fail."""
    rows = layout.source.n_rows
    n_params = layout.source.n_features + options.fit_intercept
    if options.penalty or rows is None or rows >= ROWS_PER_COEFFICIENT * n_params:
        return ()
    slow = " and L-BFGS takes many passes" if layout.solver == "lbfgs" else ""
    text = (
        f"{rows:,} rows for {n_params:,} coefficients, fewer than "
        f"{ROWS_PER_COEFFICIENT} each: without a penalty the classes may be "
        f"separated{slow}; give alpha > 0 or fewer columns"
    )
    return (text,)


def advise(layout: Layout, options: FitOptions, given: Given) -> tuple[str, ...]:
    """Return what would make the fit faster or smaller."""
    vectors = layout.source.vectors
    found = (
        _on_unknown_rows(layout),
        _on_chunks(layout, given.X),
        *(_on_vector(layout, name, vectors[name], given) for name in vectors),
        _on_shared_work(given.n_shared),
        _on_repeated_work(layout),
        _on_loops(layout, options),
    )
    return tuple(text for text in found if text)


def _on_unknown_rows(layout: Layout) -> str:
    source = layout.source
    if source.n_rows is not None:
        return ""
    known = "call compute_chunk_sizes() on X and keep it"
    if source.kind == "dask dataframe":
        known = "give X.to_dask_array(lengths=True), with feature_names=list(X.columns)"
    if source.vectors:
        why = "and y is cut in other blocks than X, so all of X is read once more to"
        return f"the numbers of rows are not known {why} count them; {known}"
    why = "they are found in the first pass; to see them here, and the memory"
    return f"the numbers of rows are not known: {why}, {known}"


def _on_chunks(layout: Layout, X: Any) -> str:
    source = layout.source
    if source.kind in ("numpy", "pandas", "csr"):
        return ""
    row_bytes = max(1, source.row_bytes)
    largest = (source.largest_block or 0) * row_bytes
    whole = (source.n_rows or 0) * row_bytes
    n_blocks, threads = source.blocks.n_blocks, layout.n_threads
    chunk = _chunk_bytes(X) if source.kind == "zarr" else largest
    what = "partitions" if source.kind == "dask dataframe" else "chunks"
    sharded = bool(getattr(X, "shards", None))
    good = _good_chunks(source.kind, row_bytes, sharded=sharded)
    if largest > LARGE_BLOCK:
        size = bytes_text(largest)
        return f"{'shards' if sharded else what} of {size} of rows are large: {good}"
    if n_blocks < threads and whole > GOOD_CHUNK[0]:
        return f"{n_blocks} block(s) leave some of {threads} threads idle: {good}"
    if 0 < chunk < SMALL_CHUNK and whole > GOOD_CHUNK[1]:
        size = bytes_text(chunk)
        return f"{what} of {size} are small, and each costs a read of its own: {good}"
    return ""


def _chunk_bytes(X: Any) -> int:
    """Return the decoded bytes that a Zarr array decodes at a time."""
    rows, columns = (min(c, n) for c, n in zip(X.chunks, X.shape, strict=True))
    return int(rows * columns * X.dtype.itemsize)


def _good_chunks(kind: str, row_bytes: int, *, sharded: bool) -> str:
    """Say which chunks are read fastest, and how to get them."""
    low, high = (max(1, size // row_bytes) for size in GOOD_CHUNK)
    good = f"{low:,} to {high:,} rows (8-16 MiB) are read fastest, in little memory"
    if kind == "zarr":
        inside = ", and shards no larger than that" if sharded else ""
        return f"write X again in chunks of whole rows{inside}; {good}"
    if kind == "dask dataframe":
        return f"use X.repartition(); {good}"
    return f"use X.rechunk(({(low + high) // 2}, -1)), or store it so; {good}"


def _on_vector(layout: Layout, name: str, blocks: Blocks, given: Given) -> str:
    """Judge a field that is cut in other blocks than X."""
    source, counts = layout.source, blocks.row_counts
    values = given.vectors[name]
    if not isinstance(blocks, ZarrBlocks | GraphBlocks) or not counts:
        return ""
    chunk = values.chunks[0] if isinstance(blocks, ZarrBlocks) else max(counts)
    size, rows, n_tasks = chunk * blocks.row_bytes, sum(counts), len(layout.partitions)
    good = f"give it chunks of about {VECTOR_ROWS:,} rows, or those of X"
    whole = rows * (source.row_bytes + blocks.row_bytes)
    again = chunk > VECTOR_ROWS and chunk > rows // n_tasks
    if size > LARGE_BLOCK or (again and (n_tasks - 1) * size > MUCH * whole):
        why = "which every task that needs a part of one reads whole"
        return f"{name} lies in chunks of {bytes_text(size)}, {why}: {good}"
    n_chunks = -(-rows // max(1, chunk))
    if n_chunks > max(MANY_CHUNKS, 4 * source.blocks.n_blocks):
        why = "and each costs a read of its own"
        return f"{name} lies in {n_chunks:,} chunks of {chunk:,} rows, {why}: {good}"
    return ""


def _on_shared_work(n_shared: int) -> str:
    if not n_shared:
        return ""
    return (
        f"{n_shared} intermediate result(s) that most blocks use are computed once "
        "before the first pass, which may read data, and kept if they take at most "
        f"{bytes_text(SHARED_BYTES)} together; else each block computes them again"
    )


def _on_repeated_work(layout: Layout) -> str:
    loads: Counter[Any] = Counter()
    for partition in layout.partitions:
        if isinstance(partition.blocks, GraphBlocks):
            loads.update(partition.blocks.count_loads())
    times = loads.total() / max(1, len(loads))
    if times < REPEATED:
        return ""
    return (
        "blocks are made of the same pieces of data, which each of them reads again: a "
        f"pass reads the average piece {times:.1f} times; store X first, for example "
        "with X.to_zarr(), and fit that"
    )


def _on_loops(layout: Layout, options: FitOptions) -> str:
    source = layout.source
    if source.sparse or numba_version() is not None or options.n_equations > 1:
        return ""
    if not worth_compiling(source.n_rows, source.n_features):
        return ""
    where = " of two classes" if options.classes is None else ""
    return (
        f"with numba a pass over dense rows{where} of up to a thousand columns, or "
        "one of L-BFGS, computes in about half of the time: "
        'pip install "dlogreg[numba]", on all workers'
    )
