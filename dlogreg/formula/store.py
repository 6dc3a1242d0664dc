"""A Zarr group as a table: the columns of X, categories as codes, y and weights."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import zarr

from dlogreg.errors import DataError
from dlogreg.formula.columns import Column, Levels, Numbers, TableBlock
from dlogreg.repeated_name import repeated_name
from dlogreg.source.blocks import Bounded
from dlogreg.source.group import StoredData
from dlogreg.source.sparse_store import Pieces, StoredCSR
from dlogreg.source.zarr_store import ZarrBlocks, checked

BESIDE = ("sample_weight", "offset", "groups")
"""Arrays that are columns, too, but stand for nothing in ``.``."""
ROWS = 2**16
"""Rows of a block where no column of X is needed."""


@dataclass(frozen=True, slots=True, eq=False)
class StoreTable(Bounded):
    """Rows of a group's arrays, in blocks of whole chunks of X."""

    path: str
    positions: Mapping[str, int]
    """Of the needed columns those of X, with their positions in it."""
    X: ZarrBlocks | None
    """None if no column of it is needed."""
    vectors: Mapping[str, zarr.Array[Any]]
    """Of the needed columns the others."""
    bounds: tuple[int, ...]
    inputs: tuple[Any, ...] = field(default=())

    @classmethod
    def of(cls, data: StoredData, needed: Sequence[str]) -> StoreTable:
        """Lay out the needed columns; nothing is read but metadata."""
        names = data.feature_names or ()
        positions = {name: names.index(name) for name in needed if name in names}
        arrays = _vectors(data)
        vectors = {n: checked(n, arrays[n]) for n in needed if n not in positions}
        n_rows = int(data.X.shape[0])
        for name, array in vectors.items():
            if array.shape[0] != n_rows:
                raise DataError(
                    f"{data.path} has {n_rows:,} rows of X and {array.shape[0]:,} of "
                    f"{name!r}; convert the data again"
                )
        if not n_rows:
            raise DataError(f"{data.path} has zero rows; there is nothing to fit")
        blocks = None
        bounds: tuple[int, ...] = (*range(0, n_rows, ROWS), n_rows)
        if positions:
            assert isinstance(data.X, zarr.Array)
            blocks = ZarrBlocks.of("X", checked("X", data.X))
            bounds = blocks.bounds
        return cls(data.path, positions, blocks, vectors, bounds)

    @property
    def largest_bytes(self) -> int:
        """Decoded bytes of the largest block."""
        row = 0 if self.X is None else self.X.row_bytes
        row += 8 * (len(self.vectors) + len(self.positions))
        return row * max(self.row_counts, default=0)

    def take(self, start: int, stop: int) -> StoreTable:
        """Return the recipe of these blocks alone."""
        blocks = None if self.X is None else self.X.take(start, stop)
        return replace(self, X=blocks, bounds=self.bounds[start : stop + 1])

    def open(self, inputs: tuple[Any, ...]) -> Callable[[int], TableBlock]:
        """Return a function that reads a block; call it in the order of blocks."""
        load_X = None if self.X is None else self.X.open(self.X.inputs)
        readers = {name: Pieces(name, array) for name, array in self.vectors.items()}

        def load(i: int) -> TableBlock:
            low, high = self.bounds[i], self.bounds[i + 1]
            columns: dict[str, Column] = {}
            if load_X is not None:
                X = load_X(i)["X"]
                for name, j in self.positions.items():
                    columns[name] = _numbers(X[:, j].copy())
            for name, reader in readers.items():
                columns[name] = _column(reader.read(low, high), self.vectors[name])
            return TableBlock(columns, high - low, self.path, low)

        return load


def store_columns(data: StoredData) -> tuple[str, ...]:
    """Return the names of the columns that ``.`` means, and y."""
    if isinstance(data.X, StoredCSR):
        raise DataError(
            f"{data.path} holds compressed rows, which have no named columns; fit it "
            "without a formula"
        )
    if data.feature_names is None:
        raise DataError(
            f"{data.path} does not say how its columns are called; set its attribute "
            "feature_names, or fit it without a formula"
        )
    names = (*data.feature_names, *data.categories)
    names = names if data.y is None else (data.target, *names)
    repeated = repeated_name(names)
    if repeated is not None:
        raise DataError(f"column name {repeated!r} occurs twice in {data.path}")
    return names


def columns_beside(data: StoredData) -> tuple[str, ...]:
    """Return the names of weights, offsets and groups that the store has."""
    return tuple(name for name in BESIDE if getattr(data, name) is not None)


def _vectors(data: StoredData) -> dict[str, zarr.Array[Any]]:
    beside = {name: getattr(data, name) for name in columns_beside(data)}
    y = {} if data.y is None else {data.target: data.y}
    return {**beside, **data.categories, **y}


def _numbers(values: Any) -> Numbers:
    missing = np.isnan(values) if values.dtype.kind == "f" else None
    some = missing is not None and missing.any()
    return Numbers(values, missing if some else None)


def _column(values: Any, array: zarr.Array[Any]) -> Column:
    """Return codes as the levels that their array names, numbers as they are."""
    levels: Any = array.attrs.get("levels") or array.attrs.get("labels")
    if levels is None:
        if values.dtype.kind not in "fiub":
            found, codes = np.unique(values.astype(str), return_inverse=True)
            return Levels(codes.astype(np.intp), tuple(found.tolist()))
        return _numbers(values)
    codes = values.astype(np.intp)
    if codes.size and not -1 <= codes.min() <= codes.max() < len(levels):
        raise DataError(
            f"{array.store_path} holds {codes.max()} and {codes.min()}, but it names "
            f"{len(levels)} levels; convert the data again"
        )
    return Levels(codes, tuple(levels))
