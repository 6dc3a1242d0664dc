"""Rows of a Zarr array: the task opens the store and reads its own chunks."""

from __future__ import annotations

import math
import os
import platform
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from zarr.storage import LocalStore, MemoryStore

from dlogreg.errors import DataError, MissingChunkWarning
from dlogreg.source.blocks import BLOCK_BYTES, Array, Bounded, Load
from dlogreg.source.chunk_files import BrokenChunkError, ChunkFiles
from dlogreg.source.remote import is_of_access, reason
from dlogreg.source.remote_store import ChangedError, fsspec_store, stamped
from dlogreg.user_warning import warn_user

COMPLETE_ATTRIBUTE = "dlogreg_complete"
"""Set by ``dlogreg convert`` on groups in which every chunk is written."""


@dataclass(frozen=True, slots=True)
class ZarrBlocks(Bounded):
    """Whole chunks (or shards) of a Zarr array; several where they are small."""

    field: str
    array: zarr.Array[Any] | None
    """None where the store lies in this process's memory and travels as an input."""
    bounds: tuple[int, ...]
    inputs: tuple[Any, ...] = ()
    """The array, if its store lies in memory; else nothing: the store is the input."""

    @classmethod
    def of(cls, field: str, array: zarr.Array[Any]) -> ZarrBlocks:
        """Lay the grid of blocks on the borders of the array's chunks."""
        check_array(field, array)
        n_rows = array.shape[0]
        grid = array.chunks if array.ndim == 1 else array.shards or array.chunks
        step = grid[0]
        row_bytes = array.dtype.itemsize * math.prod(array.shape[1:])
        step *= max(1, BLOCK_BYTES // max(1, step * row_bytes))
        bounds = (*range(0, n_rows, step), n_rows) if n_rows else (0, 0)
        if isinstance(array.store, MemoryStore):
            return cls(field, None, bounds, (array,))
        return cls(field, anywhere(array), bounds)

    @property
    def fields(self) -> tuple[str, ...]:
        """The one array."""
        return (self.field,)

    @property
    def row_bytes(self) -> int:
        """Decoded bytes of a row."""
        array = self.inputs[0] if self.array is None else self.array
        return int(array.dtype.itemsize * math.prod(array.shape[1:]))

    def take(self, start: int, stop: int) -> ZarrBlocks:
        """Return the recipe of these blocks alone."""
        return replace(self, bounds=self.bounds[start : stop + 1])

    def open(self, inputs: tuple[Any, ...]) -> Load:
        """Return a function that reads a block, valid until it reads the next."""
        array = inputs[0] if self.array is None else self.array
        check_visible(self.field, array)
        files = ChunkFiles.of(array)

        def load(i: int) -> Mapping[str, Array]:
            low, high = self.bounds[i], self.bounds[i + 1]
            try:
                rows = None if files is None else files.read(low, high)
                if rows is None:
                    rows = np.asarray(array[low:high])
                return {self.field: rows}
            except MemoryError:
                raise
            except Exception as error:
                message = unreadable(self.field, array, (low, high), error)
                raise DataError(message) from error

        return load

    def __getstate__(self) -> dict[str, Any]:
        """Pickle the recipe alone: a store in memory travels apart."""
        return {"field": self.field, "array": self.array, "bounds": self.bounds}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Restore the recipe."""
        for name, value in {**state, "inputs": ()}.items():
            object.__setattr__(self, name, value)


def anywhere(array: zarr.Array[Any]) -> zarr.Array[Any]:
    """Return the array under an absolute path: workers run in other directories."""
    store = array.store
    if not isinstance(store, LocalStore) or store.root.is_absolute():
        return array
    store = LocalStore(store.root.resolve(), read_only=True)
    return zarr.open_array(store, path=array.path, mode="r")


def open_member(group: zarr.Group, name: str) -> Any:
    """Return an array or group of a group, or None; name metadata that make no sense.

    What zarr raises depends on what it stumbles over, and is anything.
    """
    try:
        member = group.get(name)
        if member is not None and not isinstance(member.metadata.attributes, dict):
            raise TypeError("its attributes are no object")
        if isinstance(member, zarr.Array):
            check_array(name, member)
    except (DataError, MemoryError, ImportError):
        raise
    except Exception as error:
        reason = f"{type(error).__name__}: {str(error)[:200]}".rstrip(": ")
        raise DataError(
            f"the metadata of {name} in {group.store_path} cannot be read ({reason}); "
            "write it again"
        ) from error
    return member


UNSAFE_CODECS = ("pickle",)
"""They run what a file says."""


LARGEST_LENGTH = 2**62
"""Beyond it lengths, and sums of them, are no numbers that arrays can have."""


def check_array(field: str, array: zarr.Array[Any]) -> None:
    """Refuse metadata that no array can have, and chunks that would be run.

    Raises
    ------
    DataError
        If a length is below 0 or beyond any memory, if a chunk has no length, or if
        the codec unpickles.
    """
    metadata: Any = array.metadata
    chunks = (*array.chunks, *(array.shards or ()))
    lengths = [not 0 <= n <= LARGEST_LENGTH for n in array.shape]
    if any(lengths) or any(not 1 <= n <= LARGEST_LENGTH for n in chunks):
        raise DataError(
            f"the metadata of {field} in {array.store_path} name lengths or chunks "
            "that no array can have; write it again"
        )
    named = [*(getattr(metadata, "filters", None) or ())]
    named += [getattr(metadata, "compressor", None), *getattr(metadata, "codecs", ())]
    for codec in named:
        name = str(getattr(codec, "codec_id", "")).lower()
        if name in UNSAFE_CODECS:
            raise DataError(
                f"{field} of {array.store_path} is stored by the codec {name!r}, by "
                "which a file can run any code; write it as numbers or text"
            )


def check_inside(field: str, root: Path, path: str, names: Sequence[str]) -> None:
    """Refuse a local array whose files lie outside of its store, by links.

    ``names`` are those of its chunks, and ``path`` is where it lies below the root.
    """
    store, array = root.resolve(), Path(path)
    above = {str(array), *map(str, array.parents)} - {"."}
    inside = {name.rpartition("/")[0] for name in names} - {""}
    inside |= {str(parent) for name in inside for parent in Path(name).parents} - {"."}
    places = [*sorted(above), *(f"{path}/{name}" for name in (*sorted(inside), *names))]
    for place in places:
        link = f"{root}/{place}"
        if os.path.islink(link) and not Path(link).resolve().is_relative_to(store):
            raise DataError(
                f"{link}, a part of {field}, is a link that leads out of the store, to "
                f"{Path(link).resolve()}; copy the data into the store"
            )


def check_visible(field: str, array: zarr.Array[Any]) -> None:
    """Refuse a store that this machine does not see: Zarr would read fill values."""
    store = array.store
    if isinstance(store, LocalStore) and not (Path(store.root) / array.path).is_dir():
        raise DataError(
            f"{array.store_path}, which holds {field}, does not exist on "
            f"{platform.node()}; give a path that all workers of the cluster share"
        )


def unreadable(
    field: str, array: zarr.Array[Any], rows: tuple[int, int], error: Exception
) -> str:
    """Say which chunk of these rows cannot be read."""
    if isinstance(error, BrokenChunkError):
        name, error = error.name.removeprefix(f"{array.path}/"), error.error
    else:
        name = broken_chunk(array, *rows)
    where = f"chunk {name} of {array.store_path}"
    what = f"rows {rows[0]} to {rows[1] - 1} of {field} cannot be read: {where}"
    if isinstance(error, ChangedError):
        return (
            f"{what} has changed since the fit began, so that its passes would not "
            "see the same rows; fit again when nobody writes to it"
        )
    if fsspec_store(array.store) is not None and is_of_access(error):
        return f"{what} is unreachable ({reason(error)})"
    told = f"{type(error).__name__}: {error}".rstrip(": ")
    return (
        f"{what} is truncated, corrupt or unreachable ({told}); write "
        "that chunk again or leave its rows out"
    )


def broken_chunk(array: zarr.Array[Any], low: int, high: int) -> str:
    """Return the first chunk of these rows that cannot be read by itself."""
    grid = array.shards or array.chunks
    counts = tuple(-(-n // c) for n, c in zip(array.shape, grid, strict=True))
    rows = range(low // grid[0], (high - 1) // grid[0] + 1)
    positions = [(i, *rest) for i in rows for rest in np.ndindex(*counts[1:])]
    for position in positions:
        box = tuple(
            slice(p * g, (p + 1) * g) for p, g in zip(position, grid, strict=True)
        )
        try:
            array[box]
        except Exception:
            return chunk_name(array, position)
    return " to ".join(chunk_name(array, p) for p in (positions[0], positions[-1]))


def chunk_name(array: zarr.Array[Any], position: tuple[int, ...]) -> str:
    """Return the key of a chunk (or shard) within the array."""
    return str(array.metadata.encode_chunk_key(position))


def checked(field: str, array: zarr.Array[Any]) -> zarr.Array[Any]:
    """Return the array, ready to be read anywhere, once all its chunks are there.

    A chunk that does not exist would be read as the fill value. That is legitimate
    (Zarr leaves out chunks that hold nothing else), unless the array says that all were
    written; a warning names the first. Chunks at an address get their stamps, by which
    one that changes or vanishes is noticed.
    """
    check_array(field, array)
    array = anywhere(array)
    if fsspec_store(array.store) is not None:
        array = stamped(array, chunk_names(array))
        held = getattr(array.store, "stamps", {})
        missing = [
            name
            for name in chunk_names(array)
            if f"{array.path}/{name}".lstrip("/") not in held
        ]
    elif isinstance(array.store, LocalStore):
        folder, names = Path(array.store.root) / array.path, list(chunk_names(array))
        if not folder.is_dir():
            return array
        check_inside(field, Path(array.store.root), array.path, names)
        missing = [name for name in names if not (folder / name).exists()]
    else:
        return array
    if missing:
        _tell_missing(field, array, missing)
    return array


def chunk_names(array: zarr.Array[Any]) -> Iterator[str]:
    """Yield the keys of all chunks (or shards) within the array."""
    grid = array.shards or array.chunks
    counts = tuple(-(-n // c) for n, c in zip(array.shape, grid, strict=True))
    return (chunk_name(array, position) for position in np.ndindex(*counts))


def _tell_missing(field: str, array: zarr.Array[Any], missing: Sequence[str]) -> None:
    """Refuse missing chunks of an array that was written completely, or warn."""
    place = str(array.store_path)
    if isinstance(array.store, LocalStore):
        place = str(Path(array.store.root) / array.path)
    where = f"chunk {missing[0]} (the first of {len(missing)} missing) of {place}"
    if array.attrs.get(COMPLETE_ATTRIBUTE, False):
        message = f"{where} was deleted: {field} cannot be read; convert the data again"
        raise DataError(message)
    warn_user(
        f"{where} does not exist, so {field} is read there as {array.fill_value}; "
        "restore the chunk unless these values are meant",
        MissingChunkWarning,
    )
