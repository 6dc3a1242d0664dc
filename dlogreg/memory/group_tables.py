"""How many groups' sums fit into memory, as tables with a line for every group."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from dlogreg.memory.projected import ProjectedMemory
from dlogreg.partition import Partition

GROUP_BYTES = 2**30
"""Largest table of scores by group, unless a memory limit allows less."""
MODEL_BYTES = 2**28
"""The same of the Hessians of by-group models; a memory limit may allow more."""


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
