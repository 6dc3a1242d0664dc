"""Predictions of by-group models: every row by the model of its group."""

from __future__ import annotations

from collections.abc import Mapping, Set
from functools import partial
from typing import TYPE_CHECKING, Any

import dask.array as da
import numpy as np
import numpy.typing as npt

from dlogreg.errors import DataError
from dlogreg.evaluation import FloatArray
from dlogreg.formula.encoding import offset_of
from dlogreg.formula.expression import parse_expression
from dlogreg.formula.raw import design_pieces, raw_columns
from dlogreg.grouped.group_table import GroupTable, RowName
from dlogreg.offsets import check_offset_given, offset_rows
from dlogreg.prediction import LogitModel, model_columns
from dlogreg.prediction.rows import probability_rows
from dlogreg.source.frames import as_pandas, check_indexes, frame_to_numpy, series_array
from dlogreg.source.kinds import kind_of
from dlogreg.source.opening import listed

if TYPE_CHECKING:
    from dlogreg.grouped.results import GroupedResults


def predict(results: GroupedResults, X: Any, by: Any, offset: Any) -> Any:
    """Return probabilities; see ``GroupedResults.predict``."""
    recipe = results.recipe
    if recipe is None or recipe.offset is None:
        check_offset_given(results, offset, "predict()")
    given, X = X, as_pandas(X)
    by = _groups_of(results, X, by)
    table, kind = GroupTable.of(results), kind_of(X)
    d = len(results.feature_names)
    outline = LogitModel(
        0.0, np.zeros(d), results.feature_names, np.array(results.classes), recipe
    )
    raw = raw_columns(X, kind, outline)
    if raw is None and kind == "zarr":
        X, kind = da.from_zarr(X), "dask"
    X = model_columns(X, outline) if raw is None else raw
    block: Any = partial(_predict_rows if raw is None else _predict_raw, table)
    if kind == "dask dataframe":
        beside = [_series(X, v, n) for n, v in _given(by, offset)]
        each = partial(_predict_partition, block)
        return X.map_partitions(each, *beside, align_dataframes=False, meta=np.empty(0))
    if kind == "dask":
        return _over_chunks(X, block, by, offset)
    if kind == "zarr csr":
        raise DataError(
            "groups are predicted from data in memory and from dask; give the stored "
            "rows as a dask array of CSR blocks"
        )
    if hasattr(given, "iloc"):
        check_indexes(X, dict(_given(by, offset)))
    return block(X, *(values for _, values in _given(by, offset)))


def _groups_of(results: GroupedResults, X: Any, by: Any) -> Any:
    """Return the labels of the groups, from the column of the fit if none are given."""
    if by is not None:
        return by
    named = results.by is not None and results.by in getattr(X, "columns", ())
    if not named:
        raise ValueError(
            "predict() needs by=, the group of every row"
            + (f", or X with the column {results.by!r}" if results.by else "")
        )
    return X[results.by]


def _given(by: Any, offset: Any) -> list[tuple[str, Any]]:
    return [("by", by), *([] if offset is None else [("offset", offset)])]


def _labels(values: Any, n_rows: int) -> npt.NDArray[Any]:
    if isinstance(values, Mapping | Set):
        raise DataError(
            f"by is a {type(values).__name__}; give a list or an array of labels, in "
            "the order of the rows of X"
        )
    values = as_pandas(values)
    labels = frame_to_numpy(values) if hasattr(values, "iloc") else listed("by", values)
    if labels.ndim != 1 or len(labels) != n_rows:
        raise DataError(
            f"X has {n_rows} rows but by has shape {labels.shape}; give one label per "
            "row"
        )
    return labels


def _of_data(row: int) -> str:
    return f"row {row}"


def _of_frame(X: Any) -> RowName:
    """Return what names the rows of a partition of a dask dataframe, by its index."""
    return lambda row: f"the row of index {X.index[row : row + 1].tolist()[0]!r}"


def _of_chunk(start: npt.NDArray[np.int64]) -> RowName:
    """Return what names the rows of a chunk.

    ``start`` has its number, and that of its first row, -1 if it is not known.
    """
    chunk, first = start.ravel().tolist()
    if first < 0:
        return lambda row: f"row {row} of chunk {chunk}"
    return lambda row: f"row {first + row}"


