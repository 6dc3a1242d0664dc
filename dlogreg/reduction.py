"""Maps a kernel over partitions and adds the results; the only place that submits work.

With an active ``distributed.Client`` the tasks run on its cluster, otherwise on the
scheduler that dask is configured to use (threads by default), and data that one task
can sum in a blink are summed in the calling thread.
"""

from __future__ import annotations

import resource
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from typing import Any

import dask
import dask.threaded
from dask.base import get_scheduler
from dask.optimization import cull
from dask.system import CPU_COUNT
from threadpoolctl import ThreadpoolController

from dlogreg.evaluation import Summable, Tally
from dlogreg.kernel import Kernel
from dlogreg.partition import Partition
from dlogreg.source.blocks import Blocks
from dlogreg.source.graph import SHARED_BYTES

TASKS_PER_THREAD = 6
"""At most; runs of leaves are powers of two, so there are 3 to 6."""
INLINE_BYTES = 2**21
"""Data in memory of at most this size are summed in the calling thread."""
FAN_IN = 8
"""Results added by one task on a cluster; a power of two, so the tree stays fixed."""

Node = tuple[Any, Tally]
TaskDone = Callable[[Tally], None]
_pass_numbers = count()


class Stopped(Exception):  # noqa: N818 - a signal, not an error
    """The pass was abandoned from outside."""


class _SingleThreadedBlas:
    """Holds BLAS at one thread while any task computes.

    The setting belongs to the process, so tasks that overlap share one change of it:
    the first sets it and the last takes it back.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._users = 0
        self._limit: Any = None
        self._controller: ThreadpoolController | None = None

    @contextmanager
    def __call__(self) -> Iterator[None]:
        with self._lock:
            if self._users == 0:
                self._controller = self._controller or ThreadpoolController()
                self._limit = self._controller.limit(limits=1, user_api="blas")
            self._users += 1
        try:
            yield
        finally:
            with self._lock:
                self._users -= 1
                if self._users == 0:
                    self._limit.restore_original_limits()


single_threaded_blas = _SingleThreadedBlas()


class _TreeSum:
    """Adds leaves as they come, along the fixed binary tree over their indices."""

    def __init__(self) -> None:
        self._nodes: list[tuple[int, Any]] = []

    def push(self, node: Summable) -> None:
        level = 0
        while self._nodes and self._nodes[-1][0] == level:
            node = self._nodes.pop()[1] + node
            level += 1
        self._nodes.append((level, node))

    def total(self) -> Any:
        total = self._nodes.pop()[1]
        while self._nodes:
            total = self._nodes.pop()[1] + total
        return total


def add_pairwise(nodes: Sequence[Any]) -> Any:
    """Add neighbours, then neighbours of the sums, up to one."""
    level = list(nodes)
    while len(level) > 1:
        odd = level[len(level) // 2 * 2 :]
        level = [a + b for a, b in zip(level[::2], level[1::2], strict=False)] + odd
    return level[0]


def sum_partition(
    kernel: Kernel,
    partition: Partition,
    inputs: tuple[tuple[Any, ...], ...],
    stopped: Callable[[], bool] | None = None,
) -> Node:
    """Sum a kernel over the rows of one partition; this is what a task runs."""
    tree = _TreeSum()
    n_rows = n_blocks = n_bytes = 0
    with single_threaded_blas():
        buffers = kernel.open()
        for leaf in partition.stream(inputs):
            sums = kernel.start()
            for rows in leaf:
                if stopped is not None and stopped():
                    raise Stopped
                kernel.add(sums, rows, buffers)
                n_rows += len(rows)
                n_blocks += 1
                n_bytes += rows.n_bytes
            tree.push(kernel.finish(sums))
    return tree.total(), Tally(n_rows, n_blocks, n_bytes, 1, peak_memory())


def _sum_unpacked(kernel: Kernel, partition: Partition, *inputs: list[Any]) -> Node:
    return sum_partition(kernel, partition, tuple(map(tuple, inputs)))


def _bare(kernel: Kernel, partition: Partition) -> Node:
    return sum_partition(kernel, partition, partition.inputs)


def _add_nodes(nodes: Sequence[Node]) -> Node:
    return add_pairwise([n[0] for n in nodes]), add_pairwise([n[1] for n in nodes])


def peak_memory() -> int:
    """Return the largest resident set of this process so far, in bytes."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return int(peak if sys.platform == "darwin" else peak * 1024)


def active_client() -> Any:
    """Return the active ``distributed.Client``, or None."""
    if "distributed" not in sys.modules:
        return None
    client = getattr(get_scheduler(), "__self__", None)
    return client if hasattr(client, "scheduler_info") else None


def local_scheduler() -> Any:
    """Return the ``get`` that dask is configured to use; threads by default.

    dask's own look-up imports distributed, which takes 0.2 s, even to find no client.
    """
    if dask.config.get("scheduler", None) is None:
        return dask.threaded.get
    return get_scheduler()


