"""Dask arrays -> one graph of plain tasks, and what has to travel beside it.

Dask would fuse the tasks of a block into one that runs a scheduler of its own, and it
fuses each array by itself, so that what X and y are both made of would be loaded
twice. Here the tasks stay apart, under the keys they had before any fusion: whatever
two blocks or two fields share is then one key.
"""

from __future__ import annotations

import sys
from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, cast

import dask.array as da
import numpy as np
from dask._task_spec import Alias, DataNode, GraphNode, Task, convert_legacy_graph
from dask.core import flatten
from dask.highlevelgraph import HighLevelGraph
from dask.utils import ensure_dict

from dlogreg.errors import DataError

Graph = dict[Any, GraphNode]

INPUT_BYTES = 2**14
"""Stored values of at least this size travel beside the recipe, once per fit."""


@dataclass(frozen=True, slots=True, eq=False)
class TaskGraph:
    """Tasks by key, values that are there already, and the keys of every block."""

    tasks: Graph
    ready: dict[Any, Any]
    """Large values, and futures of values that lie on a cluster, by key."""
    outputs: list[tuple[Any, ...]]
    """For every block, the key of each field."""


def plan_graph(arrays: Mapping[str, da.Array]) -> TaskGraph:
    """Merge the graphs of row-aligned arrays into one."""
    graphs = [_high_level(array) for array in arrays.values()]
    columns = [list(flatten(array.__dask_keys__())) for array in arrays.values()]
    wanted = {key for keys in columns for key in keys}
    stored = ensure_dict(HighLevelGraph.merge(*graphs).cull(wanted))
    futures = {key: node for key, node in stored.items() if is_future(node)}
    tasks: Graph = {}
    ready: dict[Any, Any] = dict(futures)
    plain = convert_legacy_graph(stored)
    # what was fused comes first: elsewhere its parts may stand as aliases of the whole
    for key, node in sorted(plain.items(), key=lambda item: _unfused(*item) is None):
        if key not in tasks:
            _add(tasks, ready, key, node)
    _name_futures(tasks, ready, wanted)
    return TaskGraph(tasks, ready, list(zip(*columns, strict=True)))


def _high_level(array: da.Array) -> HighLevelGraph:
    graph = array.__dask_graph__()
    if isinstance(graph, HighLevelGraph):
        return graph
    return HighLevelGraph.from_collections(array.name, graph)


def is_future(value: Any) -> bool:
    """Tell whether a value lies on a cluster and is only referred to."""
    return hasattr(value, "client") and hasattr(value, "key")


def _add(tasks: Graph, ready: dict[Any, Any], key: Any, node: GraphNode) -> None:
    """Put a node where it belongs, taking fused tasks apart again."""
    if isinstance(node, DataNode):
        if _is_large(node.value):
            ready[key] = node.value
        else:
            tasks[key] = node
        return
    parts = _unfused(key, node)
    if parts is None:
        tasks[key] = node
        return
    for name, part in parts.items():
        if name not in tasks and name not in ready:
            _add(tasks, ready, name, part)


def _is_large(value: Any) -> bool:
    if isinstance(value, np.ndarray):
        return value.nbytes >= INPUT_BYTES or value.dtype.hasobject
    if hasattr(value, "iloc"):
        return True
    return type(getattr(value, "store", None)).__name__ == "MemoryStore"


def _unfused(key: Any, node: GraphNode) -> Graph | None:
    """Return the tasks that Dask fused into one, or None if it is not such a task.

    Only tasks under their own keys, a name with the number of the block, can be taken
    apart: names alone are used again in every block.
    """
    if getattr(getattr(node, "func", None), "__name__", "") != "_execute_subgraph":
        return None
    inner, out, names, *given = cast("Task", node).args
    if not all(_is_block_key(name) for name in (*inner, *names)):
        return None
    parts: Graph = dict(inner)
    for name, value in zip(names, given, strict=True):
        target = getattr(value, "target", getattr(value, "key", None))
        if not isinstance(target, Hashable) or target is None:
            return None
        if target != name:
            parts[name] = Alias(name, target=target)
    if key != out:
        parts[key] = Alias(key, target=out)
    return parts


def _is_block_key(key: Any) -> bool:
    return isinstance(key, tuple) and len(key) > 1 and isinstance(key[-1], int)


def _name_futures(tasks: Graph, ready: dict[Any, Any], wanted: Iterable[Any]) -> None:
    """Give what lies on a cluster a name of its own, and take it out of the tasks.

    A task may hold a future itself, and such a task cannot be sent to a worker.
    """
    here = {key for key, value in ready.items() if not is_future(value)}
    for key, node in tasks.items():
        absent = [d for d in node.dependencies if d not in tasks and d not in here]
        if absent:
            tasks[key] = node.substitute({d: ("input", d) for d in absent})
        for d in absent:
            ready[("input", d)] = ready[d] if d in ready else _future(d)
    for key in wanted:
        if key not in tasks and key not in ready:
            ready[key] = _future(key)


def _future(key: Any) -> Any:
    """Return the future of a key that dask's own graph only refers to."""
    distributed = sys.modules.get("distributed")  # who made the future imported it
    try:
        if distributed is not None:
            return distributed.Future(key, distributed.default_client())
    except ValueError:
        pass
    raise DataError(
        f"{key!r} was persisted on a cluster whose client is not active; call fit "
        "while that distributed.Client is open"
    )
