"""Diagnostics row by row: at once for data in memory, lazily for Dask and Zarr.

What a block gives is plain numpy (``kernel/diagnostics.py``). Here it is laid over the
blocks of a source, in which y and weights stand beside X however they are cut, and
nothing is computed of what is lazy.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING, Any

import dask.array as da
import numpy as np
import numpy.typing as npt
from dask._task_spec import DataNode, Task, TaskRef
from dask.highlevelgraph import HighLevelGraph

from dlogreg.display.bars import share_bar
from dlogreg.display.html import fragment, table
from dlogreg.display.numerals import significant
from dlogreg.errors import InferenceError
from dlogreg.evaluation import FloatArray
from dlogreg.formula.raw import as_design
from dlogreg.formula.source import DesignBlocks
from dlogreg.inference.measures_again import measured_with
from dlogreg.kernel.diagnostics import BY_LEVERAGE, InfluenceKernel, RowDiagnostics
from dlogreg.offsets import check_offset_given
from dlogreg.partition import Partition, join_blocks, single_blocks
from dlogreg.prediction import match_columns
from dlogreg.reduction import compute_shared, count_rows, single_threaded_blas
from dlogreg.results.fitted import CERTAIN
from dlogreg.rows_again import NOT_REMEMBERED, RowsAgain
from dlogreg.source import Source, as_source
from dlogreg.source.kinds import kind_of
from dlogreg.source.task_graph import is_future
from dlogreg.standardization import Standardization

if TYPE_CHECKING:
    from dlogreg.results import LogitResults

SEPARATED = (
    "rows have no leverage, because the classes are separated: the covariance of "
    "infinite coefficients is not known; leave out the columns that separate them"
)
IN_MEMORY = ("numpy", "pandas", "csr")


@dataclass(frozen=True, slots=True, eq=False)
class Influence:
    """Rows by how far the coefficients move if they are left out."""

    rows: npt.NDArray[np.int64]
    """Numbers of the most influential rows in the data, counted from 0, the first one
    first; their places in ``cooks_distance``."""
    distances: FloatArray
    """Their Cook's distances."""
    cooks_distance: Any
    """That of every row: numpy for data in memory, else a lazy dask array."""

    def __repr__(self) -> str:
        """Return a line for every row."""
        width = len(str(int(self.rows.max(initial=0))))
        lines = [
            f"  row {row:>{width}}  {significant(distance, 5)}"
            for row, distance in zip(
                self.rows.tolist(), self.distances.tolist(), strict=True
            )
        ]
        return "\n".join([f"Cook's distance, the largest {len(lines)}:", *lines])

    def _repr_html_(self) -> str:
        """Return the same as a table with bars."""
        most = float(self.distances.max(initial=0.0)) or 1.0
        rows = zip(self.rows.tolist(), self.distances.tolist(), strict=True)
        cells = [(f"row {row:,}", significant(value, 5)) for row, value in rows]
        bars = [share_bar(value / most) for value in self.distances.tolist()]
        titles = ("row, counted from 0", "Cook's distance")
        return fragment("The most influential rows", table(titles, cells, ("", *bars)))


def source_of(
    results: LogitResults,
    X: Any,
    y: Any,
    sample_weight: Any,
    method: str,
    offset: Any = None,
) -> Source:
    """Return the rows that a result remembers, or any others that are given."""
    if all(given is None for given in (X, y, sample_weight, offset)):
        if results.rows is None:
            raise InferenceError(f"{method}() {NOT_REMEMBERED.format(method=method)}")
        check_single(results.rows.source, f"{method}()")
        return results.rows.source
    if X is None or y is None:
        raise ValueError(f"{method}() needs both X and y, or neither of them")
    check_offset_given(results, offset, f"{method}()")
    X = as_design(X, results)
    if kind_of(X) in ("pandas", "dask dataframe"):
        X = match_columns(X, results.feature_names)
    return as_source(
        X,
        y,
        sample_weight,
        offset=offset,
        feature_names=results.feature_names,
        compute=compute_shared,
        count_rows=count_rows,
    )


def check_single(source: Source, what: str) -> None:
    """Refuse grouped rows, which have no residual of their own here."""
    if source.has_trials:
        raise InferenceError(
            f"{what} is of single rows, and those of this fit are trials in groups "
            "(trials=); fit one row for every trial"
        )


def check_leverage(results: LogitResults) -> None:
    """Refuse what needs a covariance of all coefficients where there is none."""
    if results.separated:
        raise InferenceError(SEPARATED)
    results.cov_params("model")


