"""Work before the first pass: what blocks share is computed, rows are counted."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from functools import partial
from typing import Any

from dask.optimization import cull
from dask.sizeof import sizeof

from dlogreg.partition import Partition
from dlogreg.reduction.parcels import Parcel, Parcels
from dlogreg.reduction.placement import homes
from dlogreg.reduction.reduction import TASKS_PER_THREAD
from dlogreg.reduction.submitting import submitted
from dlogreg.scheduling import active_client, local_scheduler, n_threads
from dlogreg.source.blocks import Blocks
from dlogreg.source.graph import GraphBlocks
from dlogreg.source.sharing import SHARED_BYTES
from dlogreg.waiting import await_workers


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
