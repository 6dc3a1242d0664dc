"""Raw tables of every kind, as recipes of blocks of their needed columns."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol, Self

import numpy as np

from dlogreg.errors import DataError
from dlogreg.formula.columns import TableBlock, series_column
from dlogreg.formula.parquet import ParquetTable, open_dataset, open_path
from dlogreg.formula.store import StoreTable, store_columns
from dlogreg.repeated_name import repeated_name
from dlogreg.source.blocks import Array, Bounded, even_bounds
from dlogreg.source.frames import PANDAS_LIKE, as_pandas
from dlogreg.source.graph import Compute, GraphBlocks, graph_blocks
from dlogreg.source.group import StoredData
from dlogreg.source.group import open_data as open_store
from dlogreg.source.kinds import kind_of
from dlogreg.source.remote import Options

KINDS = ("pandas", "dask dataframe")
LoadTable = Callable[[int], TableBlock]
TAKEN = (
    "a pandas or dask dataframe, a table of pyarrow or polars, a pyarrow dataset, or "
    "the path or address of a Zarr group, or of Parquet files (a file, a folder, a "
    'pattern as "flights-*.parquet")'
)


class Table(Protocol):
    """Blocks of consecutive rows of a raw table."""

    @property
    def n_blocks(self) -> int:
        """Number of blocks."""
        ...

    @property
    def row_counts(self) -> tuple[int, ...] | None:
        """Rows of every block; None if only loading them would tell."""
        ...

    @property
    def inputs(self) -> tuple[Any, ...]:
        """Values that travel beside the recipe."""
        ...

    @property
    def largest_bytes(self) -> int:
        """Bytes of the largest block as it is read; 0 if it lies in memory."""
        ...

    def take(self, start: int, stop: int) -> Self:
        """Return the recipe of these blocks alone."""
        ...

    def open(self, inputs: tuple[Any, ...]) -> LoadTable:
        """Return a function that loads block i; called inside the task."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class FrameTable(Bounded):
    """Rows of a pandas dataframe, converted block by block."""

    frame: Any
    bounds: tuple[int, ...]
    first_row: int = 0
    largest_bytes: int = 0

    @property
    def inputs(self) -> tuple[Any, ...]:
        """The dataframe."""
        return (self.frame,)

    def take(self, start: int, stop: int) -> FrameTable:
        """Return these blocks as a view."""
        first, last = self.bounds[start], self.bounds[stop]
        bounds = tuple(b - first for b in self.bounds[start : stop + 1])
        return FrameTable(self.frame.iloc[first:last], bounds, self.first_row + first)

    def open(self, inputs: tuple[Any, ...]) -> LoadTable:
        """Return a function that converts a block."""
        (frame,) = inputs

        def load(i: int) -> TableBlock:
            low, high = self.bounds[i], self.bounds[i + 1]
            block = frame_block(frame.iloc[low:high])
            return replace(block, first_row=self.first_row + low)

        return load

    def __getstate__(self) -> dict[str, Any]:
        """Pickle the recipe alone: the rows are inputs and travel apart."""
        return {"frame": None, "bounds": self.bounds, "first_row": self.first_row}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Restore the recipe."""
        for name, value in {**state, "largest_bytes": 0}.items():
            object.__setattr__(self, name, value)


def frame_block(frame: Any) -> TableBlock:
    """Return a pandas dataframe, all of it, as a block."""
    columns = {name: series_column(frame[name], name) for name in frame.columns}
    return TableBlock(columns, len(frame))


@dataclass(frozen=True, slots=True, eq=False)
class DaskTable:
    """Partitions of a dask dataframe."""

    blocks: GraphBlocks
    largest_bytes: int = 0
    """Not known."""

    @property
    def n_blocks(self) -> int:
        """Number of partitions."""
        return self.blocks.n_blocks

    @property
    def row_counts(self) -> tuple[int, ...] | None:
        """Not known before they are computed."""
        return None

    @property
    def inputs(self) -> tuple[Any, ...]:
        """Values that are there already, and futures."""
        return self.blocks.inputs

    def take(self, start: int, stop: int) -> DaskTable:
        """Return the recipe of these partitions alone."""
        return DaskTable(self.blocks.take(start, stop))

    def open(self, inputs: tuple[Any, ...]) -> LoadTable:
        """Return a function that computes a partition."""
        load_block = self.blocks.open(inputs)

        def load(i: int) -> TableBlock:
            block: TableBlock = load_block(i)["table"][0]
            return replace(block, source=f"partition {self.blocks.blocks[i].number}")

        return load


def _packed(frame: Any) -> Array:
    """Return a partition's block as the one element of an array."""
    packed = np.empty(1, dtype=object)
    packed[0] = frame_block(frame)
    return packed


def table_columns(data: Any) -> tuple[str, ...]:
    """Return the names of the columns of any table."""
    if isinstance(data, ParquetTable):
        return data.names
    if isinstance(data, StoredData):
        return store_columns(data)
    names = [str(name) for name in data.columns]
    repeated = repeated_name(names)
    if repeated is not None:
        raise DataError(
            f"column name {repeated!r} occurs twice in the data; rename or drop one"
        )
    return tuple(names)


def open_data(data: Any, options: Options | None = None) -> Any:
    """Return what was given, files as a table, or refuse what is no table."""
    if isinstance(data, str | Path):
        if is_store(data):
            return open_store(data, needs_y=False, options=options or {})
        return open_path(str(data), options or {})
    if isinstance(data, StoredData):
        return data
    if options:
        raise ValueError("storage_options are for data given by a path or an address")
    root = type(data).__module__.partition(".")[0]
    if root == "pyarrow" and hasattr(data, "get_fragments"):
        return open_dataset(data)
    data = as_pandas(data)
    root = type(data).__module__.partition(".")[0]
    frames = root in PANDAS_LIKE and kind_of(data) in KINDS
    if frames and data.ndim == 2:
        return data
    raise DataError(f"data must be {TAKEN}, not {type(data).__name__}")


def is_store(path: str | Path) -> bool:
    """Tell whether a path or an address is that of a Zarr group."""
    where = str(path).rstrip("/")
    marks = ("zarr.json", ".zgroup")
    return where.endswith(".zarr") or any((Path(path) / n).is_file() for n in marks)


def open_table(data: Any, needed: Sequence[str], compute: Compute) -> Table:
    """Return the needed columns of what ``open_data`` gave, in blocks."""
    if isinstance(data, ParquetTable):
        return data.narrowed(needed)
    if isinstance(data, StoredData):
        return StoreTable.of(data, needed)
    labels = {str(label): label for label in data.columns}
    frame = data[[labels[name] for name in needed]]
    if list(frame.columns) != list(needed):
        frame = frame.rename(columns=str)
    if kind_of(data) == "dask dataframe":
        packed = frame.map_partitions(_packed, meta=np.empty(0, dtype=object))
        return DaskTable(graph_blocks({"table": packed}, compute))
    if not len(frame):
        raise DataError("the data have zero rows; there is nothing to fit")
    return FrameTable(frame, even_bounds(len(frame), 8 * len(needed)))
