"""Projected memory of a pass, before any data are read."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dlogreg.choice import sample_size
from dlogreg.formula.source import DesignBlocks
from dlogreg.memory.slab import rows_memory
from dlogreg.memory.wide_rows import wide_sums
from dlogreg.partition import leaf_bounds
from dlogreg.row_kind import RowKind
from dlogreg.solvers.pairs import pair_bytes, pairs_kept
from dlogreg.solvers.working_set import MOST as LARGEST_SET
from dlogreg.source import Source
from dlogreg.source.blocks import Blocks
from dlogreg.source.graph import GraphBlocks
from dlogreg.source.zarr_store import ZarrBlocks

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
SPARSE_POINT_VECTORS = 8
"""The same of compressed rows, unless ``wide_sums`` counts what there is."""
SPARSE_MATRICES = 4
"""Hessians that the product of compressed rows takes besides."""
LEARNING_MATRICES = 7
"""Hessians that a task holds besides while the first pass learns."""
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
    may_go_on: bool = False,
) -> ProjectedMemory:
    """Return the memory that a pass of this order needs.

    ``searches``: passes may look for separation; ``firth``: they take leverages;
    ``may_go_on``: passes with the Hessian may follow, over the same leaves.
    """
    n_leaves = _n_leaves(source, n_params, order)
    order = 2 if may_go_on else order
    n_tasks = min(n_threads, n_leaves) if source.sparse else n_threads
    n_sums = int(np.ceil(np.log2(max(2, n_leaves / n_threads)))) + 4
    shape = (n_params, order, n_equations, n_sums)
    block = _decoded_block(source)
    task = _read_memory(source, block or 0)
    task += rows_memory(source, *shape, searches=searches, firth=firth)
    sums, driver = _sums_memory(source, n_params, order, n_sums, learns=learns)
    waiting = 0
    if solver == "working-set":
        task += _working_set_memory(n_params, n_sums, block or 0)
    if solver == "lbfgs":
        if source.sparse == RowKind.COMPRESSED and order == n_equations == 1:
            sums, waiting, driver = wide_sums(source, n_params, n_tasks, n_leaves)
        driver += _lbfgs_memory(source, n_params, n_equations)
    return ProjectedMemory(block, task + sums, n_tasks, driver, waiting)


def _n_leaves(source: Source, n_params: int, order: int) -> int:
    blocks, kind = source.blocks, source.sparse
    values = source.row_values if kind else None
    counts = blocks.row_counts
    return len(leaf_bounds(blocks.n_blocks, counts, n_params, order, values, kind)) - 1


def _decoded_block(source: Source) -> int | None:
    """Return the bytes of the largest block and its fields, if they are known."""
    rows = source.largest_block
    if rows is None or (source.sparse and source.stored_values is None):
        return None
    return rows * (source.row_bytes + 8 * (1 + len(source.vectors)))


def _read_memory(source: Source, block: int) -> int:
    """Return the bytes that live at once while a block is read."""
    copies = BLOCK_COPIES[source.kind] + 2 * source.has_trials
    beside = sum(map(_largest_block, source.vectors.values()))
    read = copies * block + VECTOR_COPIES * beside
    if isinstance(source.blocks, DesignBlocks):
        read += READ_COPIES * source.blocks.read_bytes
    return read


def _sums_memory(
    source: Source, n_params: int, order: int, n_sums: int, *, learns: bool
) -> tuple[int, int]:
    """Return the bytes of a task's sums, and of those that the driver holds."""
    vectors = SPARSE_POINT_VECTORS if source.sparse else POINT_VECTORS
    matrix = 8 * n_params**2 if order == 2 else 8 * n_params * vectors
    matrices = n_sums + (LEARNING_MATRICES if learns else 0)
    if source.sparse == RowKind.COMPRESSED and order == 2:
        matrices += SPARSE_MATRICES
    return matrices * matrix, DRIVER_MATRICES * matrix


def _working_set_memory(n_params: int, n_sums: int, block: int) -> int:
    """Return the bytes of a working set's columns, and of sums over them."""
    share = min(1.0, LARGEST_SET / n_params)
    return int(share * block) + n_sums * 8 * min(LARGEST_SET, n_params) ** 2


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
