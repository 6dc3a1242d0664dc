"""Writes groups of the Zarr convention: beside their place, and there when finished."""

from __future__ import annotations

import shutil
import time
import uuid
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import zarr
from zarr.codecs import BloscCodec

from dlogreg.errors import DataError
from dlogreg.source.zarr_store import COMPLETE_ATTRIBUTE

CHUNK_BYTES = 12 * 2**20
"""Decoded bytes of a chunk of X: large enough to read fast, small enough that the
memory it is decoded into is used again."""
VECTOR_ROWS = 2**17
"""Rows of a chunk of y: 128 KiB of labels, 1 MiB of weights."""
WAIT_FOR_WRITERS = (0.05, 0.2, 0.5)
"""Seconds until a folder is looked for again that was removed while it was written."""


class GroupWriter:
    """Writes a group batch by batch, beside its place, and moves it there at the end.

    Used as a context manager: after an error or Ctrl-C nothing stays behind.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        overwrite: bool = False,
        chunk_bytes: int = CHUNK_BYTES,
    ) -> None:
        self.path = Path(path)
        self._overwrite, self._chunk_bytes = overwrite, int(chunk_bytes)
        check_target(self.path, overwrite=overwrite)
        self._folder = self.path.parent / f".{self.path.name}.{uuid.uuid4().hex[:8]}"
        self._columns: dict[str, _Column] = {}

    def __enter__(self) -> Self:
        """Make the folder to write into."""
        try:
            self._group = zarr.create_group(str(self._folder))
        except BaseException as error:  # a signal, perhaps
            self.__exit__(type(error), error, error.__traceback__)
            raise
        return self

    def append(self, **batch: npt.NDArray[Any]) -> None:
        """Add rows to the arrays of these names; the first batch decides their type."""
        for name, values in batch.items():
            if name not in self._columns:
                self._columns[name] = _Column(
                    self._group, name, values, self._chunk_rows(name, values)
                )
            self._columns[name].append(values)

    def group(self, name: str) -> zarr.Group:
        """Make a group inside, for arrays whose names begin with its own."""
        return self._group.create_group(name)

    def _chunk_rows(self, name: str, values: npt.NDArray[Any]) -> int:
        if values.ndim == 1:
            inside_X = name.startswith("X/")
            return (
                self._chunk_bytes // values.dtype.itemsize if inside_X else VECTOR_ROWS
            )
        row_bytes = int(values.shape[1]) * values.dtype.itemsize
        return max(1, self._chunk_bytes // max(1, row_bytes))

    def translate(
        self,
        name: str,
        new_name: str,
        values: npt.NDArray[Any],
        attributes: Mapping[str, Any],
    ) -> None:
        """Replace an array of indices by the values they stand for, chunk by chunk."""
        self._rewrite(name, new_name, lambda indices: values[indices])
        self.attributes(new_name).update(attributes)

    def retype(self, name: str, new_name: str, dtype: np.dtype[Any]) -> None:
        """Replace an array by one of another type, chunk by chunk."""
        self._rewrite(name, new_name, lambda values: values.astype(dtype))

    def _rewrite(
        self,
        name: str,
        new_name: str,
        change: Callable[[npt.NDArray[Any]], npt.NDArray[Any]],
    ) -> None:
        self._columns.pop(name).close()
        old = self._group[name]
        assert isinstance(old, zarr.Array)
        for low in range(0, old.shape[0], VECTOR_ROWS):
            self.append(**{new_name: change(np.asarray(old[low : low + VECTOR_ROWS]))})
        del self._group[name]

    def attributes(self, name: str) -> dict[str, Any]:
        """Return the attributes that an array will get."""
        return self._columns[name].attributes

    def commit(self, **attributes: Any) -> None:
        """Write what is left and move the group to its place."""
        for column in self._columns.values():
            column.close()
        self._group.attrs.update(attributes)
        move_into_place(self._folder, self.path, overwrite=self._overwrite)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Remove what was not committed."""
        shutil.rmtree(self._folder, ignore_errors=True)
        if isinstance(error, KeyboardInterrupt):  # Zarr's threads may be writing on
            for pause in WAIT_FOR_WRITERS:
                time.sleep(pause)
                shutil.rmtree(self._folder, ignore_errors=True)


class _Column:
    """An array that grows by whole chunks."""

    def __init__(
        self, group: zarr.Group, name: str, like: npt.NDArray[Any], chunk_rows: int
    ) -> None:
        self._group, self._name = group, name
        self._buffer = np.empty((chunk_rows, *like.shape[1:]), dtype=like.dtype)
        self._filled = 0
        self._array: zarr.Array[Any] | None = None
        self.attributes: dict[str, Any] = {COMPLETE_ATTRIBUTE: True}

    def append(self, values: npt.NDArray[Any]) -> None:
        """Add rows; every full chunk is written."""
        while len(values):
            n_rows = min(len(values), len(self._buffer) - self._filled)
            self._buffer[self._filled : self._filled + n_rows] = values[:n_rows]
            self._filled += n_rows
            values = values[n_rows:]
            if self._filled == len(self._buffer):
                self._write(self._filled)

    def close(self) -> None:
        """Write the last, shorter chunk and the attributes."""
        if self._filled:
            self._write(self._filled)
        if self._array is not None:
            self._array.attrs.update(self.attributes)

    def _write(self, n_rows: int) -> None:
        if self._array is None:  # data of less than one chunk make a smaller chunk
            self._array = self._create(n_rows)
        start = self._array.shape[0]
        self._array.resize((start + n_rows, *self._array.shape[1:]))
        self._array[start : start + n_rows] = self._buffer[:n_rows]
        self._filled = 0

    def _create(self, chunk_rows: int) -> zarr.Array[Any]:
        rest = self._buffer.shape[1:]
        return self._group.create_array(
            self._name,
            shape=(0, *rest),
            chunks=(chunk_rows, *(max(1, length) for length in rest)),
            dtype=self._buffer.dtype,
            compressors=BloscCodec(cname="lz4", shuffle="bitshuffle"),
            config={"write_empty_chunks": True},
        )


def check_target(path: Path, *, overwrite: bool) -> None:
    """Refuse a place that is taken, unless it holds a Zarr store to be overwritten."""
    if not path.parent.is_dir():
        raise DataError(f"there is no folder {path.parent} to write {path.name} into")
    if not path.exists():
        return
    if not overwrite:
        raise DataError(
            f"{path} exists already; choose another name, or overwrite it "
            "(overwrite=True, or --overwrite)"
        )
    if not (path / "zarr.json").is_file():
        raise DataError(
            f"{path} is not a Zarr store, so it will not be overwritten; choose "
            "another name or remove it yourself"
        )


def move_into_place(folder: Path, path: Path, *, overwrite: bool) -> None:
    """Give a finished folder its name; what was there before goes only then."""
    check_target(path, overwrite=overwrite)
    if not path.exists():
        folder.rename(path)
        return
    old = folder.with_name(folder.name + ".old")
    path.rename(old)
    try:
        folder.rename(path)
    except BaseException:
        with suppress(OSError):
            old.rename(path)
        raise
    shutil.rmtree(old)
