"""Checks every row and sums what the first pass is to tell."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from dlogreg import long_vectors
from dlogreg.chain import ChainStart, Estimate
from dlogreg.errors import DataError, MissingValueError
from dlogreg.evaluation import FloatArray, Label
from dlogreg.kernel import (
    CSR,
    AnySlab,
    CompiledSlab,
    Mixed,
    MixedSlab,
    Rows,
    Slab,
    SparseSlab,
    as_dense,
    open_slab,
)
from dlogreg.kernel.clusters import count_clusters
from dlogreg.kernel.dense import row_weights
from dlogreg.kernel.information import completed, information_sums
from dlogreg.keyed_sums import KeyedSums
from dlogreg.row_kind import RowKind
from dlogreg.standardization import Standardization
from dlogreg.survey.labels import (
    MAX_LABELS,
    check_groups,
    check_labels,
    check_offsets,
    check_weights,
    label_masks,
    too_many_labels,
)
from dlogreg.survey.mixed_ranges import MixedRanges
from dlogreg.survey.offset import NOTHING, NullGrid, NullSums
from dlogreg.survey.ranges import Masks, Range, RangesInProgress
from dlogreg.survey.sparse_ranges import SparseRanges
from dlogreg.survey.sums import Group, SurveySums
from dlogreg.tree_sum import TreeSum


@dataclass(slots=True, eq=False)
class _Open:
    ranges: RangesInProgress | SparseRanges | MixedRanges
    second_moments: FloatArray
    units: FloatArray
    groups: dict[Label, Group] = field(default_factory=dict)
    max_norm: float = 0.0
    estimate: Estimate | None = None
    null: NullSums | None = None
    clusters: TreeSum | None = None
    n_dropped: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class SurveyKernel:
    """Checks every row and sums what Newton's first step needs."""

    standardization: Standardization
    feature_names: tuple[str, ...]
    order: int = 2
    class_weight: tuple[tuple[Label, float], ...] = ()
    chain: ChainStart | None = None
    """If given, each leaf is a chain that learns as it goes; the order is then 1."""
    null_grid: NullGrid | None = None
    """If rows have offsets: where the null model is summed."""
    most_groups: int = 0
    """If positive, rows have groups, which are counted; more of them are refused."""
    by_label: bool = True
    """Follow ranges by label too, of compressed rows: only to find separation."""

    @property
    def name(self) -> str:
        """What the dashboard shows."""
        return "survey"

    def open(self) -> AnySlab:
        """Return the slab's buffers."""
        std = self.standardization
        precision = "double" if self.chain is None else self.chain.kernel.precision
        order = self.order if self.chain is None else 2
        return open_slab(
            std.mean,
            fit_intercept=std.fit_intercept,
            precision=precision,
            order=order,
            sparse=std.sparse,
            compiled=std.compiled,
        )

    def start(self) -> _Open:
        """Return empty sums."""
        std, d = self.standardization, len(self.feature_names)
        k = std.n_params
        ranges: RangesInProgress | SparseRanges | MixedRanges
        if std.sparse == RowKind.MIXED:
            ranges = MixedRanges(d, by_label=self.by_label)
        elif std.sparse:
            ranges = SparseRanges(d, by_label=self.by_label)
        else:
            ranges = RangesInProgress(d)
        moments = long_vectors.zeros(k)
        if self.order == 2:
            moments = information_sums(k, std.sparse)
        sums = _Open(ranges, moments, std.units)
        sums.estimate = None if self.chain is None else self.chain.open()
        sums.null = None if self.null_grid is None else NOTHING
        if self.most_groups:
            sums.clusters = TreeSum()
            sums.clusters.push(KeyedSums.empty(1, self.most_groups))
        return sums

    def add(self, sums: _Open, rows: Rows, buffers: AnySlab) -> None:
        """Check a block and add it, slab by slab."""
        sums.n_dropped += rows.n_dropped
        check_weights(rows)
        kept = rows.positive()
        check_labels(kept)
        check_offsets(kept)
        check_groups(kept)
        if sums.clusters is not None:
            sums.clusters.push(count_clusters(kept, self.most_groups))
        with np.errstate(invalid="ignore", over="ignore"):  # named by _refuse
            if self.chain is None:
                for slab in rows.slabs(buffers.length):
                    kept = slab.positive()
                    masks = label_masks(kept.y, tuple(sums.groups))
                    self._add_slab(sums, kept, masks, buffers)
            else:
                self._learn(self.chain, sums, rows, buffers)

    def _learn(
        self, chain: ChainStart, sums: _Open, rows: Rows, buffers: AnySlab
    ) -> None:
        """Check the rows while they are loaded for the chain's first step."""
        n_pieces = max(1, -(-len(rows) // chain.piece))
        for rows_of_piece in rows.slabs(max(1, -(-len(rows) // n_pieces))):
            piece = rows_of_piece.positive()
            assert sums.estimate is not None
            kernel = chain.kernel_at(sums.estimate.theta)
            found = kernel.start()
            masks = label_masks(piece.y, tuple(sums.groups))
            self._add_groups(sums, piece, masks, None)
            for low, slab in enumerate(piece.slabs(buffers.length)):
                part = slice(low * buffers.length, (low + 1) * buffers.length)
                inside = [(label, mask[part]) for label, mask in masks]
                self._add_slab(sums, slab, inside, buffers)
                kernel.add_loaded(found, slab, buffers)
            evaluation = kernel.finish(found)
            sums.estimate = chain.renew(sums.estimate, piece, buffers, evaluation)

    def _add_slab(
        self, sums: _Open, rows: Rows, masks: Masks, buffers: AnySlab
    ) -> None:
        buffers.load(rows.X)
        if not len(rows):
            return
        weight = row_weights(rows, self.class_weight)
        whole = self._add_squares(sums, rows, weight, buffers)
        if whole is not None and isinstance(sums.ranges, RangesInProgress):
            sums.ranges.add(rows.X, masks, whole)
        else:
            sums.ranges.add(rows.X, masks)
        if self.chain is None:
            self._add_groups(sums, rows, masks, buffers)
        if self.null_grid is not None and sums.null is not None:
            sums.null += self.null_grid.sums(rows, weight, masks)
        if self.order == 2:
            buffers.add_information(sums.second_moments, weight)

    def _add_squares(
        self, sums: _Open, rows: Rows, weight: FloatArray | None, buffers: AnySlab
    ) -> Range | None:
        """Add squares of columns, unless products are summed, and norms of rows.

        Returns the range of every column where that comes with them.
        """
        whole = None
        if isinstance(buffers, SparseSlab | MixedSlab):
            norm = buffers.largest_norm(sums.units)
            if not np.isfinite(norm) or not _finite(rows.X):
                self._refuse_stored(rows)
            if self.order == 1:
                buffers.add_squares(sums.second_moments, weight)
        elif self.order == 2 and isinstance(buffers, Slab):
            norm = buffers.largest_norm(sums.units)
            if not np.isfinite(norm):
                self._refuse(rows)
        else:
            if isinstance(buffers, CompiledSlab):
                norm, squares, whole = buffers.describe(sums.units, weight)
            else:
                norm, squares = buffers.square_sums(sums.units, weight)
            if not np.isfinite(norm):
                norm, squares = self._in_double(rows, weight)
                whole = None
            if self.order == 1:
                sums.second_moments += squares
        sums.max_norm = max(sums.max_norm, norm)
        return whole

    def _add_groups(
        self, sums: _Open, rows: Rows, masks: Masks, buffers: AnySlab | None
    ) -> None:
        """Count the rows of every label; sum their columns, if they are loaded."""
        weight = row_weights(rows, self.class_weight)
        for label, mask in masks:
            share = mask.astype(float) if weight is None else mask * weight
            n_rows = int(np.count_nonzero(mask))
            known = sums.groups.get(label)
            if known is None:
                k = self.standardization.n_params
                z_sum = None if self.chain is not None else long_vectors.zeros(k)
                known = Group(0, 0.0, z_sum)
            if buffers is not None and known.z_sum is not None:
                buffers.add_projection(known.z_sum, share)
            sums.groups[label] = Group(
                known.n_rows + n_rows,
                known.weight + (n_rows if weight is None else float(share.sum())),
                known.z_sum,
            )
        if len(sums.groups) > MAX_LABELS:
            raise DataError(too_many_labels(sums.groups))

    def _in_double(
        self, rows: Rows, weight: FloatArray | None
    ) -> tuple[float, FloatArray]:
        """Return the squares of values that overflow float32, or refuse the values."""
        std = self.standardization
        slab = open_slab(std.mean, fit_intercept=std.fit_intercept)
        slab.load(rows.X)
        norm, squares = slab.square_sums(std.units, weight)
        if not np.isfinite(rows.X).all() or not np.isfinite(norm):
            self._refuse(rows)
        return norm, squares

    def _refuse(self, rows: Rows) -> None:
        X = as_dense(rows.X)
        bad = ~np.isfinite(X)
        if not bad.any():
            raise self._too_large(int(np.abs(X).max(axis=0).argmax()))
        row, column = np.argwhere(bad)[0]
        raise self._not_finite(rows, int(row), int(column), X[row, column])

    def _refuse_stored(self, rows: Rows) -> None:
        """Refuse compressed or mixed rows."""
        if isinstance(rows.X, Mixed):
            for row in range(len(rows)):
                one = rows.X[row : row + 1]
                if not _finite(one):
                    self._refuse(rows.chosen(np.array([row])))
            ends = np.array(rows.X.column_extremes())
            raise self._too_large(int(np.abs(ends).max(axis=0).argmax()))
        X: CSR = rows.X
        bad = np.flatnonzero(~np.isfinite(X.data))
        if not len(bad):
            raise self._too_large(int(X.indices[np.abs(X.data).argmax()]))
        place = int(bad[0])
        row, column = X.row_of(place), int(X.indices[place])
        raise self._not_finite(rows, row, column, X.data[place])

    def _too_large(self, column: int) -> DataError:
        return DataError(
            f"column {self.feature_names[column]!r} has values so large that their sum "
            "overflows; divide it by its largest value first"
        )

    def _not_finite(self, rows: Rows, row: int, column: int, value: float) -> DataError:
        kind = "NaN" if np.isnan(value) else "infinity"
        error = MissingValueError if np.isnan(value) else DataError
        return error(
            f"column {self.feature_names[column]!r} holds {kind} in "
            f"{rows.place(row)} of X; remove or fill such rows before fitting"
        )

    def finish(self, sums: _Open) -> SurveySums:
        """Return the sums."""
        if sums.second_moments.ndim == 2:
            kind = self.standardization.sparse
            sums.second_moments = completed(sums.second_moments, kind)
        chains = None
        if self.chain is not None and sums.estimate is not None:
            chains = self.chain.sums(sums.estimate)
        return SurveySums(
            sums.groups,
            sums.ranges.finish(),
            sums.second_moments,
            sums.max_norm,
            chains,
            sums.null,
            None if sums.clusters is None else sums.clusters.total(),
            sums.n_dropped,
        )


def _finite(X: CSR | Mixed) -> bool:
    """Tell whether all stored values are finite numbers."""
    if isinstance(X, CSR):
        return bool(np.isfinite(X.data).all())
    compressed = X.compressed is None or _finite(X.compressed)
    return compressed and bool(np.isfinite(X.dense).all())
