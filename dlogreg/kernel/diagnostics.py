r"""Residuals, leverage and influence of the rows of a block; plain numpy.

With y = 1 for the event, mu = p(x'b) and V = mu (1 - mu), the residuals of a row are

    response  y - mu,                 pearson   (y - mu) / sqrt(V),
    working   (y - mu) / V,           deviance  sign(y - mu) sqrt(2 loss),

its leverage h = V x'C x with C the model's covariance, a standardized residual is that
over sqrt(1 - h), and Cook's distance of k estimated coefficients

    (pearson / (1 - h))^2 h / k

(McCullagh and Nelder 1989, Generalized Linear Models, sections 2.4 and 12; Pregibon
1981). Weights that are no frequencies are R's prior weights: they multiply V in h, and
Pearson's and deviance residuals by their roots. A frequency repeats the row, whose
residuals and leverage are those of one of the copies.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from dlogreg.errors import DataError
from dlogreg.evaluation import FloatArray, Label
from dlogreg.kernel.block import Rows
from dlogreg.kernel.csr import as_dense
from dlogreg.kernel.dense import row_weights
from dlogreg.kernel.slab import slab_rows
from dlogreg.kernel.sparse_slab import SLAB_ROWS
from dlogreg.loss import loss_residual_weight_rows

BY_LEVERAGE = ("leverage", "standardized_pearson", "standardized_deviance", "cook")
KINDS = ("response", "pearson", "deviance", "working", *BY_LEVERAGE[:-1])


@dataclass(frozen=True, slots=True, eq=False)
class RowDiagnostics:
    """What a row's residuals need of a fit."""

    params: FloatArray
    """Coefficients of the columns less their centre, intercept first; 0 for dropped."""
    centre: FloatArray
    """Shape (n_features,)."""
    covariance: FloatArray | None
    """Of these coefficients, zero for dropped ones; None where none is needed."""
    n_estimated: int
    classes: tuple[Label, Label]
    fit_intercept: bool
    prior: bool
    """Weights are R's prior weights, not frequencies."""
    class_weight: tuple[tuple[Label, float], ...] = ()

    def of(self, rows: Rows, kind: str) -> FloatArray:
        """Return the residual, leverage or distance ("cook") of every row.

        Rows of weight 0 have NaN where y is no class, or X or the offset not finite.
        """
        found = np.empty(len(rows))
        stays_sparse = not isinstance(rows.X, np.ndarray) and kind not in BY_LEVERAGE
        length = SLAB_ROWS if stays_sparse else slab_rows(len(self.params))
        for low, slab in zip(
            range(0, len(rows), length), rows.slabs(length), strict=True
        ):
            found[low : low + length] = self._slab(slab, kind)
        return found

    def of_all(self, rows: Rows, kind: str) -> FloatArray:
        """Return the same for a block as it was read, NaN for rows left out of it."""
        found = self.of(rows, kind)
        n_missing = rows.n_dropped + rows.n_held_dropped
        if not n_missing or rows.kept is None:
            return found
        every = np.full(len(rows) + n_missing, np.nan)
        every[rows.kept] = found
        return every

    def _slab(self, rows: Rows, kind: str) -> FloatArray:
        known = self._known(rows)
        if known.all():
            return self._values(rows, kind)
        found = np.full(len(rows), np.nan)
        found[known] = self._values(rows.chosen(np.flatnonzero(known)), kind)
        return found

    def _values(self, rows: Rows, kind: str) -> FloatArray:
        """Return the values of rows whose labels are classes."""
        sign = np.where(rows.y == self.classes[1], 1.0, -1.0)
        z: FloatArray | None = None
        with np.errstate(invalid="ignore", over="ignore"):  # in rows of weight 0
            if isinstance(rows.X, np.ndarray) or kind in BY_LEVERAGE:
                z = as_dense(rows.X) - self.centre
            eta = self._predictor(rows, z)
        loss, miss, curvature = loss_residual_weight_rows(sign * eta)
        prior = self._prior(rows)
        if kind == "response":
            return np.asarray(sign * miss)
        if kind == "working":
            return np.asarray(sign / (1.0 - miss))
        pearson = sign * np.sqrt(prior * miss / (1.0 - miss))
        deviance = sign * np.sqrt(2 * prior * loss)
        if kind in ("pearson", "deviance"):
            return np.asarray(pearson if kind == "pearson" else deviance)
        assert z is not None
        with np.errstate(invalid="ignore"):
            h = prior * curvature * self._variance(z)
        if kind == "leverage":
            return np.asarray(h)
        with np.errstate(divide="ignore", invalid="ignore"):
            if kind == "cook":
                return np.asarray((pearson / (1 - h)) ** 2 * h / self.n_estimated)
            plain = pearson if kind == "standardized_pearson" else deviance
            return np.asarray(plain / np.sqrt(1 - h))

    def _prior(self, rows: Rows) -> FloatArray:
        weight = row_weights(rows, self.class_weight) if self.prior else None
        return np.ones(len(rows)) if weight is None else weight

    def _predictor(self, rows: Rows, z: FloatArray | None) -> FloatArray:
        """Return the linear predictor, from centred columns where there are such."""
        slopes = self.params[int(self.fit_intercept) :]
        shift = float(self.params[: int(self.fit_intercept)].sum())
        if z is not None:
            eta = z @ slopes + shift
        else:
            product = rows.X.times(slopes)
            eta = product + (shift - float(self.centre @ slopes))
        if rows.offset is not None:
            eta += rows.offset
        if rows.sample_weight is not None:
            eta[(rows.sample_weight == 0) & ~np.isfinite(eta)] = np.nan
        return np.asarray(eta)

    def _known(self, rows: Rows) -> npt.NDArray[np.bool_]:
        """Return which labels are classes; others are refused but at weight 0."""
        other, event = self.classes
        known = np.asarray((rows.y == event) | (rows.y == other))
        counts = np.ones(len(rows), dtype=bool)
        if rows.sample_weight is not None:
            counts = rows.sample_weight != 0
        unknown = np.flatnonzero(~known & counts)
        if len(unknown):
            row = int(unknown[0])
            value = rows.y[row]
            shown = value.item() if isinstance(value, np.generic) else value
            raise DataError(
                f"y is {shown!r} in {rows.place(row)}, but the model knows "
                f"{other!r} and {event!r}; leave such rows out"
            )
        return known

    def _variance(self, z: FloatArray) -> FloatArray:
        """Return the variance of the linear predictor of every row."""
        assert self.covariance is not None
        first = int(self.fit_intercept)
        inside = self.covariance[first:, first:]
        variance = np.einsum("ij,ij->i", z @ inside, z)
        if first:
            variance += self.covariance[0, 0] + 2 * (z @ self.covariance[0, 1:])
        return np.asarray(variance)


