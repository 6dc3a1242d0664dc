"""The Zarr convention: a group with X, y and optionally sample_weight, offset, groups.

X is an array, or a group of compressed rows (see ``sparse_store``). Columns of text and
other categories lie beside it: ``categories/NAME`` holds a whole number for every row,
-1 where the value is missing, and its attribute ``levels`` says what they stand for.
The group's attribute ``categories`` lists their names in order, ``target`` names y.
Formulas see all of these as the columns of one table (``formula.store``).

The group's attributes are ``feature_names`` and ``classes`` (the labels in order, the
event last). Text labels are stored as whole numbers, and y's attribute ``labels`` says
what they stand for: reading text again in every pass would cost more than reading X.
"""

from __future__ import annotations

import shutil
import time
import uuid
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import zarr
from zarr.codecs import BloscCodec

from dlogreg.errors import DataError
from dlogreg.evaluation import Label
from dlogreg.source.files import NO_OPTIONS
from dlogreg.source.remote import Options, is_url, shown
from dlogreg.source.remote_store import open_remote_group
from dlogreg.source.sparse_store import StoredCSR, is_csr_group
from dlogreg.source.zarr_store import COMPLETE_ATTRIBUTE

CHUNK_BYTES = 12 * 2**20
"""Decoded bytes of a chunk of X: large enough to read fast, small enough that the
memory it is decoded into is used again."""
VECTOR_ROWS = 2**17
"""Rows of a chunk of y: 128 KiB of labels, 1 MiB of weights."""
CATEGORIES = "categories"
WAIT_FOR_WRITERS = (0.05, 0.2, 0.5)
"""Seconds until a folder is looked for again that was removed while it was written."""
FIELDS = ("y", "sample_weight", "offset", "groups")


@dataclass(frozen=True, slots=True, eq=False)
class StoredData:
    """The arrays of a group, not yet read."""

    path: str
    X: zarr.Array[Any] | StoredCSR
    y: zarr.Array[Any] | None
    sample_weight: zarr.Array[Any] | None
    feature_names: tuple[str, ...] | None
    classes: tuple[Label, ...] | None
    labels: tuple[str, ...] | None
    """What the numbers in y stand for, where the labels are text."""
    offset: zarr.Array[Any] | None = None
    groups: zarr.Array[Any] | None = None
    categories: Mapping[str, zarr.Array[Any]] = field(default_factory=dict)
    """Codes of levels, by the names of the columns."""
    target: str = "y"
    """Name of y, in formulas."""

    @property
    def _beside(self) -> tuple[zarr.Array[Any] | None, ...]:
        beside = (self.y, self.sample_weight, self.offset, self.groups)
        return *beside, *self.categories.values()

    @property
    def n_bytes(self) -> int:
        """Decoded bytes of all arrays, which is what one pass reads."""
        arrays = (self.X, *self._beside)
        return sum(int(a.nbytes) for a in arrays if a is not None)

    @property
    def n_bytes_stored(self) -> int:
        """Bytes of all arrays as they are stored."""
        arrays = (self.X, *self._beside)
        return sum(a.nbytes_stored() for a in arrays if a is not None)


def open_data(
    path: str | Path, *, needs_y: bool = True, options: Options = NO_OPTIONS
) -> StoredData:
    """Open a group that follows the convention; nothing is read but its metadata."""
    group, path = open_group(path, options), shown(path)
    wanted = ("X", "y") if needs_y else ("X",)
    found = {name: _array(group, name) for name in ("X", *FIELDS)}
    inside = group.get("X")
    if isinstance(inside, zarr.Group) and is_csr_group(inside):
        found["X"] = StoredCSR.of(inside)
    for name in wanted:
        if found[name] is None:
            raise DataError(f"{path} has no array {name}{_held(group)}")
    y = found["y"]
    return StoredData(
        str(path),
        found["X"],
        y,
        found["sample_weight"],
        _texts(group.attrs.get("feature_names")),
        _tuple(group.attrs.get("classes")),
        None if y is None else _texts(y.attrs.get("labels")),
        found["offset"],
        found["groups"],
        _categories(group, path),
        str(group.attrs.get("target", "y")),
    )


def _categories(group: zarr.Group, path: str) -> dict[str, zarr.Array[Any]]:
    """Return the arrays of codes that a group names, all of which it must have."""
    found = {}
    for name in _texts(group.attrs.get("categories")) or ():
        array = _array(group, f"{CATEGORIES}/{name}")
        if array is None or array.ndim != 1 or "levels" not in array.attrs:
            raise DataError(
                f"{path} names the category {name!r}, but {CATEGORIES}/{name} is no "
                "1-D array with the attribute levels; convert the data again"
            )
        found[name] = array
    return found


def open_group(path: str | Path, options: Options = NO_OPTIONS) -> zarr.Group:
    """Open a Zarr group, here or at an address."""
    if not is_url(path) and options:
        raise ValueError(f"storage_options are for addresses, and {path} is a path")
    if not is_url(path) and not Path(path).exists():
        raise DataError(f"there is no Zarr store at {path}; check the path")
    try:  # absolute, because workers of a cluster may run in another folder
        if is_url(path):
            return open_remote_group(str(path), options)
        return zarr.open_group(str(Path(path).absolute()), mode="r")
    except (FileNotFoundError, ValueError, TypeError) as error:
        if isinstance(error, DataError):
            raise
        message = f"{shown(path)} is not a Zarr group with arrays X and y"
        raise DataError(f"{message}; make one with `dlogreg convert`") from error


def _held(group: zarr.Group) -> str:
    try:
        return "; it holds " + (", ".join(sorted(group.array_keys())) or "no arrays")
    except Exception:  # not every address lists what it has
        return ""


def _array(group: zarr.Group, name: str) -> Any:
    found = group.get(name)
    return found if isinstance(found, zarr.Array) else None


def _tuple(values: Any) -> tuple[Any, ...] | None:
    return tuple(values) if isinstance(values, list) else None


def _texts(values: Any) -> tuple[str, ...] | None:
    found = _tuple(values)
    return None if found is None else tuple(map(str, found))


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
