"""Refuses what is projected to need more memory than there is."""

from __future__ import annotations

from collections.abc import Mapping

from dlogreg.errors import MemoryLimitError
from dlogreg.extras import WITHOUT_NUMBA
from dlogreg.memory.projected import BLOCK_COPIES, READ_COPIES, ProjectedMemory
from dlogreg.source import Source


def check_memory(memory: ProjectedMemory, limit: int | None, source: Source) -> None:
    """Refuse a fit whose projected memory is above the limit."""
    if limit is None or memory.total <= limit:
        return
    advice = "use fewer threads (dask.config.set(num_workers=...))"
    compiling = ""
    if memory.compiling:
        compiling = f" and {memory.compiling / 2**20:,.0f} MiB to compile loops"
        advice += f", or compile none ({WITHOUT_NUMBA})"
    counts = source.largest_block
    if memory.block and counts and memory.block * memory.n_tasks > limit // 2:
        copies = max(1, BLOCK_COPIES[source.kind])
        fits = counts * limit // (4 * copies * memory.block * memory.n_tasks)
        advice = f"store X in chunks of at most {max(1, fits)} rows, or {advice}"
    raise MemoryLimitError(
        f"the fit needs about {memory.total / 2**20:,.0f} MiB ({memory.n_tasks} tasks "
        f"of {memory.per_task / 2**20:,.0f} MiB and "
        f"{memory.driver / 2**20:,.0f} MiB for the solver{compiling}), "
        f"above memory_limit of {limit / 2**20:,.0f} MiB; {advice}"
    )


def check_workers(
    memory: ProjectedMemory, limits: Mapping[str, tuple[int, int]], source: Source
) -> None:
    """Refuse a fit whose tasks do not fit into a worker of the cluster.

    ``limits`` holds the threads and bytes of every worker, by its address.
    """
    for address, (threads, limit) in sorted(limits.items()):
        needed = memory.of_worker(threads)
        if needed <= limit:
            continue
        advice = "give workers fewer threads"
        read = BLOCK_COPIES[source.kind] * (memory.block or 0)
        left = (limit - memory.of_worker(threads)) // threads + read
        if read and source.largest_block and 0 < left < read:
            fits = max(1, 2 * source.largest_block * left // (3 * read))
            advice = f"store X in chunks of at most {fits} rows, or {advice}"
        raise MemoryLimitError(
            f"the worker at {address} has {limit / 2**20:,.0f} MiB, and its {threads} "
            f"threads need about {needed / 2**20:,.0f} MiB for tasks of "
            f"{memory.per_task / 2**20:,.0f} MiB; give workers at least "
            f"{-(-needed // 2**20):,} MiB beside the interpreter, {advice}"
        )


def check_read_memory(largest: int, n_tasks: int, limit: int | None) -> None:
    """Refuse to read raw blocks of this many bytes where that alone is too much."""
    needed = READ_COPIES * largest * n_tasks
    if limit is None or needed <= limit:
        return
    raise MemoryLimitError(
        f"reading the data needs about {needed / 2**20:,.0f} MiB ({n_tasks} tasks, and "
        f"a row group of {largest / 2**20:,.0f} MiB in each), above memory_limit of "
        f"{limit / 2**20:,.0f} MiB; write the files with smaller row groups, or use "
        "fewer threads (dask.config.set(num_workers=...))"
    )
