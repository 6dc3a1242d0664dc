"""Which work blocks share, and which of it is done once before the first pass."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from dask._task_spec import DataNode

from dlogreg.source.task_graph import Graph, TaskGraph

SHARED_BYTES = 64 * 2**20
"""Largest results of shared work, together, that are kept for the whole fit."""
MANY_LOADS = 3
"""A result of at least so many pieces of data is not read again for every block."""


def common_work(graph: TaskGraph, consumers: dict[Any, set[int]]) -> tuple[Any, ...]:
    """Return the work to be done once: that of many blocks, or made of many loads.

    A column mean is both. Where there is about as much of such work as there are
    blocks, as after a shuffle of the rows, it is the data themselves, and each block
    computes it again.
    """
    n_blocks = len(graph.outputs)
    half = (n_blocks + 1) // 2
    common = [
        key
        for key, blocks in consumers.items()
        if len(blocks) > 1 and (len(blocks) >= half or _gathers(graph.tasks, key))
    ]
    return tuple(common) if len(common) <= max(8, n_blocks // 4) else ()


def _gathers(tasks: Graph, key: Any) -> bool:
    """Tell whether a result is made of at least ``MANY_LOADS`` pieces of data."""
    seen: set[Any] = set()
    loads, stack = 0, [key]
    while stack and loads < MANY_LOADS:
        key = stack.pop()
        if key not in seen and _is_work(tasks, key):
            seen.add(key)
            before = [d for d in tasks[key].dependencies if _is_work(tasks, d)]
            loads += not before
            stack.extend(before)
    return loads >= MANY_LOADS


def direct_consumers(
    tasks: Graph, outputs: list[tuple[Any, ...]]
) -> dict[Any, set[int]]:
    """Return which blocks consume a shared key from a task that is theirs alone.

    One walk gives every key the first block that reaches it; a key reached by a
    second block is shared, and with it all that it is made of. Data that are stored
    in the graph are not work, and are left out.
    """
    owner: dict[Any, int] = {}
    border: set[Any] = set()
    for block, keys in enumerate(outputs):
        stack = list(keys)
        while stack:
            key = stack.pop()
            if key in owner:
                if owner[key] != block:
                    border.add(key)
            elif _is_work(tasks, key):
                owner[key] = block
                stack.extend(tasks[key].dependencies)
    shared = _ancestors(tasks, border)
    consumers: dict[Any, set[int]] = {}
    for key, block in owner.items():
        if key not in shared:
            for dependency in tasks[key].dependencies:
                if dependency in shared:
                    consumers.setdefault(dependency, set()).add(block)
    for block, keys in enumerate(outputs):
        for key in keys:
            if key in shared:
                consumers.setdefault(key, set()).add(block)
    return consumers


def _is_work(tasks: Graph, key: Any) -> bool:
    return key in tasks and not isinstance(tasks[key], DataNode)


def _ancestors(tasks: Graph, keys: Iterable[Any]) -> set[Any]:
    found: set[Any] = set()
    stack = list(keys)
    while stack:
        key = stack.pop()
        if key not in found and _is_work(tasks, key):
            found.add(key)
            stack.extend(tasks[key].dependencies)
    return found
