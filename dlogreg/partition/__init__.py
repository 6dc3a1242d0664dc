"""Source -> Partitions: row-aligned recipes, each streamed block by block in a task.

Consecutive blocks are grouped into at most 2**12 *leaves* of at least 8 * n_params
rows, or fewer where no Hessian is formed: a function of the grid of blocks, the number
of params and the solver alone. Sums are made leaf by leaf and added along the fixed
binary tree over the leaves. A partition is an aligned run of 2**k leaves, so it returns
a node of that tree: how many partitions there are may follow the cluster while the bits
of the result do not.

``leaves`` groups the blocks, ``cutting`` makes partitions of leaves, ``partition``
streams one, ``block_rows`` makes rows of what was read of a block, and ``vectors`` are
fields beside X that are cut otherwise.
"""

from dlogreg.partition.cutting import (
    Borders,
    join_blocks,
    partition_rows,
    pick_blocks,
    row_borders,
    single_blocks,
)
from dlogreg.partition.leaves import (
    MAX_LEAVES,
    MIN_PIECES,
    ROWS_PER_PARAM,
    leaf_bounds,
    leaves_per_chain,
    piece_rows,
)
from dlogreg.partition.partition import Partition

__all__ = [
    "MAX_LEAVES",
    "MIN_PIECES",
    "ROWS_PER_PARAM",
    "Borders",
    "Partition",
    "join_blocks",
    "leaf_bounds",
    "leaves_per_chain",
    "partition_rows",
    "pick_blocks",
    "piece_rows",
    "row_borders",
    "single_blocks",
]
