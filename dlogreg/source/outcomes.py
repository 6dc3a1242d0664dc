"""Several outcomes beside X: a matrix of 0 and 1 with a name for every column."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from typing import Any

import dask.array as da
import numpy as np
from scipy.sparse import issparse

from dlogreg.errors import DataError
from dlogreg.missing import is_missing
from dlogreg.repeated_name import repeated_name
from dlogreg.source.frames import as_pandas, frame_to_numpy

NUMERIC = "outcomes are 0 and 1"


def outcome_names(Y: Any, given: Sequence[str] | None) -> tuple[str, ...]:
    """Return the names of the columns of Y: given, its own, or ``y1, y2, ...``.

    Raises
    ------
    DataError
        If Y has not one column for every outcome, or two of the same name.
    """
    Y = as_pandas(Y)
    _check_kind(Y)
    try:
        shape = tuple(Y.shape) if hasattr(Y, "shape") else np.shape(Y)
    except ValueError as error:
        raise DataError(_ragged(Y)) from error
    if len(shape) != 2:
        raise DataError(
            f"Y must be 2-D, rows by outcomes, but has {len(shape)} dimension(s); a "
            "single outcome goes to dlogreg.fit, labels of which each is to be fitted "
            "against the rest to one_vs_rest="
        )
    own = [str(name) for name in Y.columns] if hasattr(Y, "columns") else None
    names = _given_names(given) if given is not None else own
    if names is None:
        names = [f"y{j + 1}" for j in range(shape[1])]
    if len(names) != shape[1]:
        raise DataError(
            f"there are {len(names)} outcome_names for {shape[1]} columns of Y; give "
            "one for each"
        )
    if not names:
        raise DataError("Y has no columns; give at least one outcome")
    repeated = repeated_name(names)
    if repeated is not None:
        raise DataError(f"outcome name {repeated!r} occurs twice; names must differ")
    return tuple(names)


def _check_kind(Y: Any) -> None:
    """Refuse what is no table of numbers, but might be taken for one."""
    if issparse(Y) or issparse(getattr(Y, "_meta", None)):
        dense = "Y.toarray()"
        if not issparse(Y):
            dense = "Y.map_blocks(lambda block: block.toarray())"
        raise DataError(f"Y is sparse, and outcomes are dense; give {dense}")
    if isinstance(Y, np.ma.MaskedArray):
        raise DataError(
            "Y is a masked array, whose mask would be lost; give Y.filled(np.nan) of "
            "floats, and missing='drop'"
        )
    if isinstance(Y, Mapping):
        raise DataError(
            "Y is a dict; give a table with a column for every outcome, for example "
            "pandas.DataFrame(Y)"
        )


def _ragged(Y: Any) -> str:
    """Name the first row of another length than the first, or what else it may be."""
    counts = [len(row) if hasattr(row, "__len__") else 1 for row in Y]
    others = [i for i, count in enumerate(counts) if count != counts[0]]
    if not others:
        return "Y holds lists in the place of values; give one number for each outcome"
    row = others[0]
    return (
        f"row {row} of Y has {counts[row]} value(s), and row 0 has {counts[0]}; give "
        "every row a value of each outcome, NaN where it is missing"
    )


def _given_names(given: Any) -> list[str]:
    """Return names that were given, which must have an order."""
    unordered = isinstance(given, str | bytes | Mapping | Set)
    if unordered or not np.iterable(given):
        raise ValueError(
            "outcome_names must be a list of names, one for every column of Y, not "
            f"{given!r:.60}"
        )
    names = list(given)
    unnamed = [i for i, name in enumerate(names) if name is None or name == ""]
    if unnamed:
        raise ValueError(
            f"outcome_names has {names[unnamed[0]]!r} for column {unnamed[0]} of Y; "
            "give every outcome a name"
        )
    return list(map(str, names))


def outcome_matrix(Y: Any) -> Any:
    """Return Y as a numpy, Zarr or dask array of numbers, in one column of chunks."""
    Y = as_pandas(Y)
    if hasattr(Y, "columns"):
        _check_types(Y)
        if not hasattr(Y, "map_partitions"):
            return frame_to_numpy(Y)
        meta = np.empty((0, len(Y.columns)))
        Y = Y.map_partitions(_numbers, meta=meta)
    if isinstance(Y, da.Array):
        if Y.dtype.kind not in "fiub":
            raise _not_numbers(Y.dtype)
        return Y.rechunk({1: -1}) if Y.numblocks[1] > 1 else Y
    if hasattr(Y, "chunks"):  # a Zarr array
        if Y.dtype.kind not in "fiub":
            raise _not_numbers(Y.dtype)
        return Y
    array = np.asarray(Y)
    if array.dtype == object:
        try:
            flat = array.ravel()
            flat = np.where(is_missing(flat), np.nan, flat).astype(np.float64)
            array = flat.reshape(array.shape)
        except (TypeError, ValueError) as error:
            raise _not_numbers(array.dtype) from error
    if array.dtype.kind not in "fiub":
        raise _not_numbers(array.dtype)
    return array


def _numbers(frame: Any) -> Any:
    return frame_to_numpy(frame).astype(np.float64, copy=False)


def _check_types(frame: Any) -> None:
    for name, kind in zip(frame.columns, frame.dtypes, strict=True):
        if getattr(kind, "kind", "O") not in "fiub":
            raise DataError(
                f"outcome {str(name)!r} is not numeric (type {kind}), and {NUMERIC}: "
                "give y == label"
            )


def _not_numbers(kind: Any) -> DataError:
    return DataError(
        f"Y has type {kind}, and {NUMERIC}: convert it, for example with "
        "astype(float); labels of one y go to one_vs_rest="
    )
