"""How blocks are grouped into leaves, whose sums are made one by one and then added.

A function of the grid of blocks, the number of params and the solver alone: the bits of
a result depend on the leaves.
"""

from __future__ import annotations

from collections.abc import Sequence

from dlogreg.row_kind import RowKind
from dlogreg.source import Source

MAX_LEAVES = 2**12
MIN_CHAINS = 16
ROWS_PER_CHAIN = 4_000_000
MIN_PIECES = 50
ROWS_PER_PARAM = 8
FIRST_ORDER_ROWS = 256
CODED_LEAVES = 4
"""Leaves of mixed rows that are made before leaves grow, with the matrix of their sums:
their rows cost little, and a matrix of k params as much as k^2 / 20 of them."""
LEAF_VECTORS = 16
"""Stored values per coefficient in a leaf of compressed rows: a leaf's sums are vectors
of all coefficients, and should cost less than its rows."""


def leaf_bounds(
    n_blocks: int,
    row_counts: Sequence[int] | None,
    n_params: int,
    order: int = 2,
    row_values: float | None = None,
    kind: int = RowKind.DENSE,
) -> tuple[int, ...]:
    """Group consecutive blocks into leaves; return the borders, in blocks.

    A pass of order 1 sums a few vectors instead of a matrix, so that leaves of far
    fewer rows do, and wide data still make more than a task or two. ``row_values`` is
    the mean number of stored values of rows that are not dense, ``kind`` theirs.
    """
    if row_counts is None:
        step = -(-n_blocks // MAX_LEAVES)
        return (*range(0, n_blocks, step), n_blocks)
    least = ROWS_PER_PARAM * n_params
    if order == 1:
        few = max(FIRST_ORDER_ROWS, n_params // 16)
        if row_values is not None:
            few = max(few, int(LEAF_VECTORS * n_params / max(1.0, row_values)))
        least = min(least, few)
    elif kind == RowKind.MIXED:
        least = max(least, min(n_params**2 // 2, sum(row_counts) // CODED_LEAVES))
    least = max(least, -(-sum(row_counts) // MAX_LEAVES))
    bounds, rows = [0], 0
    for block, count in enumerate(row_counts):
        rows += count
        if rows >= least:
            bounds.append(block + 1)
            rows = 0
    if len(bounds) == 1:
        return (0, n_blocks)
    bounds[-1] = n_blocks  # the remainder, too small for a leaf, joins the last one
    return tuple(bounds)


def piece_rows(n_rows: int | None, n_params: int, kind: int = RowKind.DENSE) -> int:
    """Return how many rows a first pass learns from at a time.

    Few enough that 50,000 rows of a few columns make 50 pieces; about 256 pieces of
    more rows, since each piece costs the solution of a Newton system: as much as
    k^2 / 3 + k^3 / 4000 mixed rows.
    """
    least = max(1024, ROWS_PER_PARAM * n_params)
    if kind == RowKind.MIXED:
        least = max(least, n_params**2 // 3 + n_params**3 // 4000)
    return max(least, min(16384, (n_rows or 2**20) // 256))


def leaves_per_chain(source: Source, n_params: int) -> int | None:
    """Return how many leaves a first pass that learns sums in one go; None: too few.

    16 chains up to 64 million rows, then one for every 4 million; a function of the
    blocks alone, so that the start does not depend on the cluster.
    """
    blocks, rows = source.blocks, source.n_rows
    kind = source.sparse
    piece = piece_rows(rows, n_params, kind)
    if (blocks.n_blocks if rows is None else rows // piece) < MIN_PIECES:
        return None
    bounds = leaf_bounds(blocks.n_blocks, blocks.row_counts, n_params, kind=kind)
    n_leaves = len(bounds) - 1
    run = 1
    while -(-n_leaves // run) > max(MIN_CHAINS, (rows or 0) // ROWS_PER_CHAIN):
        run *= 2
    return run
