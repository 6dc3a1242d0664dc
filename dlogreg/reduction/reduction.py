"""Sums a kernel over the partitions of a fit, wherever its tasks run."""

from __future__ import annotations

import threading
import uuid
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import CancelledError
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import dask
import dask.threaded

from dlogreg.allocator import LONG, give_memory_back, keep_free_memory
from dlogreg.errors import ClusterError
from dlogreg.evaluation import Tally
from dlogreg.kernel import Kernel
from dlogreg.partition import Partition
from dlogreg.reduction.parcels import Parcels
from dlogreg.reduction.partition_sum import (
    Node,
    add_nodes,
    join_nodes,
    sum_partition,
)
from dlogreg.reduction.placement import homes, sent_apart
from dlogreg.reduction.submitting import (
    Job,
    on_dask,
    pass_numbers,
    submitted,
    sum_sent,
)
from dlogreg.scheduling import (
    active_client,
    check_reachable,
    local_scheduler,
    n_threads,
)
from dlogreg.tree_sum import SiblingSum
from dlogreg.waiting import MEMORY, await_workers, result_of, while_open

TASKS_PER_THREAD = 8
"""At most; runs of leaves are powers of two, so there are 5 to 8."""
INLINE_BYTES = 2**23
"""Data in memory of at most this size are summed in the calling thread."""
SENDINGS = 6
"""Times that a pass is begun on a cluster which loses the data sent to it."""
FAN_IN = 8
"""Results added by one task on a cluster; a power of two, so the tree stays fixed."""

TASKS_PER_MESSAGE = 256
"""Dask warns of graphs above 10 MB: recipes of stores hold a few kilobytes."""

TaskDone = Callable[[Tally], None]


@dataclass(eq=False)
class Reduction:
    """The partitions of one fit, and where their tasks run."""

    partitions: Sequence[Partition]
    inline: bool = False
    """Run in the calling thread: for data so small that a scheduler costs more."""
    on_task: TaskDone | None = None
    """Called after every task with what it cost."""
    _parcels: Parcels = field(default_factory=Parcels)

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
            return self._in_turn(kernel)
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
        inputs = partition.inputs
        check_reachable([value for given in inputs for value in given])
        node = sum_partition(kernel, partition, inputs, stopped)
        if self.on_task is not None:
            self.on_task(node[1])
        return node

    def _on_scheduler(self, kernel: Kernel) -> Node:
        get = local_scheduler()
        run = partial(on_dask, get, kernel.name)
        if get in (dask.threaded.get, dask.get):
            return self._here(kernel, run)
        # other processes: what a recipe leaves out goes along
        parts = self.partitions
        tasks = [partial(sum_partition, kernel, part, part.inputs) for part in parts]
        return add_nodes(run(tasks), self.n_threads)

    def _in_turn(self, kernel: Kernel) -> Node:
        """Sum in the calling thread, one partition after the other."""
        keep_free_memory()
        tree = SiblingSum(len(self.partitions), join_nodes)
        for index, partition in enumerate(self.partitions):
            tree.push(index, self._local(kernel, partition))
        total: Node = tree.total()
        return total

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
        name = f"{uuid.uuid4().hex[:12]}-{next(pass_numbers)}"
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
            running += submitted(client, sum_sent, some, label, anywhere=free)
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
