"""Compressed rows in a Zarr group: the task opens it and reads its own rows.

The group holds ``indptr``, ``indices`` and ``data`` as scipy's CSR has them, and the
attribute ``shape``, as anndata writes a ``csr_matrix``. A block of rows reads its part
of ``indptr``, which says where its part of the other two lies; a chunk on the border of
two blocks is decoded once, since a task reads its blocks in their order.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import zarr
from zarr.storage import MemoryStore

from dlogreg.errors import DataError
from dlogreg.kernel import CSR
from dlogreg.source.blocks import BLOCK_BYTES, Bounded, Load
from dlogreg.source.chunk_files import ChunkFiles
from dlogreg.source.frames import Array
from dlogreg.source.zarr_store import check_visible, checked, open_member, unreadable

PARTS = ("indptr", "indices", "data")
ENCODING = "csr_matrix"
LARGEST_BLOCK = 2**17
"""Rows of a block at most, however few values they store."""


def is_csr_group(group: Any) -> bool:
    """Tell whether a Zarr group holds compressed rows, or says so."""
    named = group.attrs.get("encoding-type") in (ENCODING, "csc_matrix")
    return named or all(isinstance(group.get(name), zarr.Array) for name in PARTS)


def _shape(shape: Any, where: str) -> tuple[int, int]:
    """Return numbers of rows and columns from the attribute of a group."""
    if not isinstance(shape, list | tuple) or len(shape) != 2:
        raise DataError(f"{where} lacks the attribute shape; set it to [rows, columns]")
    whole = all(isinstance(n, int | np.integer) and 0 <= n < 2**63 for n in shape)
    if not whole:
        raise DataError(
            f"the attribute shape of {where} must be two whole numbers, not "
            f"{str(shape)[:80]}"
        )
    return int(shape[0]), int(shape[1])


@dataclass(frozen=True, slots=True, eq=False)
class StoredCSR:
    """A Zarr group of compressed rows, not yet read; it looks like their matrix."""

    group: zarr.Group
    shape: tuple[int, int]
    arrays: tuple[zarr.Array[Any], ...]
    """``indptr``, ``indices`` and ``data``."""

    @classmethod
    def of(cls, group: zarr.Group) -> StoredCSR:
        """Check what the metadata say; nothing else is read."""
        where = str(group.store_path)
        encoding = group.attrs.get("encoding-type", ENCODING)
        if encoding != ENCODING:
            raise DataError(
                f"{where} is stored as {encoding!r}, by columns; store its rows, for "
                f"example X.tocsr(), as {ENCODING!r}"
            )
        parts = {name: open_member(group, name) for name in PARTS}
        for name, part in parts.items():
            if not isinstance(part, zarr.Array) or part.ndim != 1:
                raise DataError(
                    f"{where} has no 1-D array {name}; compressed rows are stored as "
                    f"{', '.join(PARTS)}, and the attribute shape"
                )
        indptr, indices, data = arrays = tuple(parts[name] for name in PARTS)
        n_rows, n_columns = _shape(group.attrs.get("shape"), where)
        if indptr.shape[0] != n_rows + 1 or indices.shape != data.shape:
            raise DataError(
                f"{where} is not {n_rows} compressed rows: indptr has "
                f"{indptr.shape[0]} values, indices {indices.shape[0]} and data "
                f"{data.shape[0]}; write it again"
            )
        if indptr.dtype.kind not in "iu" or indices.dtype.kind not in "iu":
            raise DataError(f"indptr and indices of {where} must be whole numbers")
        return cls(group, (n_rows, n_columns), arrays)

    @property
    def ndim(self) -> int:
        """Two."""
        return 2

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the values."""
        return np.dtype(self.arrays[2].dtype)

    @property
    def stored_values(self) -> float:
        """Mean number of stored values in a row."""
        return int(self.arrays[2].shape[0]) / max(1, self.shape[0])

    @property
    def nbytes(self) -> int:
        """Decoded bytes."""
        return sum(int(array.nbytes) for array in self.arrays)

    def nbytes_stored(self) -> int:
        """Return the bytes as they are stored."""
        return sum(array.nbytes_stored() for array in self.arrays)

    def blocks(self) -> SparseStoreBlocks:
        """Lay blocks of about BLOCK_BYTES, or of a chunk where that is more."""
        n_rows = self.shape[0]
        parts = zip(PARTS, self.arrays, strict=True)
        arrays = tuple(checked(name, array) for name, array in parts)
        row_bytes = max(1, self.nbytes // max(1, n_rows))
        chunk = (self.arrays[2].shards or self.arrays[2].chunks)[0]
        step = max(BLOCK_BYTES // row_bytes, int(chunk / max(1.0, self.stored_values)))
        step = int(np.clip(step, 256, LARGEST_BLOCK))
        bounds = (*range(0, n_rows, step), n_rows) if n_rows else (0, 0)
        if isinstance(self.group.store, MemoryStore):
            return SparseStoreBlocks(None, self.shape[1], bounds, arrays)
        return SparseStoreBlocks(arrays, self.shape[1], bounds)


@dataclass(frozen=True, slots=True)
class SparseStoreBlocks(Bounded):
    """Consecutive rows of a Zarr group of compressed rows."""

    arrays: tuple[zarr.Array[Any], ...] | None
    """``indptr``, ``indices`` and ``data``; None where the store lies in this process's
    memory, and they travel as inputs."""
    n_columns: int
    bounds: tuple[int, ...]
    inputs: tuple[Any, ...] = ()
    """The arrays, if their store lies in memory; else nothing: the store is the input.
    """

    @property
    def fields(self) -> tuple[str, ...]:
        """The one matrix."""
        return ("X",)

    def take(self, start: int, stop: int) -> SparseStoreBlocks:
        """Return the recipe of these blocks alone."""
        return replace(self, bounds=self.bounds[start : stop + 1])

    def open(self, inputs: tuple[Any, ...]) -> Load:
        """Return a function that reads a block, valid until it reads the next.

        Call it in the order of blocks. A column may occur twice in a row.
        """
        arrays: Any = inputs if self.arrays is None else self.arrays
        indptr, indices, data = map(Pieces, PARTS, arrays)
        where = str(arrays[0].store_path).removesuffix("/indptr")

        def load(i: int) -> Mapping[str, Any]:
            low, high = self.bounds[i], self.bounds[i + 1]
            borders = indptr.view(low, high + 1).astype(np.int64)
            start, stop = int(borders[0]), int(borders[-1])
            if start < 0 or stop > len(data) or (np.diff(borders) < 0).any():
                raise DataError(
                    f"rows {low} to {high - 1} of {where} are no compressed "
                    "rows: indptr does not rise from 0 to the number of values; write "
                    "the store again"
                )
            values = data.view(start, stop)
            if values.dtype == np.float16:  # which scipy does not know
                values = values.astype(np.float32)
            parts = (borders - start, indices.view(start, stop), values)
            return {"X": CSR.stored(*parts, self.n_columns)}

        return load

    def __getstate__(self) -> dict[str, Any]:
        """Pickle the recipe alone: a store in memory travels apart."""
        names = ("arrays", "n_columns", "bounds")
        return {name: getattr(self, name) for name in names}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Restore the recipe."""
        for name, value in {**state, "inputs": ()}.items():
            object.__setattr__(self, name, value)


@dataclass(slots=True, eq=False)
class Pieces:
    """Reads runs of a 1-D array and keeps the last chunk, where the next run begins."""

    name: str
    array: zarr.Array[Any]
    _files: ChunkFiles | None = None
    _number: int = -1
    _chunk: Array = field(default_factory=lambda: np.empty(0))

    def __post_init__(self) -> None:
        check_visible(self.name, self.array)
        self._files = ChunkFiles.of(self.array)

    def __len__(self) -> int:
        """Return the length of the whole array."""
        return int(self.array.shape[0])

    def read(self, low: int, high: int) -> Array:
        """Return the values from low to before high, as a copy."""
        return self.view(low, high).copy()

    def view(self, low: int, high: int) -> Array:
        """Return the values from low to before high, until the next call."""
        step = (self.array.shards or self.array.chunks)[0]
        number = low // step
        if low < high <= (number + 1) * step:
            return self._read_chunk(number, step)[low - number * step :][: high - low]
        found = np.empty(max(0, high - low), dtype=self.array.dtype)
        for number in range(low // step, -(-high // step)):
            first = number * step
            begin, end = max(low, first), min(high, first + step)
            chunk = self._read_chunk(number, step)
            found[begin - low : end - low] = chunk[begin - first : end - first]
        return found

    def _read_chunk(self, number: int, step: int) -> Array:
        if number == self._number:
            return self._chunk
        self._number = -1  # what fails may have overwritten part of the last one
        first, last = number * step, min((number + 1) * step, len(self))
        try:
            rows = None if self._files is None else self._files.read(first, last)
            self._chunk = np.asarray(self.array[first:last]) if rows is None else rows
        except MemoryError:
            raise
        except Exception as error:
            message = unreadable(self.name, self.array, (first, last), error)
            raise DataError(message) from error
        self._number = number
        return self._chunk
