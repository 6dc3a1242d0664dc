"""What partitions need on a cluster: sent once, used in every pass.

A recipe of thousands of blocks, and the small values that go with it, are one parcel.
Large values are sent by themselves, so that partitions share them, and what lies on the
cluster already is only referred to.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Any

from dask.sizeof import sizeof

from dlogreg.partition import Partition
from dlogreg.partition.vectors import Vector
from dlogreg.source.blocks import Blocks
from dlogreg.source.graph import GraphBlocks
from dlogreg.source.task_graph import is_future
from dlogreg.waiting import scattered

LARGE_VALUE = 2**20
"""Bytes from which a value is sent by itself."""


class _Place(Enum):
    """Stands in a parcel for a value that comes beside it."""

    BESIDE = "beside"


@dataclass(frozen=True, slots=True, eq=False)
class Parcel:
    """The recipe of a partition, with its small inputs."""

    blocks: Blocks
    vectors: tuple[Vector, ...]
    inputs: tuple[tuple[Any, ...], ...]

    def __sizeof__(self) -> int:
        """Return the bytes that a worker must account for."""
        return 1000 + sum(int(sizeof(v)) for given in self.inputs for v in given)

    def unpack(
        self, partition: Partition, beside: Sequence[Any]
    ) -> tuple[Partition, tuple[tuple[Any, ...], ...]]:
        """Return the partition with its recipe, and all its inputs in order."""
        rest = iter(beside)
        inputs = tuple(
            tuple(next(rest) if value is _Place.BESIDE else value for value in given)
            for given in self.inputs
        )
        whole = replace(partition, blocks=self.blocks, vectors=self.vectors)
        return whole, inputs


@dataclass(eq=False)
class Parcels:
    """What was put on a cluster, by the identity of what it holds."""

    scheduler: str | None = None
    """Identity of the scheduler that knows of it; None before there was one."""
    _sent: dict[int, Any] = field(default_factory=dict)
    _kept: list[Any] = field(default_factory=list)

    def knows(self, partition: Partition) -> bool:
        """Tell whether the recipe of a partition was sent."""
        return id(partition.blocks) in self._sent

    def send(
        self, client: Any, partition: Partition, home: str | None
    ) -> tuple[Partition, Any, list[Any]]:
        """Return a partition without its recipe, the recipe's parcel, and the rest.

        What was not sent before goes to the worker ``home``.
        Where there is nothing to send, the partition is whole and the parcel None.
        """
        inputs = partition.inputs
        heavy = isinstance(partition.blocks, GraphBlocks) or any(inputs)
        heavy = heavy or any(
            isinstance(v.blocks, GraphBlocks) for v in partition.vectors
        )
        if not heavy:
            return partition, None, []
        beside = [v for given in inputs for v in given if _goes_beside(v)]
        packed = tuple(
            tuple(_Place.BESIDE if _goes_beside(v) else v for v in given)
            for given in inputs
        )
        parcel = Parcel(partition.blocks, partition.vectors, packed)
        futures = self._place(
            client, {id(partition.blocks): parcel, **{id(v): v for v in beside}}, home
        )
        self._kept.append(partition.blocks)
        light = replace(partition, blocks=partition.blocks.take(0, 0), vectors=())
        return light, futures[id(partition.blocks)], [futures[id(v)] for v in beside]

    def _place(
        self, client: Any, values: dict[int, Any], home: str | None
    ) -> dict[int, Any]:
        """Return futures of values; the new ones go to the same worker."""
        new = {
            key: value
            for key, value in values.items()
            if key not in self._sent and not is_future(value)
        }
        if new:
            futures = scattered(list(new.values()), client, home)
            self._sent.update(zip(new, futures, strict=True))
            self._kept.extend(new.values())  # an id stands for the value that lives
        return {k: v if is_future(v) else self._sent[k] for k, v in values.items()}


def _goes_beside(value: Any) -> bool:
    return is_future(value) or hasattr(value, "store") or sizeof(value) >= LARGE_VALUE
