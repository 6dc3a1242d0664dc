"""Test doubles that count how often blocks are read.

They live in a module that can be imported, so that they are pickled by name and the
counts are those of the process that reads.
"""

from __future__ import annotations

import threading
from collections import Counter

import dask.array as da
import numpy as np
import pandas as pd
from zarr.storage import WrapperStore

READS: Counter = Counter()
_lock = threading.Lock()


def note(name, index):
    with _lock:
        READS[name, index] += 1


def reads(name):
    """Return how often each block of this name was read, in the order of blocks."""
    found = {index: n for (owner, index), n in READS.items() if owner == name}
    return [found[index] for index in sorted(found)]


def forget(*names):
    """Start counting anew."""
    with _lock:
        for key in [key for key in READS if key[0] in names]:
            del READS[key]


def _load(values, name, block_info=None):
    note(name, block_info[0]["chunk-location"][0])
    return values


def counted_array(name, values, chunks):
    """Return a dask array whose blocks of rows are counted when they are computed."""
    forget(name)
    source = da.from_array(values, chunks=(chunks, *values.shape[1:]))
    meta = np.empty((0,) * values.ndim, dtype=values.dtype)
    return source.map_blocks(_load, name, dtype=values.dtype, meta=meta)


class CountedPartition:
    """Loads a partition of a dataframe, counted."""

    def __init__(self, name, frame, n_partitions):
        forget(name)
        self.name, self.frame = name, frame
        self.bounds = np.linspace(0, len(frame), n_partitions + 1).astype(int)

    def __call__(self, index):
        note(self.name, index)
        return self.frame.iloc[self.bounds[index] : self.bounds[index + 1]]

    def __dask_tokenize__(self):
        return (self.name, len(self.frame), tuple(self.bounds))


def lines_of(index, n_rows):
    return pd.DataFrame({"a": np.arange(n_rows) + index * n_rows})


class CountingStore(WrapperStore):
    """A Zarr store that counts the chunks that are fetched from it."""

    name = "store"

    async def get(self, key, prototype, byte_range=None):
        if not key.endswith(("zarr.json", ".zarray", ".zattrs", ".zgroup")):
            note(self.name, key)
        return await super().get(key, prototype, byte_range)
