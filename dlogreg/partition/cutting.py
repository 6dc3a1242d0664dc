"""Cuts a source into partitions: runs of leaves for a pass, or single blocks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import accumulate

import numpy as np

from dlogreg.partition.leaves import leaf_bounds
from dlogreg.partition.partition import Partition
from dlogreg.partition.vectors import Vector, overlap
from dlogreg.source import Source


def partition_rows(
    source: Source,
    n_params: int,
    n_partitions: int,
    least_run: int = 1,
    *,
    order: int = 2,
) -> tuple[Partition, ...]:
    """Cut the source into at most ``n_partitions`` aligned runs of leaves.

    Data that lie in the memory of a cluster get a task for every leaf, which can then
    run where its rows lie.
    """
    counts = source.blocks.row_counts
    values = source.row_values if source.sparse else None
    n_blocks, kind = source.blocks.n_blocks, source.sparse
    bounds = leaf_bounds(n_blocks, counts, n_params, order, values, kind)
    n_leaves = len(bounds) - 1
    run = least_run
    while -(-n_leaves // run) > n_partitions and not source.on_cluster:
        run *= 2
    borders = row_borders(source)
    starts = range(0, n_leaves, run)
    return tuple(_cut(source, bounds[i : i + run + 1], borders) for i in starts)


def pick_blocks(source: Source, n_blocks: int) -> tuple[Partition, ...]:
    """Return single blocks spread evenly over the data, none of them empty."""
    counts = source.blocks.row_counts
    full = [i for i in range(source.blocks.n_blocks) if counts is None or counts[i]]
    if len(full) > n_blocks:
        spread = np.linspace(0, len(full) - 1, n_blocks).round()
        full = [full[int(i)] for i in spread]
    borders = row_borders(source)
    return tuple(_cut(source, (i, i + 1), borders) for i in full)


def single_blocks(source: Source) -> tuple[Partition, ...]:
    """Return every block by itself."""
    borders = row_borders(source)
    starts = range(source.blocks.n_blocks)
    return tuple(_cut(source, (i, i + 1), borders) for i in starts)


def join_blocks(source: Source, start: int, stop: int) -> Partition:
    """Return consecutive blocks as one leaf."""
    return _cut(source, (start, stop), row_borders(source))


Borders = Mapping[str, Sequence[int]]


def row_borders(source: Source) -> Borders:
    """Return the row at which every block begins, for X and the fields beside it."""
    if source.blocks.row_counts is None:
        return {}
    laid = {"X": source.blocks, **source.vectors}
    return {
        name: [0, *accumulate(blocks.row_counts)]
        for name, blocks in laid.items()
        if blocks.row_counts is not None
    }


def _cut(source: Source, leaves: Sequence[int], borders: Borders) -> Partition:
    """Return the partition of these leaves, given by their borders in blocks."""
    start, stop = leaves[0], leaves[-1]
    first_row: int | None = None
    vectors: tuple[Vector, ...] = ()
    if "X" in borders:  # else a plan is made, or all fields come in the same blocks
        first_row, last_row = borders["X"][start], borders["X"][stop]
        vectors = tuple(
            overlap(name, blocks, borders[name], first_row, last_row)
            for name, blocks in source.vectors.items()
            if name in borders
        )
    return Partition(
        source.blocks.take(start, stop),
        vectors,
        tuple(leaf - start for leaf in leaves),
        source.n_features,
        start,
        first_row,
        source.drops,
        source.sparse,
        source.shares,
        source.held_share,
        source.outcome,
    )
