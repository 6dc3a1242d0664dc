"""Offsets of rows that are predicted, laid beside X whatever both are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import dask.array as da
import numpy as np

from dlogreg.errors import DataError
from dlogreg.evaluation import FloatArray
from dlogreg.source.frames import check_indexes, frame_to_numpy, series_array
from dlogreg.source.kinds import kind_of

if TYPE_CHECKING:
    from dlogreg.grouped.results import GroupedResults
    from dlogreg.results.fitted import FittedModel

COUNT_ROWS = (
    "the chunks of X have unknown lengths, so that the offset cannot be laid beside "
    "them; call compute_chunk_sizes() on X, or give an offset with the same chunks"
)


def check_offset_given(
    results: FittedModel | GroupedResults, offset: Any, what: str
) -> None:
    """Refuse to do without the offset that a fit had.

    Raises
    ------
    ValueError
        With what to do.
    """
    if results.has_offset and offset is None:
        raise ValueError(
            f"{what} needs an offset, because the model was fitted with one; give "
            "offset=, one value per row (zeros for rows without)"
        )


def offset_rows(offset: Any, n_rows: int) -> FloatArray:
    """Return the offsets of one block of rows as numbers, shape (n_rows,)."""
    values = frame_to_numpy(offset) if hasattr(offset, "iloc") else np.asarray(offset)
    if values.ndim != 1 or len(values) != n_rows:
        raise DataError(
            f"X has {n_rows} rows but offset has shape {values.shape}; give one value "
            "per row"
        )
    try:
        return values.astype(np.float64)
    except (TypeError, ValueError) as error:
        raise DataError(f"offset holds {error}; give numbers") from error


def offset_in_memory(X: Any, offset: Any) -> FloatArray:
    """Return the offsets of rows in memory."""
    if hasattr(X, "iloc"):
        check_indexes(X, {"offset": offset})
    return offset_rows(offset, len(X))


def offset_of_frame(X: Any, offset: Any) -> Any:
    """Return a series that has the partitions of a dask dataframe."""
    alike = kind_of(offset) == "dask dataframe" and offset.ndim == 1
    if not alike or offset.npartitions != X.npartitions:
        raise DataError(
            "the offset of a dask dataframe must be a column of as many partitions, "
            "for example offset=frame['offset']"
        )
    return offset


def offset_of_chunks(offset: Any, chunks: tuple[Any, ...]) -> da.Array:
    """Return the offsets as a dask array with these chunks of rows."""
    unknown = bool(np.isnan(np.array(chunks, dtype=float)).any())
    kind = kind_of(offset)
    if kind == "dask dataframe":
        offset = series_array(offset)
    elif kind == "zarr":
        offset = da.from_zarr(offset)
    elif kind != "dask":
        values = frame_to_numpy(offset) if kind == "pandas" else np.asarray(offset)
        n_rows = len(values) if unknown else int(sum(chunks))
        offset = da.from_array(offset_rows(values, n_rows))
    if offset.ndim != 1:
        raise DataError(f"offset must be 1-D, but has {offset.ndim} dimension(s)")
    if unknown or np.isnan(offset.shape[0]):
        lazy = kind in ("dask", "dask dataframe")
        if not lazy or len(offset.chunks[0]) != len(chunks):
            raise DataError(COUNT_ROWS)
        return offset
    if offset.shape[0] != sum(chunks):
        raise DataError(
            f"X has {sum(chunks)} rows but offset has {offset.shape[0]}; give one "
            "value per row"
        )
    return offset.rechunk((chunks,))
