"""Columns of pandas and dask dataframes as arrays of numbers or labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import dask.array as da
import numpy as np
import numpy.typing as npt

from dlogreg.errors import DataError

Array = npt.NDArray[Any]
PANDAS_LIKE = ("pandas", "dask")
WIDEST = {"i": np.int64, "u": np.uint64, "b": np.bool_}


def as_pandas(given: Any) -> Any:
    """Return a table or column of pyarrow, or a table of polars, as one of pandas.

    Such tables claim to be arrays, which have no names: their columns would go by
    position. Numbers without missing values are not copied. All else stays as it is.
    """
    root = type(given).__module__.partition(".")[0]
    if root == "pyarrow" and hasattr(given, "to_pandas"):
        return given.to_pandas(ignore_metadata=True, split_blocks=True)
    foreign = root not in PANDAS_LIKE and hasattr(given, "columns")
    if foreign and hasattr(given, "__arrow_c_stream__"):
        from pyarrow import table

        return table(given).to_pandas(ignore_metadata=True, split_blocks=True)
    return given


def frame_to_numpy(frame: Any) -> Array:
    """Return a pandas dataframe or series as an array; missing numbers become NaN.

    Labels of an extension type that are missing become None, which is refused later
    with the number of its row.
    """
    if frame.ndim == 2:
        array = frame.to_numpy()
        if array.dtype != object:
            return np.asarray(array)
        return np.asarray(frame.to_numpy(dtype=np.float64, na_value=np.nan))
    if isinstance(frame.dtype, np.dtype):
        return np.asarray(frame.to_numpy())
    if frame.dtype.kind in "iub" and not frame.hasnans:
        return np.asarray(frame.to_numpy(dtype=WIDEST[frame.dtype.kind]))
    if frame.dtype.kind == "f":
        return np.asarray(frame.to_numpy(dtype=np.float64, na_value=np.nan))
    labels = np.array(frame.astype(object), dtype=object)
    labels[np.asarray(frame.isna())] = None
    return labels


def numbers_to_numpy(series: Any) -> Array:
    """Return a pandas series of numbers; missing ones become NaN."""
    if series.dtype.kind in "fiub":
        return np.asarray(series.to_numpy(dtype=np.float64, na_value=np.nan))
    return frame_to_numpy(series)


def check_columns(frame: Any, names: Sequence[str]) -> None:
    """Refuse a dataframe with columns that are not numbers."""
    types = list(frame.dtypes)
    text = [j for j, t in enumerate(types) if getattr(t, "kind", "O") not in "fiub"]
    if text:
        raise DataError(
            f"column {names[text[0]]!r} is not numeric (type {types[text[0]]}; "
            f"{len(text)} such column(s)); encode it as indicator (0/1) columns, for "
            "example with pandas.get_dummies, or leave it out"
        )


def homogeneous(frame: Any) -> Any:
    """Return a view of a dataframe whose columns share one numpy type."""
    types = set(frame.dtypes)
    if len(types) == 1 and isinstance(next(iter(types)), np.dtype):
        return frame.to_numpy()
    return frame


def partition_arrays(frame: Any, series: Sequence[Any]) -> list[da.Array]:
    """Return a dask dataframe and series as arrays that load each partition once.

    All are taken out of a partition by one function, so that dask reads the columns
    of all of them together.
    """
    meta = np.empty(0, dtype=object)
    packed = frame.map_partitions(_pack, *series, align_dataframes=False, meta=meta)
    X = packed.map_blocks(
        _take,
        0,
        new_axis=1,
        chunks=(packed.chunks[0], (len(frame.columns),)),
        dtype=np.float64,
        meta=np.empty((0, len(frame.columns))),
    )
    rest = [
        packed.map_blocks(_take, position, dtype=object, meta=meta)
        for position in range(1, len(series) + 1)
    ]
    return [X, *rest]


def series_array(series: Any) -> da.Array:
    """Return the partitions of a dask series as blocks of an array."""
    meta = np.empty(0, dtype=object)
    array: da.Array = series.map_partitions(frame_to_numpy, meta=meta)
    return array


def _pack(frame: Any, *series: Any) -> tuple[Array, ...]:
    return tuple(map(frame_to_numpy, (frame, *series)))


def _take(packed: tuple[Array, ...], position: int) -> Array:
    return packed[position]


def check_indexes(X: Any, fields: Mapping[str, Any]) -> None:
    """Refuse pandas objects whose rows stand in another order by their indexes."""
    for name, values in fields.items():
        if not hasattr(values, "iloc") or len(values) != len(X):
            continue
        if not X.index.equals(values.index):
            raise DataError(
                f"X and {name} have different indexes, but rows are paired by "
                f"position: align them, for example {name}.loc[X.index], or give "
                f"{name}.to_numpy() if the order is right"
            )