def _predict_partition(
    block: Any, frame: Any, by: Any, offset: Any = None
) -> FloatArray:
    """Predict one partition of a dask dataframe."""
    found: FloatArray = block(frame, by, offset, row_name=_of_frame(frame))
    return found


def _predict_chunk(
    block: Any, X: Any, start: npt.NDArray[np.int64], by: Any, offset: Any = None
) -> FloatArray:
    """Predict one chunk of a dask array."""
    found: FloatArray = block(X, by, offset, row_name=_of_chunk(start))
    return found


def _predict_rows(
    table: GroupTable,
    X: Any,
    by: Any,
    offset: Any = None,
    *,
    row_name: RowName = _of_data,
) -> FloatArray:
    """Predict one block of rows of the design."""
    n_rows = X.shape[0]
    eta = table.predictor(X, table.places(_labels(by, n_rows), row_name))
    if offset is not None:
        eta += offset_rows(offset, n_rows)
    return probability_rows(eta)


def _predict_raw(
    table: GroupTable,
    frame: Any,
    by: Any,
    offset: Any = None,
    *,
    row_name: RowName = _of_data,
) -> FloatArray:
    """Predict a raw dataframe; incomplete rows become NaN."""
    assert table.recipe is not None
    places = table.places(_labels(by, len(frame)), row_name)
    eta, own = np.full(len(frame), np.nan), table.recipe.offset
    for rows, block, X in design_pieces(table.recipe, frame):
        eta[rows] = table.predictor(X, places[rows])
        if offset is None and own is not None:
            eta[rows] += offset_of(parse_expression(own), block)
    if offset is not None:
        eta += offset_rows(offset, len(eta))
    return probability_rows(eta)


def _series(X: Any, values: Any, what: str) -> Any:
    """Return a series that has the partitions of a dask dataframe."""
    alike = kind_of(values) == "dask dataframe" and values.ndim == 1
    if not alike or values.npartitions != X.npartitions:
        raise DataError(
            f"{what} of a dask dataframe must be a column of as many partitions, for "
            f"example {what}=frame[{what!r}]"
        )
    return values


def _over_chunks(X: da.Array, block: Any, by: Any, offset: Any) -> da.Array:
    """Predict from a dask array, chunk by chunk."""
    X = X.rechunk({1: -1})
    beside = [_beside(values, X, what) for what, values in _given(by, offset)]
    arrays = [part for values in beside for part in (values, "i")]
    result: da.Array = da.blockwise(
        partial(_predict_chunk, block),
        "i",
        X,
        "ij",
        _starts(X),
        "ik",
        *arrays,
        align_arrays=False,
        concatenate=True,
        dtype=np.float64,
        meta=np.empty(0),
        token="predict",
    )
    return result


def _starts(X: da.Array) -> da.Array:
    """Return the number of every chunk, and of its first row, -1 if not known."""
    counts = np.array(X.chunks[0], dtype=float)
    firsts = np.concatenate([[0.0], np.cumsum(counts)[:-1]])
    starts = np.where(np.isnan(firsts), -1, firsts).astype(np.int64)
    both = np.column_stack([np.arange(len(starts)), starts])
    return da.from_array(both, chunks=(1, 2))


def _beside(values: Any, X: da.Array, what: str) -> da.Array:
    """Return labels or offsets as a dask array with the chunks of X."""
    values, chunks = as_pandas(values), X.chunks[0]
    unknown = bool(np.isnan(np.array(chunks, dtype=float)).any())
    kind = kind_of(values)
    if kind == "dask dataframe":
        values = series_array(values)
    elif kind == "zarr":
        values = da.from_zarr(values)
    elif kind != "dask":
        values = frame_to_numpy(values) if kind == "pandas" else np.asarray(values)
        values = da.from_array(values)
    if unknown or np.isnan(values.shape[0]):
        if len(values.chunks[0]) != len(chunks):
            raise DataError(
                f"the chunks of X or {what} have unknown lengths, so that they cannot "
                "be laid side by side; call compute_chunk_sizes() on both"
            )
        return values
    if values.shape != (X.shape[0],):
        raise DataError(
            f"X has {X.shape[0]} rows but {what} has shape {values.shape}; give one "
            "value per row"
        )
    return values.rechunk((chunks,))
