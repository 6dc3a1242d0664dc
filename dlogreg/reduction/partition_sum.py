"""What a task of a pass runs: a kernel over one partition, or the sum of some."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from typing import Any

from dlogreg.allocator import LONG, kept_memory
from dlogreg.evaluation import Tally
from dlogreg.kernel import Kernel
from dlogreg.partition import Partition
from dlogreg.scheduling import peak_memory, single_threaded_blas
from dlogreg.source.retrying import Retries
from dlogreg.spare_matrices import spare_matrices
from dlogreg.stopwatch import Stopwatch
from dlogreg.tree_sum import TreeSum, add_pairwise, added

Node = tuple[Any, Tally]
"""A sum over some rows, and what it cost."""


class Stopped(Exception):  # noqa: N818 - a signal, not an error
    """The pass was abandoned from outside."""


def sum_partition(
    kernel: Kernel,
    partition: Partition,
    inputs: tuple[tuple[Any, ...], ...],
    stopped: Callable[[], bool] | None = None,
) -> Node:
    """Sum a kernel over the rows of one partition; this is what a task runs."""
    tree, watch, retries = TreeSum(), Stopwatch(), Retries()
    n_rows = n_blocks = n_bytes = 0
    kept = kept_memory if partition.n_features < LONG else nullcontext()
    with single_threaded_blas, kept, spare_matrices:
        buffers = kernel.open()
        watch.computed()
        linear = getattr(kernel, "linear", False)
        for leaf in partition.stream(inputs, retries, linear=linear):
            sums = kernel.start()
            watch.computed()
            for rows in leaf:
                watch.read()
                if stopped is not None and stopped():
                    raise Stopped
                kernel.add(sums, rows, buffers)
                watch.computed()
                n_rows += rows.n_read
                n_blocks += 1
                n_bytes += rows.n_bytes
            leaf_sum = kernel.finish(sums)
            watch.computed()
            tree.push(leaf_sum)
            del sums, leaf_sum  # or they would be held until the next leaf has its own
            watch.reduced()
    total = tree.total()
    watch.reduced()
    cost = n_rows, n_blocks, n_bytes, 1, peak_memory()
    return total, Tally(*cost, *watch.seconds, retries.count)


def add_nodes(nodes: Sequence[Node], n_threads: int = 1) -> Node:
    """Add results; ``n_threads`` have nothing else to do meanwhile."""
    watch = Stopwatch()
    with spare_matrices:
        total = add_pairwise([n[0] for n in nodes])
    tally: Tally = add_pairwise([n[1] for n in nodes])
    watch.reduced()
    spent = Tally(reducing=n_threads * watch.seconds[-1])
    return total, tally + spent


def join_nodes(left: Node, right: Node) -> Node:
    """Add two results that nobody else needs, in the thread that calls."""
    watch = Stopwatch()
    total = added(left[0], right[0])
    watch.reduced()
    return total, left[1] + right[1] + Tally(reducing=watch.seconds[-1])
