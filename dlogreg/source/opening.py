"""Tells what the user gave and lays out its blocks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import dask.array as da
import numpy as np

from dlogreg.errors import DataError
from dlogreg.source.blocks import (
    ArrayBlocks,
    Blocks,
    MemmapBlocks,
    even_bounds,
    frame_to_numpy,
)
from dlogreg.source.graph import (
    GraphBlocks,
    as_numpy,
    find_shared_work,
    graph_blocks,
    plan_graph,
)
from dlogreg.source.source import Source
from dlogreg.source.zarr_store import COMPLETE_ATTRIBUTE, ZarrBlocks, check_chunks

Compute = Callable[[dict[Any, Any], Sequence[Any]], dict[Any, Any]]
"""Computes keys of a graph once and returns those small enough to keep."""
CountRows = Callable[[Blocks], tuple[int, ...]]
"""Counts the rows of every block, which reads all of them."""


def as_source(
    X: Any,
    y: Any,
    sample_weight: Any = None,
    *,
    feature_names: Sequence[str] | None = None,
    compute: Compute,
    count_rows: CountRows,
) -> Source:
    """Lay out X, y and weights of any supported kind in aligned blocks of rows.

    Parameters
    ----------
    X
        2-D numpy array or memmap, ``zarr.Array``, dask array, or pandas or dask
        dataframe of numeric columns, shape (n_rows, n_features).
    y, sample_weight
        1-D of any of these kinds, chunked in any way.
    feature_names
        Names of the columns; taken from a dataframe, else ``x1, x2, ...``.
    compute, count_rows
        How to run work before the first pass; see ``dlogreg.reduction``.
    """
    kind = kind_of(X)
    names = _names(X, feature_names)
    X = _matrix(X, kind, names)
    fields = {"y": _vector("y", y)}
    if sample_weight is not None:
        fields["sample_weight"] = _vector("sample_weight", sample_weight)
    _check_lengths(X, fields)
    if isinstance(X, da.Array):
        aligned = {k: v for k, v in fields.items() if _aligned(X, v)}
        blocks: Blocks = _graph({"X": X, **aligned}, compute)
    else:
        aligned = {}
        blocks = _blocks("X", X, compute)
    vectors = {k: _blocks(k, v, compute) for k, v in fields.items() if k not in aligned}
    if vectors:
        blocks = _counted(blocks, count_rows)
        vectors = {k: _counted(v, count_rows) for k, v in vectors.items()}
        _check_counts(blocks, vectors)
    dtype = np.dtype(np.float64) if hasattr(X, "iloc") else X.dtype
    in_memory = isinstance(X, np.ndarray) and not isinstance(blocks, MemmapBlocks)
    return Source(blocks, vectors, names, dtype, in_memory, kind)


def kind_of(X: Any) -> str:
    """Return "numpy", "zarr", "dask", "dask dataframe" or "pandas"."""
    root = type(X).__module__.partition(".")[0]
    if root == "zarr" and hasattr(X, "chunks"):
        return "zarr"
    if root == "dask":
        return "dask" if isinstance(X, da.Array) else "dask dataframe"
    if root == "pandas":
        return "pandas"
    return "numpy"


def _names(X: Any, given: Sequence[str] | None) -> tuple[str, ...]:
    shape = getattr(X, "shape", None)
    if shape is None:
        shape = np.shape(X)
    if len(shape) != 2:
        message = f"X must be 2-D, rows by columns, but has {len(shape)} dimension(s)"
        raise DataError(f"{message}; reshape it, for example with X.reshape(-1, 1)")
    own = [str(name) for name in X.columns] if hasattr(X, "columns") else None
    names = list(map(str, given)) if given is not None else own
    if names is None:
        names = [f"x{j + 1}" for j in range(shape[1])]
    if len(names) != shape[1]:
        raise DataError(f"{len(names)} feature_names for {shape[1]} columns of X")
    if not names:
        raise DataError("X has no columns; give at least one")
    repeated = [name for name in dict.fromkeys(names) if names.count(name) > 1]
    if repeated:
        raise DataError(f"column name {repeated[0]!r} occurs twice; names must differ")
    return tuple(names)


def _matrix(X: Any, kind: str, names: tuple[str, ...]) -> Any:
    """Return X as numpy, zarr or dask array, or pandas dataframe, of numbers."""
    if kind in ("pandas", "dask dataframe"):
        _check_columns(X, names)
        if kind == "dask dataframe":
            return _partition_arrays(X, np.empty((0, len(names))))
        return _homogeneous(X)
    if kind == "numpy" and not isinstance(X, np.ndarray):
        X = np.asarray(X)
    if X.dtype.kind not in "fiub":
        raise DataError(
            f"X has type {X.dtype}, dlogreg needs numbers; encode text columns as "
            "indicator (0/1) columns first"
        )
    if kind == "dask" and X.numblocks[1] > 1:
        X = X.rechunk({1: -1})
    return X


def _check_columns(X: Any, names: tuple[str, ...]) -> None:
    text = [
        name
        for name, dtype in zip(names, X.dtypes, strict=True)
        if getattr(dtype, "kind", "O") not in "fiub"
    ]
    if text:
        raise DataError(
            f"column {text[0]!r} is not numeric (type {X.dtypes.iloc[names.index(text[0])]}"
            f"; {len(text)} such column(s)); encode it as indicator (0/1) columns, for "
            "example with pandas.get_dummies, or leave it out"
        )


def _homogeneous(X: Any) -> Any:
    """Return a view of a dataframe whose columns share one numpy type."""
    types = set(X.dtypes)
    if len(types) == 1 and isinstance(next(iter(types)), np.dtype):
        return X.to_numpy()
    return X


def _partition_arrays(frame: Any, meta: np.ndarray[Any, Any]) -> da.Array:
    """Return the partitions of a dask dataframe or series as blocks of an array."""
    array: da.Array = frame.map_partitions(as_numpy, meta=meta)
    return array


def _vector(name: str, values: Any) -> Any:
    """Return a 1-D numpy, zarr or dask array."""
    kind = kind_of(values)
    if kind == "dask dataframe":
        if values.ndim != 1:
            raise DataError(f"{name} must be one column, not a dataframe of several")
        values = _partition_arrays(values, np.empty(0, dtype=object))
    elif kind == "pandas":
        values = frame_to_numpy(values)
    elif kind == "numpy":
        values = np.asanyarray(values)
    if values.ndim != 1:
        shape = tuple(values.shape)
        message = f"{name} must be 1-D, one value per row, but has shape {shape}"
        raise DataError(f"{message}; select the column you mean")
    if name == "sample_weight" and values.dtype.kind not in "fiub":
        raise DataError(f"sample_weight must be numbers, not {values.dtype}")
    return values


def _check_lengths(X: Any, fields: dict[str, Any]) -> None:
    n_rows = X.shape[0]
    for name, values in fields.items():
        length = values.shape[0]
        if not (np.isnan(n_rows) or np.isnan(length)) and n_rows != length:
            raise DataError(f"X has {n_rows} rows but {name} has {length}")
    if n_rows == 0:
        raise DataError("X has zero rows; there is nothing to fit")


def _aligned(X: da.Array, values: Any) -> bool:
    """Tell whether a field can be computed together with the blocks of X."""
    if not isinstance(values, da.Array) or values.numblocks[0] != X.numblocks[0]:
        return False
    pairs = zip(X.chunks[0], values.chunks[0], strict=True)
    return all(np.isnan(a) or np.isnan(b) or a == b for a, b in pairs)


def _blocks(name: str, values: Any, compute: Compute) -> Blocks:
    if isinstance(values, da.Array):
        return _graph({name: values}, compute)
    if kind_of(values) == "zarr":
        check_chunks(name, values, complete=_complete(values))
        return ZarrBlocks.of(name, values)
    row_bytes = int(np.prod(values.shape[1:])) * 8
    bounds = even_bounds(values.shape[0], row_bytes)
    if isinstance(values, np.memmap):
        if isinstance(values.base, np.memmap) or values.filename is None:
            values = values.view(np.ndarray)
        else:
            return MemmapBlocks.of(name, values, bounds)
    return ArrayBlocks(name, values, bounds)


def _complete(values: Any) -> bool:
    return bool(values.attrs.get(COMPLETE_ATTRIBUTE, False))


def _graph(arrays: dict[str, da.Array], compute: Compute) -> GraphBlocks:
    graph, outputs = plan_graph(arrays)
    work = find_shared_work(graph, outputs)
    return graph_blocks(arrays, graph, outputs, compute(work.graph, work.keys))


def _counted(blocks: Blocks, count_rows: CountRows) -> Blocks:
    if blocks.row_counts is not None or not isinstance(blocks, GraphBlocks):
        return blocks
    return blocks.with_row_counts(count_rows(blocks))


def _check_counts(blocks: Blocks, vectors: dict[str, Blocks]) -> None:
    n_rows = sum(blocks.row_counts or ())
    for name, vector in vectors.items():
        length = sum(vector.row_counts or ())
        if length != n_rows:
            raise DataError(f"X has {n_rows} rows but {name} has {length}")


def label_source(
    y: Any, sample_weight: Any, *, compute: Compute, count_rows: CountRows
) -> Source:
    """Lay out y and weights alone; X has no columns."""
    fields = {"y": _vector("y", y)}
    if sample_weight is not None:
        fields["sample_weight"] = _vector("sample_weight", sample_weight)
    blocks = _counted(_blocks("y", fields.pop("y"), compute), count_rows)
    vectors = {
        k: _counted(_blocks(k, v, compute), count_rows) for k, v in fields.items()
    }
    _check_counts(blocks, vectors)
    in_memory = isinstance(blocks, ArrayBlocks)
    return Source(blocks, vectors, (), np.dtype(np.float64), in_memory, kind_of(y))
