"""Rows of a Zarr array: the task opens the store and reads its own chunks."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import zarr

from dlogreg.errors import DataError, MissingChunkWarning
from dlogreg.source.blocks import BLOCK_BYTES, Array, Load

COMPLETE_ATTRIBUTE = "dlogreg_complete"
"""Set by ``dlogreg convert`` on groups in which every chunk is written."""


@dataclass(frozen=True, slots=True)
class ZarrBlocks:
    """Whole chunks (or shards) of a Zarr array; several where they are small."""

    field: str
    array: zarr.Array[Any]
    bounds: tuple[int, ...]

    @classmethod
    def of(cls, field: str, array: zarr.Array[Any]) -> ZarrBlocks:
        """Lay the grid of blocks on the borders of the array's chunks."""
        n_rows = array.shape[0]
        if array.ndim == 1:
            step = array.chunks[0]
        else:
            step = (array.shards or array.chunks)[0]
        row_bytes = array.dtype.itemsize * math.prod(array.shape[1:])
        step *= max(1, BLOCK_BYTES // max(1, step * row_bytes))
        return cls(
            field, array, (*range(0, n_rows, step), n_rows) if n_rows else (0, 0)
        )

    @property
    def fields(self) -> tuple[str, ...]:
        """The one array."""
        return (self.field,)

    @property
    def n_blocks(self) -> int:
        """Number of blocks."""
        return len(self.bounds) - 1

    @property
    def row_counts(self) -> tuple[int, ...]:
        """Rows of every block."""
        return tuple(high - low for low, high in pairwise(self.bounds))

    @property
    def inputs(self) -> tuple[Any, ...]:
        """Nothing: the store is the input."""
        return ()

    def take(self, start: int, stop: int) -> ZarrBlocks:
        """Return the recipe of these blocks alone."""
        return replace(self, bounds=self.bounds[start : stop + 1])

    def open(self, inputs: tuple[Any, ...]) -> Load:
        """Return a function that reads and decodes a block."""

        def load(i: int) -> Mapping[str, Array]:
            low, high = self.bounds[i], self.bounds[i + 1]
            try:
                return {self.field: np.asarray(self.array[low:high])}
            except Exception as error:
                raise DataError(self._unreadable(low, high, error)) from error

        return load

    def _unreadable(self, low: int, high: int, error: Exception) -> str:
        chunks = self.array.shards or self.array.chunks
        names = [
            chunk_name(self.array, (row // chunks[0],) + (0,) * (self.array.ndim - 1))
            for row in (low, high - 1)
        ]
        span = names[0] if names[0] == names[1] else f"{names[0]} to {names[1]}"
        return (
            f"rows {low} to {high - 1} of {self.field} cannot be read: chunk {span} of "
            f"{self.array.store_path} is truncated, corrupt or unreachable "
            f"({type(error).__name__}: {error}); write that chunk again or leave its "
            "rows out"
        )


def chunk_name(array: zarr.Array[Any], position: tuple[int, ...]) -> str:
    """Return the key of a chunk (or shard) within the array."""
    return str(array.metadata.encode_chunk_key(position))


def check_chunks(field: str, array: zarr.Array[Any], *, complete: bool) -> None:
    """Name a chunk that does not exist, which Zarr would read as the fill value.

    An absent chunk is legitimate (Zarr leaves out chunks that hold nothing but the
    fill value), unless the group says that all were written.
    """
    root = getattr(array.store, "root", None)
    if root is None or not Path(root).is_dir():
        return
    grid = array.shards or array.chunks
    counts = tuple(-(-n // c) for n, c in zip(array.shape, grid, strict=True))
    folder = Path(root) / array.path
    missing = [
        name
        for position in np.ndindex(*counts)
        if not (folder / (name := chunk_name(array, position))).exists()
    ]
    if not missing:
        return
    where = f"chunk {missing[0]} (the first of {len(missing)} missing) of {folder}"
    if complete:
        message = f"{where} was deleted: {field} cannot be read; convert the data again"
        raise DataError(message)
    warnings.warn(
        f"{where} does not exist, so {field} is read there as {array.fill_value!r}; "
        "restore the chunk unless these values are meant",
        MissingChunkWarning,
        stacklevel=2,
    )
