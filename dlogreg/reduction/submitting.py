"""Gives work to Dask: to a cluster in one message, or to one of its schedulers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import count
from typing import Any

from dask._task_spec import Task, parse_input

from dlogreg.kernel import Kernel
from dlogreg.partition import Partition
from dlogreg.reduction.parcels import Parcel
from dlogreg.reduction.partition_sum import Node, sum_partition

Job = Callable[[], Any]
pass_numbers = count()
"""A number for every pass of this process: dask knows tasks by their keys."""


def sum_sent(
    kernel: Kernel, partition: Partition, parcel: Parcel | None, beside: list[Any]
) -> Node:
    """Sum a partition on a worker, from what was sent to it."""
    if parcel is None:
        return sum_partition(kernel, partition, partition.inputs)
    return sum_partition(kernel, *parcel.unpack(partition, beside))


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


def on_dask(get: Any, name: str, tasks: Sequence[Job]) -> Any:
    """Run tasks on one of dask's schedulers; return their results in order."""
    key = f"{name}-{next(pass_numbers)}"
    keys = [(key, i) for i in range(len(tasks))]
    return get({key: (task,) for key, task in zip(keys, tasks, strict=True)}, keys)