@dataclass(frozen=True, slots=True, eq=False)
class TopRows:
    """The rows of the largest values, the largest first; they add."""

    most: int
    values: FloatArray
    blocks: npt.NDArray[np.int64]
    """Block of every row."""
    places: npt.NDArray[np.int64]
    """Where it stands there."""
    lengths: tuple[tuple[int, int], ...] = ()
    """Every block that was read, and its number of rows, those left out too; 0 where
    places count from the first row of the data."""

    def __add__(self, other: TopRows) -> TopRows:
        """Return the rows of the largest values among both."""
        return top_rows(
            self.most,
            np.concatenate([self.values, other.values]),
            np.concatenate([self.blocks, other.blocks]),
            np.concatenate([self.places, other.places]),
            (*self.lengths, *other.lengths),
        )

    @property
    def rows(self) -> npt.NDArray[np.int64]:
        """Numbers of the rows in the data, counted from 0."""
        lengths = dict(self.lengths)
        starts, total = {}, 0
        for block in sorted(lengths):
            starts[block] = total
            total += lengths[block]
        begin = [starts[block] for block in self.blocks.tolist()]
        return np.array(begin, dtype=np.int64) + self.places


def top_rows(
    most: int,
    values: FloatArray,
    blocks: npt.NDArray[np.int64],
    places: npt.NDArray[np.int64],
    lengths: Sequence[tuple[int, int]],
) -> TopRows:
    """Return the largest values; of equal ones those of earlier rows."""
    order = np.lexsort((places, blocks, -values))[:most]
    return TopRows(most, values[order], blocks[order], places[order], tuple(lengths))


@dataclass(frozen=True, slots=True, eq=False)
class InfluenceKernel:
    """Finds the rows of the largest Cook's distances."""

    diagnostics: RowDiagnostics
    most: int

    @property
    def name(self) -> str:
        """What the dashboard shows."""
        return "influence"

    def open(self) -> None:
        """Need no buffers."""

    def start(self) -> list[TopRows]:
        """Return no rows."""
        nothing = np.empty(0, dtype=np.int64)
        return [TopRows(self.most, np.empty(0), nothing, nothing)]

    def add(self, sums: list[TopRows], rows: Rows, buffers: None) -> None:
        """Add a block."""
        kept = rows.positive()
        distance = self.diagnostics.of(kept, "cook")
        distance = np.where(np.isnan(distance), np.inf, distance)
        own = np.arange(len(kept)) if kept.kept is None else kept.kept
        n_read = len(rows) + rows.n_dropped + rows.n_held_dropped
        if kept.numbers is not None:  # counted from the first row of the data
            own, n_read = kept.numbers, 0
        block = np.full(len(kept), rows.index, dtype=np.int64)
        length = ((rows.index, n_read),)
        sums[0] += top_rows(self.most, distance, block, own.astype(np.int64), length)

    def finish(self, sums: list[TopRows]) -> TopRows:
        """Return the rows."""
        return sums[0]
