"""Rows of dask arrays: each block carries its own culled graph.

A task that runs over many blocks must not hold them all, and a scheduler inside the
task costs milliseconds. So every block gets the few tasks that make it, in an order in
which they can run, and a run of blocks is computed one after the other.

Work that blocks share is treated by its kind:

- a column mean, a lookup table (see ``sharing``): computed once, before the first
  pass, and kept as far as ``SHARED_BYTES`` go;
- a stored chunk that a rechunk cut in two: computed by the first block and carried to
  the next within a run;
- otherwise it is computed again by each.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest
from typing import Any

import dask.array as da
import numpy as np
from dask._task_spec import DataNode
from scipy.sparse import issparse

from dlogreg.errors import DataError
from dlogreg.kernel import CSR
from dlogreg.source.blocks import Array, Load
from dlogreg.source.frames import frame_to_numpy
from dlogreg.source.sharing import common_work, direct_consumers
from dlogreg.source.task_graph import Graph, TaskGraph, is_future, plan_graph

Compute = Callable[[dict[Any, Any], Sequence[Any]], dict[Any, Any]]
"""Computes keys of a graph once and returns those small enough to keep."""


@dataclass(frozen=True, slots=True, eq=False)
class BlockGraph:
    """What makes one block."""

    number: int
    tasks: Graph
    """Ordered so that what a task depends on comes before it."""
    outputs: tuple[Any, ...]
    """The key of each field."""
    needs: tuple[Any, ...]
    """Keys whose values are inputs."""
    shares: frozenset[Any]
    """Keys that a neighbouring block may consume too."""

    def only(self, places: Sequence[int]) -> BlockGraph:
        """Return what makes the fields at these places."""
        outputs = tuple(self.outputs[i] for i in places)
        tasks, needs = ordered(self.tasks, outputs, dict.fromkeys(self.needs))
        shares = self.shares & tasks.keys()
        return BlockGraph(self.number, tasks, outputs, tuple(needs), shares)

    @property
    def loads(self) -> set[Any]:
        """Keys of the tasks that depend on no other, which load pieces of data."""
        tasks = self.tasks
        work = {k for k, task in tasks.items() if not isinstance(task, DataNode)}
        return {k for k in work if work.isdisjoint(tasks[k].dependencies)}


@dataclass(frozen=True, slots=True, eq=False)
class GraphBlocks:
    """Blocks of row-aligned dask arrays."""

    fields: tuple[str, ...]
    blocks: tuple[BlockGraph, ...]
    row_counts: tuple[int, ...] | None
    ready: Mapping[Any, Any]
    """Values, or futures of values, by key."""
    row_bytes: int = 0
    """Bytes of a row of all fields."""

    @property
    def n_blocks(self) -> int:
        """Number of blocks."""
        return len(self.blocks)

    @property
    def on_cluster(self) -> bool:
        """Tell whether some of the data lie in the memory of a cluster."""
        return any(map(is_future, self.ready.values()))

    @property
    def _needs(self) -> list[Any]:
        return list(dict.fromkeys(key for block in self.blocks for key in block.needs))

    @property
    def inputs(self) -> tuple[Any, ...]:
        """Values that are there already, and futures of blocks on a cluster."""
        return tuple(self.ready[key] for key in self._needs)

    def take(self, start: int, stop: int) -> GraphBlocks:
        """Return the recipe of these blocks alone, with the inputs they need."""
        counts = self.row_counts
        return replace(
            self,
            blocks=self.blocks[start:stop],
            row_counts=None if counts is None else counts[start:stop],
        )

    def only(self, fields: Sequence[str]) -> GraphBlocks:
        """Return the recipe of some of the arrays, without the tasks of the others."""
        places = [self.fields.index(name) for name in fields]
        return replace(
            self,
            fields=tuple(fields),
            blocks=tuple(block.only(places) for block in self.blocks),
        )

    def count_loads(self) -> Counter[Any]:
        """Return how often each piece of data is loaded if a task reads these blocks.

        Once, unless blocks share it that do not follow each other.
        """
        counts: Counter[Any] = Counter()
        carried: list[Any] = []
        for block, after in zip_longest(self.blocks, self.blocks[1:]):
            carry = [k for k in block.shares if after is not None and k in after.shares]
            given = dict.fromkeys((*block.needs, *carried))
            run, _ = ordered(block.tasks, (*block.outputs, *carry), given)
            counts.update(run.keys() & block.loads)
            carried = carry
        return counts

    def with_row_counts(self, counts: tuple[int, ...] | None) -> GraphBlocks:
        """Return the same blocks once their lengths are known."""
        return replace(self, row_counts=counts)

    def open(self, inputs: tuple[Any, ...]) -> Load:
        """Return a function that computes a block; call it in the order of blocks."""
        values = dict(zip(self._needs, inputs, strict=True))
        carried: dict[Any, Any] = {}

        def load(i: int) -> Mapping[str, Array]:
            block = self.blocks[i]
            after = self.blocks[i + 1].shares if i + 1 < len(self.blocks) else ()
            carry = [key for key in block.shares if key in after]
            given = {key: values[key] for key in block.needs}
            given.update((k, v) for k, v in carried.items() if k in block.shares)
            results = _compute(block, given, carry)
            carried.clear()
            carried.update(zip(carry, results[len(block.outputs) :], strict=True))
            return dict(zip(self.fields, map(as_rows, results), strict=False))

        return load

    def __getstate__(self) -> dict[str, Any]:
        """Pickle the recipe alone: values that are ready travel apart."""
        names = ("fields", "blocks", "row_counts", "row_bytes")
        return {**{name: getattr(self, name) for name in names}, "ready": {}}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Restore the recipe."""
        for name, value in state.items():
            object.__setattr__(self, name, value)


