"""Maps a kernel over partitions and adds the results; the only place that submits work.

With an active ``distributed.Client`` the tasks run on its cluster, otherwise on the
scheduler that dask is configured to use (threads by default), and data that one task
can sum in a blink are summed in the calling thread.

``reduction`` sums, by way of ``submitting``; ``partition_sum`` is what a task runs;
``parcels`` and ``placement`` say what goes to which worker; ``beforehand`` is the work
that must be done before the first pass.
"""

from dlogreg.reduction.beforehand import compute_shared, count_rows
from dlogreg.reduction.partition_sum import Stopped, sum_partition
from dlogreg.reduction.reduction import (
    FAN_IN,
    INLINE_BYTES,
    TASKS_PER_THREAD,
    Reduction,
)
from dlogreg.scheduling import (
    active_client,
    local_scheduler,
    n_threads,
    peak_memory,
    single_threaded_blas,
)
from dlogreg.tree_sum import add_pairwise

__all__ = [
    "FAN_IN",
    "INLINE_BYTES",
    "TASKS_PER_THREAD",
    "Reduction",
    "Stopped",
    "active_client",
    "add_pairwise",
    "compute_shared",
    "count_rows",
    "local_scheduler",
    "n_threads",
    "peak_memory",
    "single_threaded_blas",
    "sum_partition",
]
