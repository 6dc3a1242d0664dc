"""Projected memory of a pass, checked before any data are read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from dlogreg.choice import sample_size
from dlogreg.errors import MemoryLimitError
from dlogreg.extras import WITHOUT_NUMBA
from dlogreg.formula.source import DesignBlocks
from dlogreg.kernel import (
    PRODUCT_VALUES,
    ROWS_FROM,
    MixedSlab,
    SparseSlab,
    long_rows,
    short_rows,
    slab_rows,
)
from dlogreg.kernel.scores import BATCHES, CAPACITY
from dlogreg.partition import Partition, leaf_bounds
from dlogreg.row_kind import RowKind
from dlogreg.separation.watch import MORE_ROWS, MOST_COLUMNS, ROWS_PER_COLUMN
from dlogreg.solvers.pairs import pair_bytes, pairs_kept
from dlogreg.solvers.working_set import MOST as LARGEST_SET
from dlogreg.source import Source
from dlogreg.source.blocks import Blocks
from dlogreg.source.graph import GraphBlocks
from dlogreg.source.zarr_store import ZarrBlocks
from dlogreg.wide_memory import wide_sums

BLOCK_COPIES = {
    "numpy": 0,
    "pandas": 1,
    "csr": 0,
    "zarr csr": 4,
    "zarr": 3,
    "dask": 3,
    "dask dataframe": 4,
    "formula": 2,
}
"""Copies of a block that live at once: the decoded block, the chunk being decoded and
its stored bytes; for dask, what the block is computed from, as far as can be known; for
a formula, the design and what its columns are made of."""
READ_COPIES = 4
"""The same of the raw columns that blocks of a formula's design are made of."""
VECTOR_COPIES = 2
"""The same of y or weights that are cut in other blocks than X."""
POINT_VECTORS = 16
"""Vectors beside a slab in a pass of order 1: what four points need and return."""
SOFTMAX_ROWS = 10
"""Numbers per row and class that a softmax kernel holds besides."""
SCORE_BYTES = 128
"""Of a row whose score waits to be summed, and while it is."""
SPARSE_POINT_VECTORS = 8
"""The same of compressed rows, unless ``wide_sums`` counts what there is."""
SPARSE_MATRICES = 4
"""Hessians that the product of compressed rows takes besides."""
LEARNING_MATRICES = 7
"""Hessians that a task holds besides while the first pass learns."""
DIRECTIONS = 3
"""Directions for which a search for separation keeps rows, at most."""
GROUP_BYTES = 2**30
"""Largest table of scores by group, unless a memory limit allows less."""
MODEL_BYTES = 2**28
"""The same of the Hessians of by-group models; a memory limit may allow more."""
COMPILING = 160 * 2**20
"""What numba and the code that it compiles take, with the import of numba:
131 MiB were measured."""
DRIVER_MATRICES = 8
"""Hessians that the driver holds while it solves the Newton system."""


@dataclass(frozen=True, slots=True)
class ProjectedMemory:
    """Bytes that a fit needs beyond the interpreter and the user's own arrays."""

    block: int | None
    """Decoded bytes of the largest block; None where row counts are not known."""
    per_task: int
    n_tasks: int
    driver: int
    waiting: int = 0
    """Sums of other tasks of this process, until they are added; ``driver`` counts
    them, but a worker has to hold them too."""
    compiling: int = 0
    """What numba takes in every process to compile loops."""

    @property
    def total(self) -> int:
        """Bytes when all tasks run in this process."""
        return self.per_task * self.n_tasks + self.driver + self.compiling

    def of_worker(self, n_threads: int) -> int:
        """Bytes of a worker that runs so many tasks at once."""
        return (self.per_task + self.waiting) * n_threads + self.compiling


def project_memory(
    source: Source,
    n_params: int,
    order: int,
    n_threads: int,
    n_equations: int = 1,
    *,
    learns: bool = False,
    solver: str = "newton",
    searches: bool = False,
    firth: bool = False,
) -> ProjectedMemory:
    """Return the memory that a pass of this order needs.

    ``searches``: passes may look for separation; ``firth``: they take leverages.
    """
    rows = source.largest_block
    row_bytes = source.row_bytes + 8 * (1 + len(source.vectors))
    unknown = rows is None or (source.sparse and source.stored_values is None)
    block = None if unknown else (rows or 0) * row_bytes
    vectors = SPARSE_POINT_VECTORS if source.sparse else POINT_VECTORS
    matrix = 8 * n_params**2 if order == 2 else 8 * n_params * vectors
    blocks = source.blocks
    values = source.row_values if source.sparse else None
    counts, kind = blocks.row_counts, source.sparse
    bounds = leaf_bounds(blocks.n_blocks, counts, n_params, order, values, kind)
    n_leaves = len(bounds) - 1
    slab = slab_memory(source, n_params, order, n_equations)
    depth = int(np.ceil(np.log2(max(2, n_leaves / n_threads)))) + 1
    copies = BLOCK_COPIES[source.kind] + 2 * source.has_trials
    beside = sum(map(_largest_block, source.vectors.values()))
    matrices = 3 + depth + (LEARNING_MATRICES if learns else 0)
    if order == 2 and n_equations == 1:
        slab += _score_memory(source.n_rows, depth + 3)
    if searches and n_params <= MOST_COLUMNS:
        slab += (depth + 3) * _kept_memory(n_params)
    if firth:
        slab += 8 * _slab_length(source, n_params, 2, 1) * (3 * n_params + 12)
    if source.sparse == RowKind.COMPRESSED and order == 2:
        matrices += SPARSE_MATRICES
    read = copies * (block or 0) + VECTOR_COPIES * beside
    if isinstance(blocks, DesignBlocks):
        read += READ_COPIES * blocks.read_bytes
    per_task = read + slab + matrices * matrix
    driver = DRIVER_MATRICES * matrix
    if solver == "working-set":
        share = min(1.0, LARGEST_SET / n_params)
        per_task += int(share * (block or 0))
        per_task += (3 + depth) * 8 * min(LARGEST_SET, n_params) ** 2
    n_tasks = min(n_threads, n_leaves) if source.sparse else n_threads
    waiting = 0
    if solver == "lbfgs":
        if source.sparse == RowKind.COMPRESSED and order == n_equations == 1:
            one, waiting, driver = wide_sums(source, n_params, n_tasks, n_leaves)
            per_task = read + slab + one
        driver += _lbfgs_memory(source, n_params, n_equations)
    return ProjectedMemory(block, per_task, n_tasks, driver, waiting)


