"""What the user gave, checked as far as can be seen without reading it -> Source."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from typing import Any

import dask.array as da
import numpy as np
from scipy.sparse import issparse

from dlogreg.errors import DataError
from dlogreg.kernel import CSR
from dlogreg.keyed_sums import ends_in_nul
from dlogreg.numbered_names import numbered_names
from dlogreg.repeated_name import repeated_name
from dlogreg.row_kind import RowKind
from dlogreg.source.alignment import CountRows, check_lengths, lay_blocks
from dlogreg.source.blocks import ArrayBlocks
from dlogreg.source.frames import (
    as_pandas,
    check_columns,
    check_indexes,
    frame_to_numpy,
    homogeneous,
    numbers_to_numpy,
    partition_arrays,
    series_array,
)
from dlogreg.source.graph import Compute
from dlogreg.source.kinds import kind_of
from dlogreg.source.outcomes import outcome_matrix
from dlogreg.source.source import Source
from dlogreg.source.sparse_store import StoredCSR

NUMBERS = ("sample_weight", "offset", "trials")
"""Fields that hold a number for every row."""
GROUPS = ("groups", "by")
"""Fields that hold a label of a group for every row."""


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
    several: bool = False,
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
    several
        y has a column for each of several outcomes.
    compute, count_rows
        How to run work before the first pass; see ``dlogreg.reduction``.
    """
    given, X = X, as_pandas(X)
    kind = kind_of(X)
    if kind == "zarr csr" and not isinstance(X, StoredCSR):
        X = StoredCSR.of(X)
    names = _names(X, feature_names)
    optional = {"sample_weight": sample_weight, "offset": offset}
    optional |= {"groups": groups, "by": by, "trials": trials, "holdout": holdout}
    fields = {"y": y, **{k: v for k, v in optional.items() if v is not None}}
    if kind == "pandas" and X is given:
        check_indexes(X, fields)
    if kind == "dask dataframe":
        X, fields = _open_frame(X, names, fields)
    else:
        X = matrix_of_numbers(X, kind, names)
    outcomes = {"y": outcome_matrix(fields.pop("y"))} if several else {}
    fields = outcomes | {name: _vector(name, v) for name, v in fields.items()}
    check_lengths(X, fields)
    blocks, vectors = lay_blocks({"X": X, **fields}, compute, count_rows)
    return Source(
        blocks,
        vectors,
        names,
        np.dtype(np.float64) if hasattr(X, "iloc") else X.dtype,
        isinstance(blocks, ArrayBlocks),
        kind,
        sparse=_row_kind(X, kind),
        stored_values=X.stored_values if isinstance(X, CSR | StoredCSR) else None,
    )


def _row_kind(X: Any, kind: str) -> RowKind:
    compressed = isinstance(X, CSR | StoredCSR)
    compressed = compressed or (kind == "dask" and issparse(X._meta))
    return RowKind.COMPRESSED if compressed else RowKind.DENSE


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
        if shape[1]:
            return numbered_names(shape[1])
        names = []
    if len(names) != shape[1]:
        raise DataError(f"{len(names)} feature_names for {shape[1]} columns of X")
    if not names:
        raise DataError("X has no columns; give at least one")
    repeated = repeated_name(names)
    if repeated is not None:
        raise DataError(f"column name {repeated!r} occurs twice; names must differ")
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


def matrix_of_numbers(X: Any, kind: str, names: Sequence[str]) -> Any:
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
    if isinstance(values, Mapping | Set):
        advice = "give a list or an array, in the order of the rows of X"
        raise DataError(f"{name} is a {type(values).__name__}; {advice}")
    values = _as_array(name, as_pandas(values))
    if values.ndim != 1:
        shape = tuple(values.shape)
        message = f"{name} must be 1-D, one value per row, but has shape {shape}"
        advice = "; dlogreg.fit_many fits several outcomes" if name == "y" else ""
        raise DataError(f"{message}; select the column you mean{advice}")
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


def _as_array(name: str, values: Any) -> Any:
    """Return a numpy, zarr or dask array of any shape."""
    kind = kind_of(values)
    if kind == "dask dataframe":
        if values.ndim != 1:
            raise DataError(f"{name} must be one column, not a dataframe of several")
        return series_array(values)
    if kind == "pandas":
        to_numpy = numbers_to_numpy if name in NUMBERS else frame_to_numpy
        return to_numpy(values) if values.ndim == 1 else values.to_numpy()
    if kind == "csr":
        advice = f"give one value for every row, as {name}.toarray().ravel()"
        raise DataError(f"{name} is sparse; {advice}")
    return listed(name, values) if kind == "numpy" else values


def listed(name: str, values: Any) -> Any:
    """Return an array or list as an array.

    Labels keep None, integers of any size, and what a text ends in; those of groups
    keep their types, to be refused if they are of several.
    """
    if isinstance(values, np.ndarray):
        return values
    items = list(values) if hasattr(values, "__iter__") else values
    try:
        array = np.asanyarray(items)
    except ValueError:
        return np.array(items, dtype=object)
    alike = True
    if array.dtype.kind in "US":
        alike = all(isinstance(v, str | bytes) for v in items)
        alike = alike and not any(map(ends_in_nul, items))
    elif array.dtype.kind == "f" and array.ndim == 1 and len(array) > 0:
        alike = name in NUMBERS or not all(isinstance(v, int) for v in items)
    if name in GROUPS and array.ndim == 1 and array.dtype.kind in "iuf":
        alike = alike and not any(isinstance(v, bool | np.bool_) for v in items)
    return array if alike else np.array(items, dtype=object)


def label_source(
    y: Any, sample_weight: Any, *, compute: Compute, count_rows: CountRows
) -> Source:
    """Lay out y and weights alone; X has no columns."""
    fields = {"y": _vector("y", y)}
    if sample_weight is not None:
        fields["sample_weight"] = _vector("sample_weight", sample_weight)
    check_lengths(fields["y"], fields)
    blocks, vectors = lay_blocks(fields, compute, count_rows)
    in_memory = isinstance(blocks, ArrayBlocks)
    return Source(blocks, vectors, (), np.dtype(np.float64), in_memory, kind_of(y))