def n_threads() -> int:
    """Return how many tasks can run at the same time."""
    client = active_client()
    if client is not None:
        return max(1, sum(client.nthreads().values()))
    pool = dask.config.get("pool", None)
    configured = dask.config.get("num_workers", None)
    return int(configured or getattr(pool, "_max_workers", None) or CPU_COUNT)


@dataclass(eq=False)
class Reduction:
    """The partitions of one fit, and where their tasks run."""

    partitions: Sequence[Partition]
    inline: bool = False
    """Run in the calling thread: for data so small that a scheduler costs more."""
    on_task: TaskDone | None = None
    """Called after every task with what it cost."""
    _scattered: dict[int, list[list[Any]]] = field(default_factory=dict)

    def sum(self, kernel: Kernel) -> Node:
        """Read every block once; return the sum and what it cost."""
        if self.inline:
            return _add_nodes([self._local(kernel, part) for part in self.partitions])
        client = active_client()
        if client is not None:
            return self._on_cluster(kernel, client)
        return self._on_scheduler(kernel)

    def _local(
        self,
        kernel: Kernel,
        partition: Partition,
        stopped: Callable[[], bool] | None = None,
    ) -> Node:
        node = sum_partition(kernel, partition, partition.inputs, stopped)
        if self.on_task is not None:
            self.on_task(node[1])
        return node

    def _on_scheduler(self, kernel: Kernel) -> Node:
        get = local_scheduler()
        stop = threading.Event()
        same_process = get in (dask.threaded.get, dask.get)
        run = partial(self._local, stopped=stop.is_set) if same_process else _bare
        keys = [(f"{kernel.name}-{next(_pass_numbers)}", i) for i in self._indices]
        graph = {
            key: (partial(run, kernel, partition),)
            for key, partition in zip(keys, self.partitions, strict=True)
        }
        try:
            return _add_nodes(get(graph, keys))
        except BaseException:
            stop.set()
            raise

    @property
    def _indices(self) -> range:
        return range(len(self.partitions))

    def _on_cluster(self, kernel: Kernel, client: Any) -> Node:
        number = next(_pass_numbers)
        futures = [
            client.submit(
                _sum_unpacked,
                kernel,
                partition,
                *self._inputs(i, client),
                key=f"{kernel.name}-{id(self):x}-{number}-{i}",
                pure=False,
            )
            for i, partition in enumerate(self.partitions)
        ]
        running = list(futures)
        if self.on_task is not None:
            for future in futures:
                future.add_done_callback(self._report)
        try:
            while len(futures) > 1:
                futures = [
                    client.submit(_add_nodes, futures[i : i + FAN_IN], pure=False)
                    for i in range(0, len(futures), FAN_IN)
                ]
            node: Node = futures[0].result()
        except BaseException:
            client.cancel(running + futures)
            raise
        return node

    def _report(self, future: Any) -> None:
        if self.on_task is not None and future.status == "finished":
            self.on_task(Tally(n_tasks=1))

    def _inputs(self, i: int, client: Any) -> list[list[Any]]:
        """Return futures of a partition's inputs: sent once, used in every pass."""
        if i not in self._scattered:
            inputs = self.partitions[i].inputs
            self._scattered[i] = [_send(client, list(given)) for given in inputs]
        return self._scattered[i]


def _send(client: Any, values: list[Any]) -> list[Any]:
    """Put values on the cluster, where they do not lie there already."""
    return [
        value if hasattr(value, "client") else client.scatter([value], hash=False)[0]
        for value in values
    ]


def compute_shared(graph: dict[Any, Any], keys: Sequence[Any]) -> dict[Any, Any]:
    """Compute keys once, before the first pass; return those small enough to keep."""
    if not keys:
        return {}
    client = active_client()
    get = client.get if client is not None else local_scheduler()
    values = get(cull(graph, list(keys))[0], list(keys))
    pairs = zip(keys, values, strict=True)
    return {k: v for k, v in pairs if getattr(v, "nbytes", 0) <= SHARED_BYTES}


def count_rows(blocks: Blocks) -> tuple[int, ...]:
    """Load every block once to count its rows."""
    step = max(1, -(-blocks.n_blocks // (TASKS_PER_THREAD * n_threads())))
    runs = [
        blocks.take(i, min(i + step, blocks.n_blocks))
        for i in range(0, blocks.n_blocks, step)
    ]
    client = active_client()
    if client is not None:
        futures = [
            client.submit(_count, run, _send(client, list(run.inputs)), pure=False)
            for run in runs
        ]
        counts = client.gather(futures)
    else:
        keys = [("count_rows", i) for i in range(len(runs))]
        tasks = [(partial(_count, run, list(run.inputs)),) for run in runs]
        get = local_scheduler()
        counts = get(dict(zip(keys, tasks, strict=True)), keys)
    return tuple(n for part in counts for n in part)


def _count(blocks: Blocks, inputs: list[Any]) -> list[int]:
    load, name = blocks.open(tuple(inputs)), blocks.fields[0]
    return [len(load(i)[name]) for i in range(blocks.n_blocks)]
