"""Which worker of a cluster is sent what, and what travels to all of them.

Tasks are not tied to workers, not even loosely (``allow_other_workers``): one that
loses its worker while there is no other would never run, as dask does not give it to
workers that come later.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np

from dlogreg.kernel import Kernel
from dlogreg.partition import Partition
from dlogreg.source.task_graph import is_future
from dlogreg.waiting import scattered

WIDE_BYTES = 100_000
"""Arrays of a kernel from which it is sent by itself, once for all tasks of a pass."""


def spread(threads: Mapping[str, int], n_partitions: int) -> list[str | None]:
    """Return a worker for what every partition needs: runs of neighbours go together.

    Workers are in the order of their addresses, each by its number of threads.
    """
    slots = [worker for worker in sorted(threads) for _ in range(threads[worker])]
    if not slots:
        return [None] * n_partitions
    return [slots[i * len(slots) // n_partitions] for i in range(n_partitions)]


def homes(
    client: Any, partitions: Sequence[Partition], threads: Mapping[str, int]
) -> list[str | None]:
    """Return a worker for what every partition needs beside the data that lie there.

    That is the one that holds most of them: what lies on two workers lets dask choose,
    and it puts the tasks that wait above the bytes that travel.
    """
    needed = [
        [value for given in part.inputs for value in given if is_future(value)]
        for part in partitions
    ]
    found = spread(threads, len(partitions))
    if any(needed):
        holders = client.who_has([value for values in needed for value in values])
        for i, values in enumerate(needed):
            there = [w for value in values for w in holders.get(value.key, ())]
            places = Counter(worker for worker in there if worker in threads)
            found[i] = max(sorted(places), key=places.__getitem__, default=found[i])
    return found


def sent_apart(kernel: Kernel, client: Any) -> Any:
    """Return a kernel, or its future where it is too wide to go with every task."""
    if array_bytes(kernel) <= WIDE_BYTES:
        return kernel
    (sent,) = scattered([kernel], client)
    return sent


def array_bytes(value: Any) -> int:
    """Return the bytes of the arrays in a tree of dataclasses and sequences."""
    if isinstance(value, np.ndarray):
        return int(value.nbytes)
    if is_dataclass(value) and not isinstance(value, type):
        return sum(array_bytes(getattr(value, field.name)) for field in fields(value))
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        return sum(map(array_bytes, value))
    return 0
