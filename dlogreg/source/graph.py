"""Rows of dask arrays: each block carries its own culled graph.

A task that runs over many blocks must not hold them all, and a scheduler inside the
task costs milliseconds over a large graph. So every block gets the few tasks that
make it, and a run of blocks is computed one after the other.

Work that blocks share is treated by how many of them consume it directly:

- by at least half of all blocks (a column mean, a lookup table): computed once,
  before the first pass, if the result is at most ``SHARED_BYTES``;
- by neighbours (a stored chunk that a rechunk cut in two): computed by the first
  and carried to the next within a run;
- otherwise it is computed again by each.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import dask
import dask.array as da
import numpy as np
from dask.core import get_dependencies

from dlogreg.source.blocks import Array, Load, frame_to_numpy

SHARED_BYTES = 64 * 2**20
"""Largest result of shared work that is kept instead of being computed again."""

Graph = dict[Any, Any]


@dataclass(frozen=True, slots=True, eq=False)
class BlockGraph:
    """What makes one block."""

    graph: Graph
    outputs: tuple[Any, ...]
    """The key of each field."""
    needs: tuple[Any, ...]
    """Keys whose values are inputs."""
    shares: frozenset[Any]
    """Keys that a neighbouring block may consume too."""


@dataclass(frozen=True, slots=True, eq=False)
class GraphBlocks:
    """Blocks of row-aligned dask arrays."""

    fields: tuple[str, ...]
    blocks: tuple[BlockGraph, ...]
    row_counts: tuple[int, ...] | None
    shared: Mapping[Any, Any]
    """Values, or futures of values, by key."""

    @property
    def n_blocks(self) -> int:
        """Number of blocks."""
        return len(self.blocks)

    @property
    def _needs(self) -> list[Any]:
        return list(dict.fromkeys(key for block in self.blocks for key in block.needs))

    @property
    def inputs(self) -> tuple[Any, ...]:
        """Values of shared work, and futures of blocks that lie on a cluster."""
        return tuple(self.shared[key] for key in self._needs)

    def take(self, start: int, stop: int) -> GraphBlocks:
        """Return the recipe of these blocks alone, with the inputs they need."""
        counts = self.row_counts
        return replace(
            self,
            blocks=self.blocks[start:stop],
            row_counts=None if counts is None else counts[start:stop],
        )

    def with_row_counts(self, counts: tuple[int, ...]) -> GraphBlocks:
        """Return the same blocks once their lengths are known."""
        return replace(self, row_counts=counts)

    def open(self, inputs: tuple[Any, ...]) -> Load:
        """Return a function that computes a block; call it in the order of blocks."""
        values = dict(zip(self._needs, inputs, strict=True))
        carried: Graph = {}

        def load(i: int) -> Mapping[str, Array]:
            block = self.blocks[i]
            after = self.blocks[i + 1].shares if i + 1 < len(self.blocks) else ()
            carry = [key for key in block.shares if key in after]
            graph = {**block.graph, **{key: values[key] for key in block.needs}}
            graph.update((k, v) for k, v in carried.items() if k in block.shares)
            results = dask.get(graph, [*block.outputs, *carry])
            carried.clear()
            carried.update(zip(carry, results[len(block.outputs) :], strict=True))
            loaded = map(as_numpy, results[: len(block.outputs)])
            return dict(zip(self.fields, loaded, strict=True))

        return load

    def __getstate__(self) -> dict[str, Any]:
        """Pickle the recipe alone: shared values are inputs and travel apart."""
        names = ("fields", "blocks", "row_counts")
        return {**{name: getattr(self, name) for name in names}, "shared": {}}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Restore the recipe."""
        for name, value in state.items():
            object.__setattr__(self, name, value)


@dataclass(frozen=True, slots=True, eq=False)
class SharedWork:
    """Work that is done once before the first pass."""

    graph: Graph
    keys: tuple[Any, ...]


