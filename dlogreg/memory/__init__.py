"""Projected memory of passes, and whether there is as much; nothing is read for it.

``projected`` adds up what a task and the driver hold, ``slab`` what of that are rows,
``wide_rows`` what are sums over wide compressed rows; ``limits`` refuses what does not
fit. ``group_tables`` and ``many_models`` do the same for sums by group and for models
that share passes.
"""

from dlogreg.memory.group_tables import most_groups, most_models
from dlogreg.memory.limits import check_memory, check_read_memory, check_workers
from dlogreg.memory.projected import (
    COMPILING,
    DRIVER_MATRICES,
    ProjectedMemory,
    project_memory,
)
from dlogreg.memory.slab import slab_memory

__all__ = [
    "COMPILING",
    "DRIVER_MATRICES",
    "ProjectedMemory",
    "check_memory",
    "check_read_memory",
    "check_workers",
    "most_groups",
    "most_models",
    "project_memory",
    "slab_memory",
]