def as_rows(value: Any) -> Any:
    """Return a computed block as a numpy array, or as compressed rows."""
    if issparse(value):
        return CSR.of(value, "a block of X")
    if hasattr(value, "tocsr") or hasattr(value, "todense"):
        raise DataError(
            f"the blocks are of type {type(value).__name__}, which is not one of "
            "scipy's sparse arrays; convert them, for example with "
            "X.map_blocks(lambda block: block.tocsr())"
        )
    return frame_to_numpy(value) if hasattr(value, "iloc") else np.asarray(value)


def graph_blocks(arrays: Mapping[str, da.Array], compute: Compute) -> GraphBlocks:
    """Give every block of row-aligned arrays its own graph; do shared work once."""
    graph = plan_graph(arrays)
    consumers = direct_consumers(graph.tasks, graph.outputs)
    common = common_work(graph, consumers)
    done = compute({**graph.ready, **graph.tasks}, common) if common else {}
    ready = {**graph.ready, **done}
    shared = consumers.keys() - ready.keys()
    blocks = tuple(
        _cull(i, graph, keys, ready, shared) for i, keys in enumerate(graph.outputs)
    )
    counts = next(iter(arrays.values())).chunks[0]
    for array in arrays.values():
        if np.isnan(counts).any():
            counts = array.chunks[0]
    known = not np.isnan(counts).any()
    needed = {key for block in blocks for key in block.needs}
    return GraphBlocks(
        tuple(arrays),
        blocks,
        tuple(map(int, counts)) if known else None,
        {key: ready[key] for key in needed},
        sum(_row_bytes(array) for array in arrays.values()),
    )


def _row_bytes(array: da.Array) -> int:
    columns = math.prod(array.shape[1:])
    return int(array.dtype.itemsize * columns)


def _cull(
    number: int,
    graph: TaskGraph,
    outputs: tuple[Any, ...],
    ready: Mapping[Any, Any],
    shared: set[Any],
) -> BlockGraph:
    tasks, needs = ordered(graph.tasks, outputs, ready)
    shares = frozenset(key for key in tasks if key in shared)
    return BlockGraph(number, tasks, outputs, tuple(needs), shares)


def ordered(
    tasks: Graph, wanted: Iterable[Any], ready: Mapping[Any, Any]
) -> tuple[Graph, list[Any]]:
    """Return the tasks that make the wanted keys, each after those it depends on.

    The second value lists the keys that are ready and were needed.
    """
    kept: Graph = {}
    needs: dict[Any, None] = {}
    stack = [(key, False) for key in wanted]
    while stack:
        key, entered = stack.pop()
        if key in kept:
            continue
        if key in ready:
            needs[key] = None
        elif entered or not tasks[key].dependencies:
            kept[key] = tasks[key]
        else:
            stack.append((key, True))
            stack.extend((d, False) for d in tasks[key].dependencies)
    return kept, list(needs)


def _compute(
    block: BlockGraph, values: dict[Any, Any], carry: Sequence[Any]
) -> list[Any]:
    """Run the tasks of a block, letting go of what is not needed any more."""
    wanted = (*block.outputs, *carry)
    tasks = block.tasks
    if len(values) > len(block.needs):  # some of it was carried over
        tasks, _ = ordered(tasks, wanted, values)
    uses = Counter(d for node in tasks.values() for d in node.dependencies)
    uses.update(wanted)
    try:
        for key, node in tasks.items():
            values[key] = node(values)
            for dependency in node.dependencies:
                uses[dependency] -= 1
                if not uses[dependency]:
                    del values[dependency]
    except (DataError, MemoryError):
        raise
    except Exception as error:
        raise DataError(
            f"block {block.number} (counted from 0) cannot be computed: task {key!r} "
            f"failed with {type(error).__name__}: {error}; mend the dask array there, "
            f"for example try .blocks[{block.number}].compute()"
        ) from error
    return [values[key] for key in wanted]
