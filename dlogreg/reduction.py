"""Maps a kernel over partitions and adds the results; the only place that submits work.

With an active ``distributed.Client`` the tasks run on its cluster, otherwise on the
scheduler that dask is configured to use (threads by default), and data that one task
can sum in a blink are summed in the calling thread.
"""

from __future__ import annotations

import threading
import uuid
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import CancelledError
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from typing import Any

import dask
import dask.threaded
from dask._task_spec import Task, parse_input
from dask.optimization import cull
from dask.sizeof import sizeof

from dlogreg.errors import ClusterError
from dlogreg.evaluation import Tally
from dlogreg.kernel import Kernel
from dlogreg.parcels import Parcel, Parcels
from dlogreg.partition import Partition
from dlogreg.partition_sum import (
    Node,
    Stopped,
    add_nodes,
    join_nodes,
    sum_partition,
)
from dlogreg.placement import homes, sent_apart
from dlogreg.scheduling import (
    active_client,
    check_reachable,
    give_memory_back,
    local_scheduler,
    n_threads,
    peak_memory,
    single_threaded_blas,
)
from dlogreg.source.blocks import Blocks
from dlogreg.source.graph import GraphBlocks
from dlogreg.source.sharing import SHARED_BYTES
from dlogreg.tree_sum import SiblingSum, add_pairwise
from dlogreg.waiting import MEMORY, await_workers, result_of, while_open

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

TASKS_PER_THREAD = 8
"""At most; runs of leaves are powers of two, so there are 5 to 8."""
INLINE_BYTES = 2**23
"""Data in memory of at most this size are summed in the calling thread."""
SENDINGS = 6
"""Times that a pass is begun on a cluster which loses the data sent to it."""
LONG = 2**16
"""Columns from which sums of a pass are so long that freed ones count."""
FAN_IN = 8
"""Results added by one task on a cluster; a power of two, so the tree stays fixed."""

TASKS_PER_MESSAGE = 256
"""Dask warns of graphs above 10 MB: recipes of stores hold a few kilobytes."""

TaskDone = Callable[[Tally], None]
Job = Callable[[], Any]
_pass_numbers = count()


def _sum_sent(
    kernel: Kernel, partition: Partition, parcel: Parcel | None, beside: list[Any]
) -> Node:
    if parcel is None:
        return sum_partition(kernel, partition, partition.inputs)
    return sum_partition(kernel, *parcel.unpack(partition, beside))


@dataclass(eq=False)
class Reduction:
    """The partitions of one fit, and where their tasks run."""

    partitions: Sequence[Partition]
    inline: bool = False
    """Run in the calling thread: for data so small that a scheduler costs more."""
    on_task: TaskDone | None = None
    """Called after every task with what it cost."""
    _parcels: Parcels = field(default_factory=Parcels)
    _token: str = field(default_factory=lambda: uuid.uuid4().hex[:12])

    def over(self, partitions: Sequence[Partition]) -> Reduction:
        """Return a reduction over other partitions of the same data."""
        return Reduction(partitions, self.inline, self.on_task, self._parcels)

    @property
    def n_threads(self) -> int:
        """Threads that can run tasks."""
        return 1 if self.inline else n_threads()

    def sum(self, kernel: Kernel) -> Node:
        """Read every block once; return the sum and what it cost."""
        if self.inline:
            return self._here(kernel, _one_by_one)
        client = active_client()
        if client is not None:
            return self._on_cluster(kernel, client)
        return self._on_scheduler(kernel)

    def _local(
        self,
        kernel: Kernel,
        partition: Partition,
        stopped: Callable[[], bool],
    ) -> Node:
        inputs = partition.inputs
        check_reachable([value for given in inputs for value in given])
        node = sum_partition(kernel, partition, inputs, stopped)
        if self.on_task is not None:
            self.on_task(node[1])
        return node

    def _on_scheduler(self, kernel: Kernel) -> Node:
        get = local_scheduler()
        run = partial(_on_dask, get, kernel.name)
        if get in (dask.threaded.get, dask.get):
            return self._here(kernel, run)
        # other processes: what a recipe leaves out goes along
        parts = self.partitions
        tasks = [partial(sum_partition, kernel, part, part.inputs) for part in parts]
        return add_nodes(run(tasks), self.n_threads)

    def _here(self, kernel: Kernel, run: Callable[[Sequence[Job]], Any]) -> Node:
        """Sum in this process; siblings are added as soon as both are there.

        Tasks take the partitions in their order, in whatever order a scheduler runs
        the tasks: dask's, by the text of their keys, would leave more sums waiting.
        """
        stop, tree = threading.Event(), SiblingSum(len(self.partitions), join_nodes)
        left = deque(enumerate(self.partitions))

        def add() -> None:
            index, partition = left.popleft()
            tree.push(index, self._local(kernel, partition, stop.is_set))

        long = self.partitions[0].n_features >= LONG
        if long:
            give_memory_back()
        try:
            run([add] * len(left))
        except BaseException:
            stop.set()
            raise
        total: Node = tree.total()
        if long:
            give_memory_back()
        return total

    def _on_cluster(self, kernel: Kernel, client: Any) -> Node:
        """Sum on the cluster; what was sent to a worker that died is sent again."""
        left = SENDINGS
        while True:
            parcels = self._parcels
            known = parcels.scheduler
            workers = await_workers(client, lost=known is not None)
            if known not in (None, workers.scheduler):
                self._parcels = parcels = Parcels()  # it knows nothing of the old ones
            parcels.scheduler = workers.scheduler
            try:
                return self._submit(kernel, client, workers.threads)
            except CancelledError as error:
                self._parcels = Parcels(workers.scheduler)
                left -= 1
                if not left:
                    raise ClusterError(
                        f"workers died {SENDINGS} times while they held what a pass "
                        f"needs ({error}); {MEMORY}; data that were persisted on the "
                        "cluster may be lost, and must be persisted again"
                    ) from error

    def _submit(self, kernel: Kernel, client: Any, threads: Mapping[str, int]) -> Node:
        running: list[Any] = []
        try:
            with while_open(client):
                total = self._tree(kernel, client, threads, running)
            node: Node = result_of(total, client)
        except BaseException:
            for future in running:  # cancel() may end the client's connection instead
                future.release()
            raise
        return node

    def _tree(
        self,
        kernel: Kernel,
        client: Any,
        threads: Mapping[str, int],
        running: list[Any],
    ) -> Any:
        """Submit the tasks of a pass; return the future of its sum."""
        name = f"{self._token}-{next(_pass_numbers)}"
        places: Sequence[str | None] = [None] * len(self.partitions)
        if not all(map(self._parcels.knows, self.partitions)):
            places = homes(client, self.partitions, threads)
        given = sent_apart(kernel, client)
        tasks = [
            (given, *self._parcels.send(client, partition, place))
            for partition, place in zip(self.partitions, places, strict=True)
        ]
        for low in range(0, len(tasks), TASKS_PER_MESSAGE):
            some = tasks[low : low + TASKS_PER_MESSAGE]
            label = f"{kernel.name}-{name}-{low}"
            free = all(parcel is None for _, _, parcel, _ in some)
            running += submitted(client, _sum_sent, some, label, anywhere=free)
        if self.on_task is not None:
            for future in running:
                future.add_done_callback(self._report)
        futures = list(running)
        while len(futures) > 1:
            groups = [
                (futures[i : i + FAN_IN],) for i in range(0, len(futures), FAN_IN)
            ]
            label = f"{add_nodes.__name__}-{name}-{len(running)}"
            futures = submitted(client, add_nodes, groups, label)
            running += futures
        return futures[0]

    def _report(self, future: Any) -> None:
        if self.on_task is not None and future.status == "finished":
            self.on_task(Tally(n_tasks=1))


