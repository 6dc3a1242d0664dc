"""Bytes of a slab of rows, and of what a task computes and keeps of its rows."""

from __future__ import annotations

from dlogreg.kernel import (
    PRODUCT_VALUES,
    ROWS_FROM,
    MixedSlab,
    SparseSlab,
    long_rows,
    short_rows,
    slab_rows,
)
from dlogreg.kernel.score_rows import counting_bytes, held_bytes
from dlogreg.kernel.scores import CAPACITY
from dlogreg.row_kind import RowKind
from dlogreg.separation.watch import MORE_ROWS, MOST_COLUMNS, ROWS_PER_COLUMN
from dlogreg.source import Source

SOFTMAX_ROWS = 10
"""Numbers per row and class that a softmax kernel holds besides."""
DIRECTIONS = 3
"""Directions for which a search for separation keeps rows, at most."""


def rows_memory(
    source: Source,
    n_params: int,
    order: int,
    n_equations: int,
    n_sums: int,
    *,
    searches: bool,
    firth: bool,
) -> int:
    """Return the bytes of a slab, and of what ``n_sums`` sums keep of their rows."""
    memory = slab_memory(source, n_params, order, n_equations)
    if order == 2 and n_equations == 1:
        memory += _score_memory(source.n_rows, n_sums)
    if searches and n_params <= MOST_COLUMNS:
        memory += n_sums * _kept_memory(n_params)
    if firth:
        memory += 8 * _slab_length(source, n_params, 2, 1) * (3 * n_params + 12)
    return memory


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
    """Return the bytes of a closing pass's scores: a leaf's rows, and their sums."""
    sums = (n_sums + 1) * held_bytes(CAPACITY, n_rows)
    return counting_bytes(CAPACITY, n_rows) + sums
