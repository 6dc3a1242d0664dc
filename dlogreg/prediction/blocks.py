"""Predictions laid over blocks of rows, whatever X is; nothing is computed here.

Every block is read once, in the task that predicts from it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import partial
from typing import Any

import dask.array as da
import numpy as np
from scipy.sparse import issparse

from dlogreg.errors import DataError
from dlogreg.evaluation import FloatArray
from dlogreg.formula.columns import Index, TableBlock
from dlogreg.formula.encoding import offset_of
from dlogreg.formula.expression import parse_expression
from dlogreg.formula.parquet import ParquetTable
from dlogreg.formula.raw import design_pieces, raw_columns, table_pieces
from dlogreg.formula.store import StoreTable
from dlogreg.kernel import CSR, Mixed
from dlogreg.offsets import (
    offset_in_memory,
    offset_of_chunks,
    offset_of_frame,
    offset_rows,
)
from dlogreg.prediction.columns import model_columns, wrong_columns
from dlogreg.prediction.linear_model import LinearModel
from dlogreg.prediction.rows import linear_predictor_rows
from dlogreg.source.frames import Array, as_pandas
from dlogreg.source.kinds import kind_of
from dlogreg.source.sparse_store import SparseStoreBlocks, StoredCSR
from dlogreg.source.zarr_store import ZarrBlocks, checked

Finish = Callable[[FloatArray], Array]
"""Makes the prediction of every row from its linear predictor."""


def predict_blocks(
    X: Any, model: LinearModel, finish: Finish, meta: Array, offset: Any = None
) -> Any:
    """Lay a prediction over the rows of X, whatever X is.

    Parameters
    ----------
    X
        Numpy array or memmap, anything numpy takes for an array, scipy sparse array,
        pandas dataframe, or table of pyarrow or polars: the result is a numpy array.
        Dask array of any chunking, of CSR blocks too, dask dataframe, ``zarr.Array`` or
        group of compressed rows: the result is a dask array with the same chunks of
        rows, and nothing is computed. Columns of a dataframe are found by name; those
        of a raw table are encoded where the model has a recipe.
    model, finish
        Coefficients, and what to make of the linear predictor of every row.
    meta
        An empty array of the type and number of dimensions of the result.
    offset
        Added to the linear predictor of every row; of any kind, for two classes.
    """
    if isinstance(X, ParquetTable | StoreTable):
        return _over_table(X, model, finish, meta)
    X = as_pandas(X)
    kind = kind_of(X)
    block: Callable[..., Array] = partial(_predict_pieces, model, finish)
    raw = raw_columns(X, kind, model)
    if raw is None:
        if offset is None and model.recipe is not None and model.recipe.offset:
            raise DataError(
                f"the model has the offset {model.recipe.offset!r}, which is made of "
                "raw columns; give offset=, or a dataframe of them"
            )
        X = model_columns(X, model)
    else:
        X, block = raw, partial(_predict_raw, model, finish)
    if kind == "dask dataframe":
        beside = () if offset is None else (offset_of_frame(X, offset),)
        return X.map_partitions(block, *beside, align_dataframes=False, meta=meta)
    if kind == "dask":
        return _over_chunks(X, block, meta, offset)
    if kind in ("zarr", "zarr csr"):
        return _over_store(X, block, meta, offset)
    return block(X, None if offset is None else offset_in_memory(X, offset))


def _predict_pieces(
    model: LinearModel, finish: Finish, pieces: Any, offset: Any = None
) -> Array:
    """Predict one block of rows, given whole or as a list of its column chunks."""
    pieces = pieces if isinstance(pieces, list) else [pieces]
    pieces = [
        CSR.of(piece, "a block of X") if issparse(piece) else piece for piece in pieces
    ]
    n_features = sum(piece.shape[1] for piece in pieces)
    if n_features != len(model.slopes):
        raise DataError(wrong_columns(n_features, len(model.slopes)))
    shape = (len(pieces[0]), *model.slopes.shape[1:])
    eta, first = np.full(shape, model.intercept), 0
    for piece in pieces:
        last = first + piece.shape[1]
        eta += linear_predictor_rows(piece, model.slopes[first:last])
        first = last
    if offset is not None:
        eta.T[...] += offset_rows(offset, len(eta))
    return finish(eta)


def _predict_raw(
    model: LinearModel, finish: Finish, frame: Any, offset: Any = None
) -> Array:
    """Predict a raw dataframe some rows at a time; incomplete rows become NaN."""
    assert model.recipe is not None
    pieces = design_pieces(model.recipe, frame)
    return finish(_raw_predictor(model, len(frame), pieces, offset))


def _raw_predictor(
    model: LinearModel,
    n_rows: int,
    pieces: Iterable[tuple[Index, TableBlock, FloatArray | Mixed]],
    offset: Any = None,
) -> FloatArray:
    """Return the linear predictor of raw rows, NaN where they are incomplete."""
    assert model.recipe is not None
    eta = np.full((n_rows, *model.slopes.shape[1:]), np.nan)
    for rows, block, X in pieces:
        eta[rows] = model.intercept + linear_predictor_rows(X, model.slopes)
        if offset is None and model.recipe.offset is not None:
            eta[rows] += offset_of(parse_expression(model.recipe.offset), block)
    if offset is not None:
        eta += offset_rows(offset, len(eta))
    return eta


def _over_table(
    table: ParquetTable | StoreTable, model: LinearModel, finish: Finish, meta: Array
) -> da.Array:
    """Predict from files or a store of raw columns; a task reads a block of them."""
    rows = table.row_counts
    result: da.Array = da.map_blocks(
        partial(_predict_table, table, model, finish),
        chunks=(rows, meta.shape[1:]) if meta.ndim == 2 else (rows,),
        dtype=meta.dtype,
        meta=meta,
        token="predict",
    )
    return result


def _predict_table(
    table: ParquetTable | StoreTable,
    model: LinearModel,
    finish: Finish,
    block_id: tuple[int, ...] | None = None,
) -> Array:
    assert block_id is not None
    assert model.recipe is not None
    block = table.open(table.inputs)(block_id[0])
    pieces = table_pieces(model.recipe, block)
    return finish(_raw_predictor(model, len(block), pieces))


def _over_chunks(
    X: da.Array, block: Callable[..., Array], meta: Array, offset: Any
) -> da.Array:
    """Predict from a dask array; column chunks meet in the task, without a copy."""
    classes = {"k": meta.shape[1]} if meta.ndim == 2 else {}
    beside = () if offset is None else (offset_of_chunks(offset, X.chunks[0]), "i")
    result: da.Array = da.blockwise(
        block,
        "ik" if classes else "i",
        X,
        "ij",
        *beside,
        new_axes=classes,
        concatenate=False,
        dtype=meta.dtype,
        meta=meta,
        token="predict",
    )
    return result


def _over_store(
    array: Any, block: Callable[..., Array], meta: Array, offset: Any
) -> da.Array:
    """Predict from a Zarr array; a task reads one row of its chunks (or shards)."""
    blocks = _stored_blocks(array)
    rows = blocks.row_counts
    beside = () if offset is None else (offset_of_chunks(offset, rows),)
    result: da.Array = da.map_blocks(
        partial(_predict_stored, blocks, block),
        *beside,
        chunks=(rows, meta.shape[1:]) if meta.ndim == 2 else (rows,),
        dtype=meta.dtype,
        meta=meta,
        token="predict",
    )
    return result


def _stored_blocks(array: Any) -> ZarrBlocks | SparseStoreBlocks:
    """Return the chunks of a Zarr array, or blocks of a group of compressed rows."""
    if isinstance(array, StoredCSR):
        blocks = array.blocks()
        return replace(blocks, arrays=blocks.arrays or array.arrays, inputs=())
    array = checked("X", array)
    step, n_rows = (array.shards or array.chunks)[0], array.shape[0]
    bounds = (*range(0, n_rows, step), n_rows) if n_rows else (0, 0)
    return ZarrBlocks("X", array, bounds)


def _predict_stored(
    blocks: ZarrBlocks | SparseStoreBlocks,
    block: Callable[..., Array],
    *offset: Array,
    block_id: tuple[int, ...] | None = None,
) -> Array:
    assert block_id is not None
    return block(blocks.open(())(block_id[0])["X"], *offset)