def submitted(
    client: Any,
    function: Callable[..., Any],
    calls: Sequence[Sequence[Any]],
    name: str,
    *,
    anywhere: bool = False,
) -> list[Any]:
    """Submit calls in one message; return their futures.

    A message for each would cost the scheduler as much again. Those that may run
    ``anywhere``, as what they need lies on no worker, wait at the scheduler until one
    is free; dask gives out at once what is fewer than two tasks for a thread, and in
    one message unevenly.
    """
    graph = {
        key: Task(key, function, *map(parse_input, arguments), _data_producer=anywhere)
        for key, arguments in ((f"{name}-{i}", call) for i, call in enumerate(calls))
    }
    return list(client.get(graph, list(graph), sync=False))


def _one_by_one(tasks: Sequence[Job]) -> None:
    for task in tasks:
        task()


def _on_dask(get: Any, name: str, tasks: Sequence[Job]) -> Any:
    """Run tasks on one of dask's schedulers; return their results in order."""
    key = f"{name}-{next(_pass_numbers)}"
    keys = [(key, i) for i in range(len(tasks))]
    return get({key: (task,) for key, task in zip(keys, tasks, strict=True)}, keys)


def compute_shared(graph: dict[Any, Any], keys: Sequence[Any]) -> dict[Any, Any]:
    """Compute keys once, before the first pass; return those small enough to keep."""
    if not keys:
        return {}
    client = active_client()
    get = client.get if client is not None else local_scheduler()
    values = get(cull(graph, list(keys))[0], list(keys))
    kept, size = {}, 0
    for key, value in zip(keys, values, strict=True):
        size += sizeof(value)
        if size <= SHARED_BYTES:
            kept[key] = value
    return kept


def count_rows(blocks: Blocks) -> tuple[int, ...]:
    """Load every block once to count its rows."""
    step = max(1, -(-blocks.n_blocks // (TASKS_PER_THREAD * n_threads())))
    if isinstance(blocks, GraphBlocks) and blocks.on_cluster:
        step = 1
    runs = [
        blocks.take(i, min(i + step, blocks.n_blocks))
        for i in range(0, blocks.n_blocks, step)
    ]
    client = active_client()
    if client is not None:
        parcels, cut = Parcels(), [Partition(run, (), (), 0) for run in runs]
        places = homes(client, cut, await_workers(client, lost=False).threads)
        tasks = [
            parcels.send(client, part, place)
            for part, place in zip(cut, places, strict=True)
        ]
        name = f"{count_rows.__name__}-{uuid.uuid4().hex[:12]}"
        counts = client.gather(submitted(client, _count_sent, tasks, name))
    else:
        keys = [("count_rows", i) for i in range(len(runs))]
        calls = [(partial(_count, run, run.inputs),) for run in runs]
        get = local_scheduler()
        counts = get(dict(zip(keys, calls, strict=True)), keys)
    return tuple(n for part in counts for n in part)


def _count(blocks: Blocks, inputs: Sequence[Any]) -> list[int]:
    load, name = blocks.open(tuple(inputs)), blocks.fields[0]
    return [len(load(i)[name]) for i in range(blocks.n_blocks)]


def _count_sent(
    partition: Partition, parcel: Parcel | None, beside: list[Any]
) -> list[int]:
    inputs = partition.inputs
    if parcel is not None:
        partition, inputs = parcel.unpack(partition, beside)
    return _count(partition.blocks, inputs[0])