def as_numpy(value: Any) -> Array:
    """Return a computed block as a numpy array."""
    return frame_to_numpy(value) if hasattr(value, "iloc") else np.asarray(value)


def plan_graph(arrays: Mapping[str, da.Array]) -> tuple[Graph, list[tuple[Any, ...]]]:
    """Optimise the arrays together; return one graph and the keys of every block."""
    optimised = dask.optimize(*arrays.values())
    graph: Graph = {}
    for array in optimised:
        graph.update(dict(array.__dask_graph__()))
    columns = [list(dask.core.flatten(array.__dask_keys__())) for array in optimised]
    return graph, list(zip(*columns, strict=True))


def find_shared_work(graph: Graph, outputs: list[tuple[Any, ...]]) -> SharedWork:
    """Return the work that at least half of all blocks (and two) consume directly."""
    consumers = _direct_consumers(graph, outputs)
    least = max(2, (len(outputs) + 1) // 2)
    common = [key for key, blocks in consumers.items() if len(blocks) >= least]
    return SharedWork(graph, tuple(key for key in common if not _is_value(graph[key])))


def graph_blocks(
    arrays: Mapping[str, da.Array],
    graph: Graph,
    outputs: list[tuple[Any, ...]],
    shared: Mapping[Any, Any],
) -> GraphBlocks:
    """Give every block its culled graph; ``shared`` holds what was computed once."""
    stored = {key: _value(node) for key, node in graph.items() if _is_value(node)}
    ready = {**stored, **shared}
    neighbours = _direct_consumers(graph, outputs).keys() - ready.keys()
    counts = next(iter(arrays.values())).chunks[0]
    known = not any(np.isnan(count) for count in counts)
    blocks = tuple(_cull(graph, keys, ready, neighbours) for keys in outputs)
    return GraphBlocks(
        tuple(arrays), blocks, tuple(map(int, counts)) if known else None, ready
    )


def _cull(
    graph: Graph, outputs: tuple[Any, ...], ready: Mapping[Any, Any], shared: set[Any]
) -> BlockGraph:
    kept: Graph = {}
    needs: list[Any] = []
    stack = list(outputs)
    while stack:
        key = stack.pop()
        if key in kept or key in needs:
            continue
        if key in ready:
            needs.append(key)
            continue
        kept[key] = graph[key]
        stack.extend(_dependencies(graph, key))
    shares = frozenset(key for key in kept if key in shared)
    return BlockGraph(kept, outputs, tuple(needs), shares)


def _direct_consumers(
    graph: Graph, outputs: list[tuple[Any, ...]]
) -> dict[Any, set[int]]:
    """Return which blocks consume a shared key from a task that is theirs alone.

    One walk gives every key the first block that reaches it; a key reached by a
    second block is shared, and with it all that it is made of.
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
                continue
            owner[key] = block
            stack.extend(_dependencies(graph, key))
    shared = _ancestors(graph, border)
    consumers: dict[Any, set[int]] = {}
    for key, block in owner.items():
        if key not in shared:
            for dependency in _dependencies(graph, key):
                if dependency in shared:
                    consumers.setdefault(dependency, set()).add(block)
    return consumers


def _ancestors(graph: Graph, keys: Iterable[Any]) -> set[Any]:
    found: set[Any] = set()
    stack = list(keys)
    while stack:
        key = stack.pop()
        if key not in found:
            found.add(key)
            stack.extend(_dependencies(graph, key))
    return found


def _dependencies(graph: Graph, key: Any) -> Iterable[Any]:
    node = graph[key]
    if hasattr(node, "dependencies"):
        return node.dependencies  # type: ignore[no-any-return]
    return get_dependencies(graph, key)


def _is_value(node: Any) -> bool:
    """Tell stored data and futures from work to be done."""
    return type(node).__name__ == "DataNode" or not (
        hasattr(node, "dependencies") or isinstance(node, tuple | list | str | dict)
    )


def _value(node: Any) -> Any:
    return node.value if type(node).__name__ == "DataNode" else node