def diagnostics_of(results: LogitResults, kind: str) -> RowDiagnostics:
    """Return what the diagnostics of one kind need of a fit."""
    first = int(results.fit_intercept)
    sums, rows = results.column_sums, results.rows
    centre = np.zeros(len(results.feature_names))
    if first and sums is not None:
        centre = sums.total[first:] / results.nobs
    std = Standardization(centre, np.ones(len(centre)), bool(first))
    covariance = None
    if kind in BY_LEVERAGE:
        check_leverage(results)
        covariance = std.theta_covariance(np.nan_to_num(results.cov_params("model")))
    other, event = results.classes
    return RowDiagnostics(
        std.to_theta(results.near_limit(CERTAIN)),
        centre,
        covariance,
        int(np.isfinite(results.coefficients).sum()),
        (other, event),
        bool(first),
        results.weight_kind != "frequency",
        () if rows is None else rows.class_weight,
    )


def row_values(results: LogitResults, source: Source, kind: str) -> Any:
    """Return a diagnostic of every row, shape (n_rows,)."""
    wanted = diagnostics_of(results, kind)
    if source.kind in IN_MEMORY:
        whole = map(_Chunk, single_blocks(source))
        return np.concatenate([c.values(wanted, kind, c.part.inputs) for c in whole])
    chunks, counts = _chunks(source)
    name = f"{kind}-{uuid.uuid4().hex[:16]}"
    layer: dict[Any, Any] = {}
    for i, chunk in enumerate(chunks):
        needs = [TaskRef(_stored(layer, name, value)) for value in _inputs(chunk.part)]
        split = tuple(map(len, chunk.part.inputs))
        task = Task((name, i), _chunk_values, wanted, kind, chunk, split, *needs)
        layer[name, i] = task
    graph = HighLevelGraph.from_collections(name, layer)
    rows = (float("nan"),) * len(chunks) if counts is None else counts
    return da.Array(graph, name, (rows,), meta=np.empty(0))


@dataclass(frozen=True, slots=True, eq=False)
class _Chunk:
    """Rows of the data whose values are made together."""

    part: Partition
    """What is read of them."""
    first_row: int = 0
    """Number of the first of them, where they are those of a block of a raw table."""
    n_rows: int | None = None
    """Their number there, incomplete ones included; None: as the part says."""

    def values(
        self, wanted: RowDiagnostics, kind: str, inputs: tuple[Any, ...]
    ) -> FloatArray:
        """Read the rows, and what stands beside them, and return their values."""
        found = np.full(self.n_rows or 0, np.nan)
        with single_threaded_blas:
            for leaf in self.part.stream(inputs):
                for rows in leaf:
                    if self.n_rows is None:
                        return wanted.of_all(rows, kind)
                    assert rows.numbers is not None
                    found[rows.numbers - self.first_row] = wanted.of(rows, kind)
        return found


def _chunks(source: Source) -> tuple[list[_Chunk], tuple[int, ...] | None]:
    """Return what makes every chunk of a lazy array, and the rows of each.

    A chunk is a block that a fit reads; of a raw table a block of the table, of which
    a formula leaves rows out.
    """
    blocks = source.blocks
    if not isinstance(blocks, DesignBlocks):
        return list(map(_Chunk, single_blocks(source))), blocks.row_counts
    starts = accumulate(blocks.lengths, initial=blocks.first_row)
    laid = zip(blocks.table_blocks, starts, blocks.lengths, strict=False)
    chunks = [_Chunk(join_blocks(source, *cut), row, n) for cut, row, n in laid]
    return chunks, blocks.lengths


def _inputs(part: Partition) -> list[Any]:
    return [value for given in part.inputs for value in given]


def _stored(layer: dict[Any, Any], name: str, value: Any) -> Any:
    """Put an input into the graph once; return its key."""
    if is_future(value):
        layer[value.key] = value
        return value.key
    key = (f"{name}-input", id(value))
    layer[key] = DataNode(key, value)
    return key


def _chunk_values(
    wanted: RowDiagnostics,
    kind: str,
    chunk: _Chunk,
    split: tuple[int, ...],
    *inputs: Any,
) -> FloatArray:
    """Sort the inputs, which a graph hands over one by one, by what they belong to."""
    rest = iter(inputs)
    given = tuple(tuple(next(rest) for _ in range(n)) for n in split)
    return chunk.values(wanted, kind, given)


def most_influential(results: LogitResults, rows: RowsAgain, k: int) -> Influence:
    """Return the rows of the largest Cook's distances, in one pass."""
    check_single(rows.source, "influence()")
    kernel = InfluenceKernel(diagnostics_of(results, "cook"), k)
    scores, columns, found = measured_with(results, rows, kernel)
    results._keep(scores, columns)
    every = row_values(results, rows.source, "cook")
    return Influence(found.rows, found.values, every)
