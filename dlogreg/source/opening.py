"""Tells what the user gave and lays out its blocks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import accumulate
from typing import Any

import dask.array as da
import numpy as np
from dask.delayed import Delayed
from scipy.sparse import issparse

from dlogreg.errors import DataError
from dlogreg.kernel import CSR
from dlogreg.row_kind import RowKind
from dlogreg.source.blocks import ArrayBlocks, Blocks, even_bounds
from dlogreg.source.frames import (
    check_columns,
    check_indexes,
    frame_to_numpy,
    homogeneous,
    numbers_to_numpy,
    partition_arrays,
    series_array,
)
from dlogreg.source.graph import Compute, GraphBlocks, graph_blocks
from dlogreg.source.memmap import MappedFile, MemmapBlocks
from dlogreg.source.source import Source
from dlogreg.source.sparse_store import StoredCSR, is_csr_group
from dlogreg.source.zarr_store import ZarrBlocks, checked

CountRows = Callable[[Blocks], tuple[int, ...] | None]
"""Counts the rows of every block, which reads all of them; a plan does not."""
NUMBERS = ("sample_weight", "offset", "trials")
"""Fields that hold a number for every row."""
NOT_AN_ARRAY = (
    "a dask {} is not an array; make it one, for example with dask.array.from_delayed"
)


def as_source(
    X: Any,
    y: Any,
    sample_weight: Any = None,
    *,
    offset: Any = None,
    groups: Any = None,
    by: Any = None,
    trials: Any = None,
    holdout: Any = None,
    feature_names: Sequence[str] | None = None,
    compute: Compute,
    count_rows: CountRows,
) -> Source:
    """Lay out X, y and what goes with them in aligned blocks of rows.

    Parameters
    ----------
    X
        2-D numpy array or memmap, ``zarr.Array`` or group of compressed rows, scipy
        sparse array or matrix, dask array, of CSR blocks too, or pandas or dask
        dataframe of numeric columns, shape (n_rows, n_features).
    y, sample_weight, offset, groups, by, trials, holdout
        1-D of any of these kinds, chunked in any way.
    feature_names
        Names of the columns; taken from a dataframe, else ``x1, x2, ...``.
    compute, count_rows
        How to run work before the first pass; see ``dlogreg.reduction``.
    """
    kind = kind_of(X)
    if kind == "zarr csr" and not isinstance(X, StoredCSR):
        X = StoredCSR.of(X)
    names = _names(X, feature_names)
    optional = {"sample_weight": sample_weight, "offset": offset}
    optional |= {"groups": groups, "by": by, "trials": trials, "holdout": holdout}
    fields = {"y": y, **{k: v for k, v in optional.items() if v is not None}}
    if kind == "pandas":
        check_indexes(X, fields)
    if kind == "dask dataframe":
        X, fields = _open_frame(X, names, fields)
    else:
        X = _matrix(X, kind, names)
    fields = {name: _vector(name, values) for name, values in fields.items()}
    _check_lengths(X, fields)
    blocks, vectors = _lay_blocks({"X": X, **fields}, compute, count_rows)
    dtype = np.dtype(np.float64) if hasattr(X, "iloc") else X.dtype
    in_memory = isinstance(blocks, ArrayBlocks)
    sparse = isinstance(X, CSR | StoredCSR)
    sparse = sparse or (kind == "dask" and issparse(X._meta))
    stored = X.stored_values if isinstance(X, CSR | StoredCSR) else None
    return Source(
        blocks,
        vectors,
        names,
        dtype,
        in_memory,
        kind,
        sparse=RowKind.COMPRESSED if sparse else RowKind.DENSE,
        stored_values=stored,
    )


def kind_of(X: Any) -> str:
    """Return the kind of X.

    That is "numpy", "zarr", "csr", "zarr csr", "dask", "dask dataframe" or "pandas".
    """
    root = type(X).__module__.partition(".")[0]
    if isinstance(X, Delayed):  # which claims to have any method
        raise DataError(NOT_AN_ARRAY.format(type(X).__name__))
    if issparse(X) or isinstance(X, CSR):
        return "csr"
    if isinstance(X, StoredCSR):
        return "zarr csr"
    if hasattr(X, "tocsr") or hasattr(X, "todense"):
        raise DataError(
            f"{type(X).__name__} is not one of scipy's sparse arrays; convert it, for "
            "example with X.tocsr()"
        )
    if isinstance(X, np.ma.MaskedArray):
        advice = "fill it, for example with X.filled(np.nan), and leave such rows out"
        raise DataError(f"masked arrays are not supported; {advice}")
    if root == "zarr":
        if hasattr(X, "chunks"):
            return "zarr"
        if is_csr_group(X):
            return "zarr csr"
        raise DataError('this is a Zarr group; give one of its arrays, as group["X"]')
    if root == "dask":
        if isinstance(X, da.Array):
            return "dask"
        if hasattr(X, "map_partitions") and hasattr(X, "ndim"):
            return "dask dataframe"
        raise DataError(NOT_AN_ARRAY.format(type(X).__name__))
    if root == "pandas":
        return "pandas"
    return "numpy"


def _shape(X: Any) -> tuple[Any, ...]:
    if hasattr(X, "shape"):
        return tuple(X.shape)
    try:
        return np.shape(X)
    except ValueError as error:
        message = "the rows of X differ in length; give every row the same columns"
        raise DataError(message) from error


def _names(X: Any, given: Sequence[str] | None) -> tuple[str, ...]:
    shape = _shape(X)
    if not shape:
        advice = "give an array, a dataframe or a list of rows"
        raise DataError(f"X must be 2-D, rows by columns, not {X!r:.60}; {advice}")
    if len(shape) != 2:
        message = f"X must be 2-D, rows by columns, but has {len(shape)} dimension(s)"
        raise DataError(f"{message}; reshape it, for example with X.reshape(-1, 1)")
    own = [str(name) for name in X.columns] if hasattr(X, "columns") else None
    names = list(map(str, given)) if given is not None else own
    if names is None:
        names = [f"x{j + 1}" for j in range(shape[1])]
        if names:  # they differ, and counting a million takes memory
            return tuple(names)
    if len(names) != shape[1]:
        raise DataError(f"{len(names)} feature_names for {shape[1]} columns of X")
    if not names:
        raise DataError("X has no columns; give at least one")
    repeated = [name for name, count in Counter(names).items() if count > 1]
    if repeated:
        raise DataError(f"column name {repeated[0]!r} occurs twice; names must differ")
    return tuple(names)


def _open_frame(
    X: Any, names: Sequence[str], fields: Mapping[str, Any]
) -> tuple[da.Array, dict[str, Any]]:
    """Return the partitions of a dask dataframe, and of its series, as arrays.

    A series of as many partitions is loaded with the dataframe; that they are of the
    same lengths is checked as they are read.
    """
    check_columns(X, names)
    beside = [
        name
        for name, values in fields.items()
        if kind_of(values) == "dask dataframe"
        and values.ndim == 1
        and values.npartitions == X.npartitions
    ]
    first, *rest = partition_arrays(X, [fields[name] for name in beside])
    return first, {**fields, **dict(zip(beside, rest, strict=True))}


def _matrix(X: Any, kind: str, names: Sequence[str]) -> Any:
    """Return X as numpy, zarr or dask array, or pandas dataframe, of numbers."""
    if kind == "pandas":
        check_columns(X, names)
        return homogeneous(X)
    if kind == "csr":
        X = CSR.of(X)
    if kind == "numpy" and not isinstance(X, np.ndarray):
        X = np.asarray(X)
    if X.dtype.kind not in "fiub":
        advice = "encode text columns as indicator (0/1) columns first"
        if X.dtype == object:
            advice = f"convert it with X.astype(float), or {advice}"
        raise DataError(f"X has type {X.dtype}, dlogreg needs numbers; {advice}")
    if kind == "dask" and X.numblocks[1] > 1:
        X = X.rechunk({1: -1})
    return X


def _vector(name: str, values: Any) -> Any:
    """Return a 1-D numpy, zarr or dask array."""
    kind = kind_of(values)
    if kind == "dask dataframe":
        if values.ndim != 1:
            raise DataError(f"{name} must be one column, not a dataframe of several")
        values = series_array(values)
    elif kind == "pandas":
        to_numpy = numbers_to_numpy if name in NUMBERS else frame_to_numpy
        values = to_numpy(values) if values.ndim == 1 else values.to_numpy()
    elif kind == "csr":
        advice = f"give one value for every row, as {name}.toarray().ravel()"
        raise DataError(f"{name} is sparse; {advice}")
    elif kind == "numpy":
        values = _listed(values)
    if values.ndim != 1:
        shape = tuple(values.shape)
        message = f"{name} must be 1-D, one value per row, but has shape {shape}"
        raise DataError(f"{message}; select the column you mean")
    if name == "y" and values.dtype.kind == "c":
        raise DataError("y must be labels, not complex numbers; convert it with y.real")
    if name == "holdout" and values.dtype.kind not in "bO":
        advice = "make it so, for example with astype(bool)"
        raise DataError(f"holdout must be True or False, not {values.dtype}; {advice}")
    known = not isinstance(values, da.Array) or values.dtype != object
    if name in NUMBERS and known and values.dtype.kind not in "fiub":
        advice = "convert them with astype(float)"
        raise DataError(f"{name} must be numbers, not {values.dtype}; {advice}")
    return values


def _listed(values: Any) -> Any:
    """Return an array or list of labels; a list with None keeps it."""
    if isinstance(values, np.ndarray):
        return values
    listed = list(values) if hasattr(values, "__iter__") else values
    try:
        array = np.asanyarray(listed)
    except ValueError:
        return np.array(listed, dtype=object)
    if array.dtype.kind in "US" and not all(isinstance(v, str | bytes) for v in listed):
        return np.array(listed, dtype=object)
    return array


def _check_lengths(X: Any, fields: Mapping[str, Any]) -> None:
    n_rows = X.shape[0]
    for name, values in fields.items():
        length = values.shape[0]
        if not (np.isnan(n_rows) or np.isnan(length)) and n_rows != length:
            raise DataError(
                f"X has {n_rows} rows but {name} has {length}; give one value per row"
            )
    if n_rows == 0:
        raise DataError("X has zero rows; there is nothing to fit")


def _lay_blocks(
    arrays: Mapping[str, Any], compute: Compute, count_rows: CountRows
) -> tuple[Blocks, dict[str, Blocks]]:
    """Return the blocks of the first array, and of those that are cut otherwise."""
    name, first = next(iter(arrays.items()))
    together = {name: first}
    if isinstance(first, da.Array):
        together = {k: v for k, v in arrays.items() if _aligned(first, v)}
        blocks: Blocks = graph_blocks(together, compute)
    else:
        blocks = _blocks(name, first, compute)
    apart = {k: v for k, v in arrays.items() if k not in together}
    vectors = {k: _blocks(k, v, compute) for k, v in apart.items()}
    if vectors:
        blocks = _counted(blocks, count_rows)
        vectors = {k: _counted(v, count_rows) for k, v in vectors.items()}
        _check_counts(name, blocks, vectors)
        vectors = {k: _cut_like(v, blocks) for k, v in vectors.items()}
    return blocks, vectors


def _cut_like(vector: Blocks, blocks: Blocks) -> Blocks:
    """Cut an array in memory where the blocks of X are cut; others keep their grid."""
    if isinstance(vector, ArrayBlocks) and blocks.row_counts is not None:
        return replace(vector, bounds=(0, *accumulate(blocks.row_counts)))
    return vector


def _aligned(X: da.Array, values: Any) -> bool:
    """Tell whether a field can be computed together with the blocks of X."""
    if not isinstance(values, da.Array) or values.numblocks[0] != X.numblocks[0]:
        return False
    pairs = zip(X.chunks[0], values.chunks[0], strict=True)
    return all(np.isnan(a) or np.isnan(b) or a == b for a, b in pairs)


def _blocks(name: str, values: Any, compute: Compute) -> Blocks:
    if isinstance(values, da.Array):
        return graph_blocks({name: values}, compute)
    if isinstance(values, StoredCSR):
        return values.blocks()
    if kind_of(values) == "zarr":
        return ZarrBlocks.of(name, checked(name, values))
    row_bytes = int(np.prod(values.shape[1:])) * 8
    if isinstance(values, CSR):
        row_bytes = values.nbytes // len(values)
    bounds = even_bounds(values.shape[0], row_bytes)
    file = MappedFile.of(values)
    if file is not None:
        return MemmapBlocks(name, file, bounds)
    if isinstance(values, np.ndarray):
        values = values.view(np.ndarray)
    return ArrayBlocks(name, values, bounds)


def _counted(blocks: Blocks, count_rows: CountRows) -> Blocks:
    if blocks.row_counts is not None or not isinstance(blocks, GraphBlocks):
        return blocks
    return blocks.with_row_counts(count_rows(blocks))


def _check_counts(name: str, blocks: Blocks, vectors: Mapping[str, Blocks]) -> None:
    n_rows = None if blocks.row_counts is None else sum(blocks.row_counts)
    for other, vector in vectors.items():
        length = None if vector.row_counts is None else sum(vector.row_counts)
        if None not in (n_rows, length) and length != n_rows:
            raise DataError(
                f"{name} has {n_rows} rows but {other} has {length}; give one value "
                "per row"
            )


def label_source(
    y: Any, sample_weight: Any, *, compute: Compute, count_rows: CountRows
) -> Source:
    """Lay out y and weights alone; X has no columns."""
    fields = {"y": _vector("y", y)}
    if sample_weight is not None:
        fields["sample_weight"] = _vector("sample_weight", sample_weight)
    _check_lengths(fields["y"], fields)
    blocks, vectors = _lay_blocks(fields, compute, count_rows)
    in_memory = isinstance(blocks, ArrayBlocks)
    return Source(blocks, vectors, (), np.dtype(np.float64), in_memory, kind_of(y))
