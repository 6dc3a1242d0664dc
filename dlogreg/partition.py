"""Source -> Partitions: row-aligned recipes, each streamed block by block in a task.

Consecutive blocks are grouped into at most 2**12 *leaves* of at least 8 * n_params
rows, or fewer where no Hessian is formed: a function of the grid of blocks, the number
of params and the solver alone. Sums are made
leaf by leaf and added along the fixed binary tree over the leaves. A partition is an
aligned run of 2**k leaves, so it returns a node of that tree: how many partitions
there are may follow the cluster while the bits of the result do not.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from typing import Any

import numpy as np

from dlogreg.errors import DataError
from dlogreg.held_rows import with_held
from dlogreg.kernel import CSR, Rows
from dlogreg.kernel.outcomes import Outcome
from dlogreg.missing import complete_rows, is_missing, none_as_nan
from dlogreg.row_kind import RowKind
from dlogreg.source import Source
from dlogreg.source.blocks import Array, Blocks
from dlogreg.source.retrying import Retries
from dlogreg.trials import split_trials
from dlogreg.vectors import Vector, check_length, overlap

MAX_LEAVES = 2**12
MIN_CHAINS = 16
ROWS_PER_CHAIN = 4_000_000
MIN_PIECES = 50
ROWS_PER_PARAM = 8
FIRST_ORDER_ROWS = 256
CODED_LEAVES = 4
"""Leaves of mixed rows that are made before leaves grow, with the matrix of their sums:
their rows cost little, and a matrix of k params as much as k^2 / 20 of them."""
LEAF_VECTORS = 16
"""Stored values per coefficient in a leaf of compressed rows: a leaf's sums are vectors
of all coefficients, and should cost less than its rows."""


@dataclass(frozen=True, slots=True, eq=False)
class Partition:
    """A run of leaves: what one task reads, and in which order it adds it up."""

    blocks: Blocks
    vectors: tuple[Vector, ...]
    leaves: tuple[int, ...]
    """Borders of the leaves, in blocks of this partition."""
    n_features: int
    first_block: int = 0
    first_row: int | None = 0
    drops: bool = False
    """Rows with a missing value are left out."""
    sparse: int = RowKind.DENSE
    """The kind of the rows of X."""
    shares: bool = False
    """Beside trials, y holds shares of successes, not their counts."""
    held_share: float = 0.0
    """Share of the rows that are held out by their numbers."""
    outcome: Outcome | None = None
    """Which of several outcomes is y; None: y as it is read."""

    def grouped(self, run: int) -> Partition:
        """Return the same rows in leaves that each hold ``run`` of these."""
        last = self.leaves[-1]
        return replace(self, leaves=(*self.leaves[:-1:run], last))

    @property
    def inputs(self) -> tuple[tuple[Any, ...], ...]:
        """What travels beside the recipe."""
        return (self.blocks.inputs, *(vector.blocks.inputs for vector in self.vectors))

    def stream(
        self,
        inputs: tuple[tuple[Any, ...], ...],
        retries: Retries | None = None,
        *,
        linear: bool = False,
    ) -> Iterator[Iterator[Rows]]:
        """Load the blocks one after the other; yield those of each leaf.

        Reads that fail are repeated, and counted. ``linear``: rows are but multiplied
        by vectors, and may store a column twice.
        """
        retries = retries or Retries()
        load = retries.opened(self.blocks, inputs[0])
        readers = {
            vector.name: vector.reader(given, retries)
            for vector, given in zip(self.vectors, inputs[1:], strict=True)
        }
        row = self.first_row
        position = 0

        def leaf(stop: int) -> Iterator[Rows]:
            nonlocal row, position
            while position < stop:
                fields = dict(load(position))
                index = self.first_block + position
                length = len(next(iter(fields.values())))
                if readers:  # rows beside X are found by counting
                    check_length("X", self.blocks.row_counts, position, length)
                for name, reader in readers.items():
                    fields[name] = reader.read(length)
                if self.drops:
                    fields = {k: none_as_nan(k, v) for k, v in fields.items()}
                X = fields.get("X")
                if X is not None:
                    X = _of_kind(X, index, sparse=self.sparse)
                    fields["X"] = X if linear else _distinct(X)
                rows = _rows(fields, self, index, row)
                position += 1
                row = None if row is None else row + rows.n_read
                yield complete_rows(rows) if self.drops else rows

        for stop in self.leaves[1:]:
            yield leaf(stop)


def _of_kind(X: Any, index: int, *, sparse: int) -> Any:
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


def _distinct(X: Any) -> Any:
    """Return rows that store no column twice."""
    return CSR.of(X) if isinstance(X, CSR) else X


def _rows(
    fields: Mapping[str, Array], part: Partition, index: int, start: int | None
) -> Rows:
    y = _own_outcome(fields["y"], part.outcome)
    X, n_features = fields.get("X", np.empty((len(y), 0))), part.n_features
    if X.ndim != 2 or X.shape[1] != n_features:
        shape = f"shape {X.shape}, expected {n_features} columns"
        raise DataError(f"block {index} of X has {shape}; check how X was built")
    if X.dtype.kind not in "fiub":
        advice = "convert its columns to numbers, for example with astype(float)"
        raise DataError(f"block {index} of X holds values of type {X.dtype}; {advice}")
    held: Mapping[str, Any] = fields
    for name, values in held.items():
        if name != "X" and isinstance(values, CSR):
            advice = f"make it dense, with {name}.map_blocks(lambda b: b.toarray())"
            raise DataError(f"block {index} of {name} is sparse; {advice}")
        if len(values) != len(X):
            raise DataError(
                f"block {index}: X has {len(X)} rows but {name} has {len(values)}; "
                "give arrays of the same chunks, or call compute_chunk_sizes() on both"
            )
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


def leaf_bounds(
    n_blocks: int,
    row_counts: Sequence[int] | None,
    n_params: int,
    order: int = 2,
    row_values: float | None = None,
    kind: int = RowKind.DENSE,
) -> tuple[int, ...]:
    """Group consecutive blocks into leaves; return the borders, in blocks.

    A pass of order 1 sums a few vectors instead of a matrix, so that leaves of far
    fewer rows do, and wide data still make more than a task or two. ``row_values`` is
    the mean number of stored values of rows that are not dense, ``kind`` theirs.
    """
    if row_counts is None:
        step = -(-n_blocks // MAX_LEAVES)
        return (*range(0, n_blocks, step), n_blocks)
    least = ROWS_PER_PARAM * n_params
    if order == 1:
        few = max(FIRST_ORDER_ROWS, n_params // 16)
        if row_values is not None:
            few = max(few, int(LEAF_VECTORS * n_params / max(1.0, row_values)))
        least = min(least, few)
    elif kind == RowKind.MIXED:
        least = max(least, min(n_params**2 // 2, sum(row_counts) // CODED_LEAVES))
    least = max(least, -(-sum(row_counts) // MAX_LEAVES))
    bounds, rows = [0], 0
    for block, count in enumerate(row_counts):
        rows += count
        if rows >= least:
            bounds.append(block + 1)
            rows = 0
    if len(bounds) == 1:
        return (0, n_blocks)
    bounds[-1] = n_blocks  # the remainder, too small for a leaf, joins the last one
    return tuple(bounds)


def piece_rows(n_rows: int | None, n_params: int, kind: int = RowKind.DENSE) -> int:
    """Return how many rows a first pass learns from at a time.

    Few enough that 50,000 rows of a few columns make 50 pieces; about 256 pieces of
    more rows, since each piece costs the solution of a Newton system: as much as
    k^2 / 3 + k^3 / 4000 mixed rows.
    """
    least = max(1024, ROWS_PER_PARAM * n_params)
    if kind == RowKind.MIXED:
        least = max(least, n_params**2 // 3 + n_params**3 // 4000)
    return max(least, min(16384, (n_rows or 2**20) // 256))


def leaves_per_chain(source: Source, n_params: int) -> int | None:
    """Return how many leaves a first pass that learns sums in one go; None: too few.

    16 chains up to 64 million rows, then one for every 4 million; a function of the
    blocks alone, so that the start does not depend on the cluster.
    """
    blocks, rows = source.blocks, source.n_rows
    kind = source.sparse
    piece = piece_rows(rows, n_params, kind)
    if (blocks.n_blocks if rows is None else rows // piece) < MIN_PIECES:
        return None
    bounds = leaf_bounds(blocks.n_blocks, blocks.row_counts, n_params, kind=kind)
    n_leaves = len(bounds) - 1
    run = 1
    while -(-n_leaves // run) > max(MIN_CHAINS, (rows or 0) // ROWS_PER_CHAIN):
        run *= 2
    return run


def partition_rows(
    source: Source,
    n_params: int,
    n_partitions: int,
    least_run: int = 1,
    *,
    order: int = 2,
) -> tuple[Partition, ...]:
    """Cut the source into at most ``n_partitions`` aligned runs of leaves.

    Data that lie in the memory of a cluster get a task for every leaf, which can then
    run where its rows lie.
    """
    counts = source.blocks.row_counts
    values = source.row_values if source.sparse else None
    n_blocks, kind = source.blocks.n_blocks, source.sparse
    bounds = leaf_bounds(n_blocks, counts, n_params, order, values, kind)
    n_leaves = len(bounds) - 1
    run = least_run
    while -(-n_leaves // run) > n_partitions and not source.on_cluster:
        run *= 2
    borders = row_borders(source)
    starts = range(0, n_leaves, run)
    return tuple(_cut(source, bounds[i : i + run + 1], borders) for i in starts)


def pick_blocks(source: Source, n_blocks: int) -> tuple[Partition, ...]:
    """Return single blocks spread evenly over the data, none of them empty."""
    counts = source.blocks.row_counts
    full = [i for i in range(source.blocks.n_blocks) if counts is None or counts[i]]
    spread = np.linspace(0, len(full) - 1, min(n_blocks, len(full))).round()
    borders = row_borders(source)
    picked = [full[int(i)] for i in spread]
    return tuple(_cut(source, (i, i + 1), borders) for i in picked)


def single_blocks(source: Source) -> tuple[Partition, ...]:
    """Return every block by itself."""
    borders = row_borders(source)
    starts = range(source.blocks.n_blocks)
    return tuple(_cut(source, (i, i + 1), borders) for i in starts)


def join_blocks(source: Source, start: int, stop: int) -> Partition:
    """Return consecutive blocks as one leaf."""
    return _cut(source, (start, stop), row_borders(source))


Borders = Mapping[str, Sequence[int]]


def row_borders(source: Source) -> Borders:
    """Return the row at which every block begins, for X and the fields beside it."""
    if source.blocks.row_counts is None:
        return {}
    laid = {"X": source.blocks, **source.vectors}
    return {
        name: [0, *accumulate(blocks.row_counts)]
        for name, blocks in laid.items()
        if blocks.row_counts is not None
    }


def _cut(source: Source, leaves: Sequence[int], borders: Borders) -> Partition:
    """Return the partition of these leaves, given by their borders in blocks."""
    start, stop = leaves[0], leaves[-1]
    first_row: int | None = None
    vectors: tuple[Vector, ...] = ()
    if "X" in borders:  # else a plan is made, or all fields come in the same blocks
        first_row, last_row = borders["X"][start], borders["X"][stop]
        vectors = tuple(
            overlap(name, blocks, borders[name], first_row, last_row)
            for name, blocks in source.vectors.items()
            if name in borders
        )
    return Partition(
        source.blocks.take(start, stop),
        vectors,
        tuple(leaf - start for leaf in leaves),
        source.n_features,
        start,
        first_row,
        source.drops,
        source.sparse,
        source.shares,
        source.held_share,
        source.outcome,
    )