def slab_memory(source: Source, n_params: int, order: int, n_equations: int) -> int:
    """Return the bytes of a slab and of what is computed from its rows."""
    length = _slab_length(source, n_params, order, n_equations)
    slab = 8 * length * (2 * n_params + 12) + 8 * PRODUCT_VALUES
    if source.sparse and n_equations == 1:
        mixed = source.sparse == RowKind.MIXED
        length = MixedSlab.length if mixed else SparseSlab.length
        rows = min(length, source.largest_block or length)
        compressed = 8 * rows * int(4 * source.row_values + 24)
        slab = compressed if order == 1 else compressed + slab
    if n_equations > 1:
        slab += 8 * length * SOFTMAX_ROWS * (n_equations + 1)
    return slab


def _slab_length(source: Source, n_params: int, order: int, n_equations: int) -> int:
    """Return the rows of a slab; of its buffers a smaller block touches no more."""
    if n_params < ROWS_FROM or (order == 1 and n_equations > 1):
        length = slab_rows(n_params)
    else:
        length = (long_rows if order == 2 else short_rows)(n_params)
    return min(length, source.largest_block or length)


def _kept_memory(n_params: int) -> int:
    """Return the bytes of the rows that a search for separation keeps of some rows."""
    most = MORE_ROWS + ROWS_PER_COLUMN * n_params
    return 8 * n_params * ((DIRECTIONS + 1) * most + 2 * n_params)


def _score_memory(n_rows: int | None, n_sums: int) -> int:
    """Return the bytes of a closing pass's scores: a batch of rows, and their sums."""
    batch, bins = BATCHES * CAPACITY, CAPACITY
    if n_rows is not None:
        batch, bins = min(batch, n_rows), min(bins, n_rows)
    return SCORE_BYTES * batch + 40 * bins * n_sums


def most_groups(
    memory: ProjectedMemory,
    partitions: Sequence[Partition],
    n_params: int,
    limit: int | None,
) -> int:
    """Return how many groups' scores fit: in memory_limit, or 1 GiB for a table.

    A task holds a table for every level of its tree over the leaves, and the driver one
    for every partition. Each has a line per group that occurs in its rows, at most.
    """
    line = 8 * (n_params + 1)
    if limit is None:
        return GROUP_BYTES // line
    room = _table_bytes(memory, partitions, limit)
    return max(1, min(GROUP_BYTES, room) // line)


def most_models(
    memory: ProjectedMemory,
    partitions: Sequence[Partition],
    n_params: int,
    limit: int | None,
) -> int:
    """Return how many by-group models fit: in memory_limit, or 256 MiB for a table.

    In the first pass a model has the moments of each of two classes.
    """
    line = 8 * 2 * n_params * (n_params + 6)
    room = MODEL_BYTES if limit is None else _table_bytes(memory, partitions, limit)
    return max(1, room // line)


def _table_bytes(
    memory: ProjectedMemory, partitions: Sequence[Partition], limit: int
) -> int:
    """Return the bytes that the limit leaves for one table of sums by group."""
    n_leaves = max(len(partition.leaves) for partition in partitions)
    in_task = int(np.ceil(np.log2(max(2, n_leaves)))) + 4
    n_tables = memory.n_tasks * in_task + len(partitions) + 1
    return max(0, limit - memory.total) // n_tables


def _lbfgs_memory(source: Source, n_params: int, n_equations: int) -> int:
    """Return the bytes of the sample, of its factor, and of the curvature pairs."""
    itemsize, width = source.dtype.itemsize, n_params // n_equations
    n_rows = sample_size(source.n_rows, width)
    sample = n_rows * width * (2 * itemsize + 4)  # as read, pooled, standardized
    factor = 20 * min(n_rows, width) ** 2
    if source.sparse:  # which learns from no sample
        sample = factor = 0
    return sample + factor + pair_bytes(n_params) * pairs_kept(n_params)


def _largest_block(blocks: Blocks) -> int:
    """Return the bytes of the largest block of a field; 0 for those in memory."""
    if not isinstance(blocks, ZarrBlocks | GraphBlocks):
        return 0
    return max(blocks.row_counts or (0,)) * blocks.row_bytes


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
