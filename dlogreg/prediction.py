"""Predictions row by row: at once for data in memory, lazily for Dask and Zarr.

What is predicted from one block is plain numpy (``linear_predictor_rows``,
``probability_rows``, ``label_rows``); the rest of this room lays it over blocks and
never computes. Every block is read once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Protocol

import dask.array as da
import numpy as np
import numpy.typing as npt
from scipy.sparse import issparse
from scipy.special import expit, log_expit, logit

from dlogreg.errors import DataError
from dlogreg.evaluation import FloatArray, Label
from dlogreg.formula.columns import Index, TableBlock
from dlogreg.formula.encoding import offset_of
from dlogreg.formula.expression import parse_expression
from dlogreg.formula.parquet import ParquetTable
from dlogreg.formula.raw import design_pieces, raw_columns, table_pieces
from dlogreg.formula.recipe import Recipe
from dlogreg.formula.store import StoreTable
from dlogreg.kernel import CSR, slab_rows
from dlogreg.offsets import (
    offset_in_memory,
    offset_of_chunks,
    offset_of_frame,
    offset_rows,
)
from dlogreg.source.frames import Array, check_columns, frame_to_numpy
from dlogreg.source.opening import kind_of
from dlogreg.source.sparse_store import SparseStoreBlocks, StoredCSR
from dlogreg.source.zarr_store import ZarrBlocks, checked

Finish = Callable[[FloatArray], Array]
"""Makes the prediction of every row from its linear predictor."""


def linear_predictor_rows(X: Any, slopes: FloatArray) -> FloatArray:
    """Return ``X @ slopes`` of a numpy or pandas block, or CSR rows, in float64.

    The shape is (n_rows,), or (n_rows, n_classes) if there is a column of slopes per
    class. It goes slab by slab, so that narrower types are never widened as a whole.
    """
    if isinstance(X, CSR):
        with np.errstate(invalid="ignore", over="ignore"):
            return np.asarray(X.matrix @ slopes, dtype=np.float64)
    eta = np.empty((len(X), *slopes.shape[1:]))
    length = slab_rows(max(1, slopes.size))
    for low in range(0, len(X), length):
        cut = slice(low, low + length)
        slab = frame_to_numpy(X.iloc[cut]) if hasattr(X, "iloc") else X[cut]
        with np.errstate(invalid="ignore", over="ignore"):
            np.matmul(slab.astype(np.float64, copy=False), slopes, out=eta[cut])
    return eta


def probability_rows(eta: FloatArray) -> FloatArray:
    """Return the probability of the event for every linear predictor."""
    return np.asarray(expit(eta))


def class_probability_rows(eta: FloatArray) -> FloatArray:
    """Return the probabilities of both classes, shape (n_rows, 2).

    Each is computed by itself, so that small ones keep all their digits.
    """
    return np.column_stack([expit(-eta), expit(eta)])


def class_log_probability_rows(eta: FloatArray) -> FloatArray:
    """Return their logarithms, finite where the probabilities round to 0."""
    return np.column_stack([log_expit(-eta), log_expit(eta)])


def label_rows(eta: FloatArray, cut: float, labels: Array) -> Array:
    """Return the second label where the linear predictor is above the cut."""
    refuse_missing(np.flatnonzero(np.isnan(eta)))
    return labels[(eta > cut).astype(np.intp)]


def refuse_missing(rows: npt.NDArray[np.intp]) -> None:
    """Refuse to label rows without a linear predictor."""
    if len(rows):
        raise DataError(
            f"row {rows[0]} of a block of X (the first of {len(rows)} such rows) "
            "has no label, because it holds NaN; remove or fill such rows"
        )


def label_array(classes: Sequence[Label]) -> Array:
    """Return labels as an array of their own type; of objects if kinds are mixed."""
    array = np.array(classes)
    if array.tolist() == list(classes):
        return array
    return np.array([*classes, None], dtype=object)[:-1]


@dataclass(frozen=True, slots=True, eq=False)
class LogitModel:
    """What predictions need of a fit: coefficients, names of columns, and labels."""

    intercept: float
    slopes: FloatArray
    """Shape (n_features,); zero for columns that were dropped as aliased."""
    feature_names: tuple[str, ...]
    labels: Array
    """The other label and the event."""
    recipe: Recipe | None = None
    """How rows of a raw table become rows of X."""

    @classmethod
    def of(
        cls,
        coefficients: FloatArray,
        feature_names: tuple[str, ...],
        classes: Sequence[Label],
        *,
        fit_intercept: bool,
        recipe: Recipe | None = None,
    ) -> LogitModel:
        """Take coefficients, intercept first; NaN (a dropped column) counts as 0."""
        filled = np.where(np.isnan(coefficients), 0.0, coefficients)
        first = int(fit_intercept)
        intercept = float(filled[:first].sum())
        slopes, labels = filled[first:], label_array(classes)
        return cls(intercept, slopes, feature_names, labels, recipe)

    def linear_predictor(self, X: Any, offset: Any = None) -> Any:
        """Return offset + intercept + X @ slopes, shape (n_rows,)."""
        return predict_blocks(X, self, np.asarray, np.empty(0), offset)

    def probability(self, X: Any, offset: Any = None) -> Any:
        """Return the probability of the event, shape (n_rows,)."""
        return predict_blocks(X, self, probability_rows, np.empty(0), offset)

    def class_probability(self, X: Any) -> Any:
        """Return the probabilities of both classes, shape (n_rows, 2)."""
        return predict_blocks(X, self, class_probability_rows, np.empty((0, 2)))

    def class_log_probability(self, X: Any) -> Any:
        """Return their logarithms, shape (n_rows, 2)."""
        return predict_blocks(X, self, class_log_probability_rows, np.empty((0, 2)))

    def label(self, X: Any, threshold: float = 0.5, offset: Any = None) -> Any:
        """Return the event where its probability is above the threshold."""
        if not 0 <= threshold <= 1:
            raise ValueError(f"threshold must lie between 0 and 1, not {threshold}")
        finish = partial(label_rows, cut=float(logit(threshold)), labels=self.labels)
        return predict_blocks(X, self, finish, self.labels[:0], offset)


class LinearModel(Protocol):
    """Coefficients, with one column of slopes or one for every class."""

    @property
    def intercept(self) -> float | FloatArray:
        """One number, or one for every class."""
        ...

    @property
    def slopes(self) -> FloatArray:
        """Shape (n_features,) or (n_features, n_classes)."""
        ...

    @property
    def feature_names(self) -> tuple[str, ...]:
        """Names of the columns; empty where they go by position."""
        ...

    @property
    def recipe(self) -> Recipe | None:
        """How rows of a raw table become rows of X."""
        ...


def predict_blocks(
    X: Any, model: LinearModel, finish: Finish, meta: Array, offset: Any = None
) -> Any:
    """Lay a prediction over the rows of X, whatever X is.

    Parameters
    ----------
    X
        Numpy array or memmap, anything numpy takes for an array, scipy sparse array, or
        pandas dataframe: the result is a numpy array. Dask array of any chunking, of
        CSR blocks too, dask dataframe, ``zarr.Array`` or group of compressed rows: the
        result is a dask array with the same chunks of rows, and nothing is computed.
        Columns of a dataframe are found by name; those of a raw table are encoded where
        the model has a recipe.
    model, finish
        Coefficients, and what to make of the linear predictor of every row.
    meta
        An empty array of the type and number of dimensions of the result.
    offset
        Added to the linear predictor of every row; of any kind, for two classes.
    """
    if isinstance(X, ParquetTable | StoreTable):
        return _over_table(X, model, finish, meta)
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
    pieces = [CSR.of(piece) if issparse(piece) else piece for piece in pieces]
    n_features = sum(piece.shape[1] for piece in pieces)
    if n_features != len(model.slopes):
        raise DataError(_wrong_columns(n_features, len(model.slopes)))
    shape = (len(pieces[0]), *model.slopes.shape[1:])
    eta, first = np.full(shape, model.intercept), 0
    for piece in pieces:
        last = first + piece.shape[1]
        eta += linear_predictor_rows(piece, model.slopes[first:last])
        first = last
    if offset is not None:
        eta += offset_rows(offset, len(eta))
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
    pieces: Iterable[tuple[Index, TableBlock, FloatArray]],
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


def model_columns(X: Any, model: LinearModel) -> Any:
    """Return X with the columns of a model, in their order."""
    kind = kind_of(X)
    if kind in ("pandas", "dask dataframe"):
        return match_columns(X, model.feature_names)
    return _checked_matrix(X, kind, len(model.slopes))


def match_columns(frame: Any, names: Sequence[str]) -> Any:
    """Return the named columns of a pandas or dask dataframe, in that order.

    Other columns are left aside, as statsmodels does with a formula, so that a whole
    table can be given. A column that is missing, ambiguous or not numeric is an error.
    """
    labels = {str(label): label for label in frame.columns}
    missing = [name for name in names if name not in labels]
    if missing:
        listed = ", ".join(map(repr, missing[:5])) + ", ..." * (len(missing) > 5)
        raise DataError(
            f"X lacks {len(missing)} of the {len(names)} columns of the model: "
            f"{listed}; add them, or give an array (X.to_numpy()) to go by position"
        )
    chosen = [labels[name] for name in names]
    if chosen != list(frame.columns):
        frame = frame[chosen]
    if frame.shape[1] != len(names):
        raise DataError("X has two columns of the same name; rename or drop one")
    check_columns(frame, names)
    return frame


def _checked_matrix(X: Any, kind: str, n_features: int) -> Any:
    """Return X if it is a matrix of numbers with the columns of the model."""
    if kind == "csr" and X.ndim == 2:
        X = X if isinstance(X, CSR) else CSR.of(X)
    if kind == "zarr csr" and not isinstance(X, StoredCSR):
        X = StoredCSR.of(X)
    if kind == "numpy":
        X = np.asarray(X)
    if X.ndim != 2:
        message = f"X must be 2-D, rows by columns, but has {X.ndim} dimension(s)"
        raise DataError(f"{message}; reshape it, for example with X.reshape(-1, 1)")
    if X.dtype.kind not in "fiub":
        raise DataError(f"X has type {X.dtype}, but predictions need numbers")
    if X.shape[1] != n_features:
        raise DataError(_wrong_columns(X.shape[1], n_features))
    return X


def _wrong_columns(found: int, expected: int) -> str:
    return f"X has {found} columns, but the model was fitted with {expected}"
