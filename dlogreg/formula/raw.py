"""Raw dataframes that are put to a fitted model, as designs made piece by piece."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from itertools import pairwise
from typing import Any, Protocol

import dask.array as da
import numpy as np

from dlogreg.errors import DataError
from dlogreg.evaluation import FloatArray
from dlogreg.formula.columns import Index, TableBlock
from dlogreg.formula.encoding import Encoder
from dlogreg.formula.parquet import ParquetTable
from dlogreg.formula.recipe import Recipe
from dlogreg.formula.store import StoreTable, columns_beside
from dlogreg.formula.tables import frame_block, table_columns
from dlogreg.kernel import Mixed, as_dense
from dlogreg.row_kind import RowKind
from dlogreg.source.blocks import even_bounds
from dlogreg.source.frames import as_pandas
from dlogreg.source.group import StoredData
from dlogreg.source.kinds import kind_of

DENSE_ROWS = 1024
"""Rows that are made dense at once."""


class WithRecipe(Protocol):
    """A fitted model, of a formula or not."""

    @property
    def recipe(self) -> Recipe | None:
        """How rows of a raw table become rows of X."""
        ...

    @property
    def feature_names(self) -> Sequence[str]:
        """Names of the columns of X."""
        ...


def raw_columns(X: Any, kind: str, model: WithRecipe) -> Any:
    """Return the columns of a raw table that a recipe needs; None: X is the design."""
    if model.recipe is None or kind not in ("pandas", "dask dataframe"):
        return None
    labels = dict(zip(table_columns(X), X.columns, strict=True))
    needed = model.recipe.columns
    missing = [name for name in needed if name not in labels]
    if not missing:
        X = X[[labels[name] for name in needed]]
        return X if list(X.columns) == list(needed) else X.rename(columns=str)
    if set(model.feature_names) <= labels.keys():
        return None
    raise DataError(_lacking(model.recipe, "X lacks", missing, len(needed)))


def design_pieces(
    recipe: Recipe, frame: Any
) -> Iterator[tuple[Index, TableBlock, FloatArray | Mixed]]:
    """Yield positions, raw values and design of the complete rows, some at a time."""
    encoder = Encoder(recipe)
    for low, high in pairwise(even_bounds(len(frame), encoder.columns.row_bytes)):
        block = replace(frame_block(frame.iloc[low:high]), first_row=low)
        yield _complete(encoder, block, low)


def table_pieces(
    recipe: Recipe, block: TableBlock
) -> Iterator[tuple[Index, TableBlock, FloatArray | Mixed]]:
    """Yield the same of a block of a raw table."""
    encoder = Encoder(recipe)
    for low, high in pairwise(even_bounds(len(block), encoder.columns.row_bytes)):
        yield _complete(encoder, block.take(slice(low, high)), low)


def _complete(
    encoder: Encoder, block: TableBlock, low: int
) -> tuple[Index, TableBlock, FloatArray | Mixed]:
    masks = list(block.missing(tuple(block.columns)).values())
    rows = np.arange(len(block))
    if masks:
        rows = np.flatnonzero(~np.logical_or.reduce(masks))
        block = block.take(rows)
    mixed = encoder.columns.kind == RowKind.MIXED
    return low + rows, block, encoder.mixed(block) if mixed else encoder.design(block)


def open_raw(
    model: WithRecipe, data: Any, more: Sequence[str] = ()
) -> ParquetTable | StoreTable:
    """Return the columns that a model needs of files or of a store, and some more."""
    assert model.recipe is not None
    needed = tuple(dict.fromkeys([*model.recipe.columns, *more]))
    beside = columns_beside(data) if isinstance(data, StoredData) else ()
    have = (*table_columns(data), *beside)
    missing = [name for name in needed if name not in have]
    if missing:
        raise DataError(_lacking(model.recipe, "the data lack", missing, len(needed)))
    if isinstance(data, StoredData):
        return StoreTable.of(data, needed)
    table: ParquetTable = data.narrowed(needed)
    return table


def _lacking(recipe: Recipe, what: str, missing: Sequence[str], n_needed: int) -> str:
    listed = ", ".join(map(repr, missing[:5])) + ", ..." * (len(missing) > 5)
    return (
        f"{what} {len(missing)} of the {n_needed} columns of the formula "
        f"{recipe.formula!r}: {listed}; add them"
    )


def as_design(X: Any, model: WithRecipe) -> Any:
    """Return X, or if it is a raw dataframe its design as a lazy dask array.

    Rows with a missing value are NaN.
    """
    X = as_pandas(X)
    kind = kind_of(X)
    raw = raw_columns(X, kind, model)
    if raw is None:
        return X
    assert model.recipe is not None
    meta = np.empty((0, len(model.feature_names)))
    make = partial(_design, model.recipe)
    if kind == "dask dataframe":
        return raw.map_partitions(make, meta=meta)
    bounds = even_bounds(len(raw), 8 * max(1, meta.shape[1]))
    rows = tuple(high - low for low, high in pairwise(bounds))
    return da.map_blocks(
        partial(_design_of_block, make, raw, bounds),
        chunks=(rows, meta.shape[1:]),
        dtype=meta.dtype,
        meta=meta,
        token="design",
    )


def _design(recipe: Recipe, frame: Any) -> FloatArray:
    X = np.full((len(frame), len(recipe.feature_names)), np.nan)
    for rows, _, design in design_pieces(recipe, frame):
        for low in range(0, len(rows), DENSE_ROWS):
            cut = slice(low, low + DENSE_ROWS)
            X[rows[cut]] = as_dense(design[cut])
    return X


def _design_of_block(
    make: Any,
    frame: Any,
    bounds: Sequence[int],
    block_id: tuple[int, ...] | None = None,
) -> FloatArray:
    assert block_id is not None
    low, high = bounds[block_id[0]], bounds[block_id[0] + 1]
    X: FloatArray = make(frame.iloc[low:high])
    return X
