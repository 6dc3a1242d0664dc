"""What was read of one block, by its fields, checked -> Rows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from dlogreg.errors import DataError
from dlogreg.held_rows import with_held
from dlogreg.kernel import CSR, Rows
from dlogreg.kernel.outcomes import Outcome
from dlogreg.missing import is_missing
from dlogreg.row_kind import RowKind
from dlogreg.source.blocks import Array
from dlogreg.trials import split_trials

if TYPE_CHECKING:
    from dlogreg.partition.partition import Partition


def of_kind(X: Any, index: int, *, sparse: int) -> Any:
    """Return a block of X in the form that the kernels expect."""
    compressed = isinstance(X, CSR)
    if sparse == RowKind.COMPRESSED and not compressed and X.ndim == 2:
        return CSR.of(X)
    if compressed and not sparse:
        raise DataError(
            f"block {index} of X is sparse, but the dask array says that its blocks "
            "are not; make it say so, with X.map_blocks(scipy.sparse.csr_array, "
            "meta=scipy.sparse.csr_array((0, 0)))"
        )
    return X


def distinct(X: Any) -> Any:
    """Return rows that store no column twice."""
    return CSR.of(X) if isinstance(X, CSR) else X


def block_rows(
    fields: Mapping[str, Array], part: Partition, index: int, start: int | None
) -> Rows:
    """Return the rows of a block of a partition, ``start`` the number of the first.

    Raises
    ------
    DataError
        If its fields do not belong together, or are of kinds that do not fit.
    """
    y = _own_outcome(fields["y"], part.outcome)
    X = fields.get("X", np.empty((len(y), 0)))
    _check_matrix(X, part.n_features, index)
    _check_beside(fields, len(X), index)
    rows = Rows(
        X,
        y,
        _numbers("sample_weight", fields, index),
        index,
        start,
        beside=fields.get("Z"),
        offset=_numbers("offset", fields, index),
        groups=fields.get("groups", fields.get("by")),
        numbers=fields.get("numbers"),
    )
    rows = with_held(rows, fields.get("holdout"), part.held_share)
    trials = fields.get("trials")
    return rows if trials is None else split_trials(rows, trials, shares=part.shares)


def _check_matrix(X: Any, n_features: int, index: int) -> None:
    """Refuse a block of X that is not numbers in the columns that there are."""
    if X.ndim != 2 or X.shape[1] != n_features:
        shape = f"shape {X.shape}, expected {n_features} columns"
        raise DataError(f"block {index} of X has {shape}; check how X was built")
    if X.dtype.kind not in "fiub":
        advice = "convert its columns to numbers, for example with astype(float)"
        raise DataError(f"block {index} of X holds values of type {X.dtype}; {advice}")


def _check_beside(fields: Mapping[str, Any], n_rows: int, index: int) -> None:
    """Refuse fields that do not lie beside the rows of X."""
    for name, values in fields.items():
        if name != "X" and isinstance(values, CSR):
            advice = f"make it dense, with {name}.map_blocks(lambda b: b.toarray())"
            raise DataError(f"block {index} of {name} is sparse; {advice}")
        if len(values) != n_rows:
            raise DataError(
                f"block {index}: X has {n_rows} rows but {name} has {len(values)}; "
                "give arrays of the same chunks, or call compute_chunk_sizes() on both"
            )


def _own_outcome(y: Array, outcome: Outcome | None) -> Array:
    """Return the y of one outcome as 1, 0 and NaN, or y as it is."""
    if outcome is None or not len(y):
        return y
    values = outcome.of(y)
    if y.ndim == 1:
        values[is_missing(y)] = np.nan
    return values


def _numbers(name: str, fields: Mapping[str, Array], index: int) -> Array | None:
    values = fields.get(name)
    if values is None:
        return None
    try:
        return np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        message = f"{name} holds {error} in block {index}"
        if values.dtype == object and any(value is None for value in values.tolist()):
            row = values.tolist().index(None)
            message = f"{name} is missing in row {row} of block {index}"
        what = "weights" if name == "sample_weight" else "offsets"
        raise DataError(f"{message}; {what} must be finite numbers") from error
