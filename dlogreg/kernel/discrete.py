r"""What the event's probability gains where a 0/1 column is 1 instead of 0, summed.

With eta_i^1 and eta_i^0 the linear predictor of row i with x_ij set to 1 and to 0, all
else as it is,

    gain_j     = sum s (p(eta^1) - p(eta^0)),
    slope_jk   = sum s (p'(eta^1) - p'(eta^0)) z_k  for k other than j,
    slope_jj   = sum s p'(eta^1),

the latter two being the derivatives of the gain in the coefficients.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from scipy.special import expit

from dlogreg.evaluation import FloatArray, Label
from dlogreg.kernel.block import Rows
from dlogreg.kernel.csr import as_dense
from dlogreg.kernel.dense import row_weights
from dlogreg.kernel.predictor import linear_predictor
from dlogreg.kernel.slabs import AnySlab, open_slab

TOGETHER = 32
"""Columns of which a slab's values are held at once."""


@dataclass(frozen=True, slots=True, eq=False)
class DiscreteSums:
    """Sums over rows, for every chosen column; they add."""

    gains: FloatArray
    """Shape (n_chosen,)."""
    slopes: FloatArray
    """In the kernel's centred columns, shape (n_params, n_chosen)."""
    own: FloatArray
    """slope_jj, of the column as it was given, shape (n_chosen,)."""
    binary: npt.NDArray[np.bool_]
    """Whether all values are 0 or 1."""

    def __add__(self, other: DiscreteSums) -> DiscreteSums:
        """Return the sums over the rows of both."""
        return DiscreteSums(
            self.gains + other.gains,
            self.slopes + other.slopes,
            self.own + other.own,
            self.binary & other.binary,
        )

    def uncentred(self, kernel: DiscreteKernel) -> DiscreteSums:
        """Return the slopes of the columns as they were given."""
        slopes, first = self.slopes.copy(), int(kernel.fit_intercept)
        if first:
            slopes[1:] += kernel.centre[:, None] * slopes[:1]
        places = np.array(kernel.columns) + first
        slopes[places, np.arange(len(places))] = self.own
        return replace(self, slopes=slopes)


@dataclass(frozen=True, slots=True, eq=False)
class DiscreteKernel:
    """Sums what setting each of some columns to 1 instead of 0 changes."""

    params: FloatArray
    """Coefficients of the centred columns, intercept first, shape (n_params,)."""
    centre: FloatArray
    columns: tuple[int, ...]
    """Those of X that are set."""
    fit_intercept: bool
    class_weight: tuple[tuple[Label, float], ...] = ()

    @property
    def name(self) -> str:
        """What the dashboard shows."""
        return "discrete_changes"

    def open(self) -> AnySlab:
        """Return the slab's buffers."""
        return open_slab(self.centre, fit_intercept=self.fit_intercept)

    def start(self) -> list[DiscreteSums]:
        """Return empty sums."""
        m = len(self.columns)
        slopes = np.zeros((len(self.params), m))
        return [DiscreteSums(np.zeros(m), slopes, np.zeros(m), np.ones(m, dtype=bool))]

    def add(self, sums: list[DiscreteSums], rows: Rows, buffers: AnySlab) -> None:
        """Add a block, slab by slab."""
        for slab in rows.slabs(buffers.length):
            kept = slab.positive()
            if len(kept):
                sums[0] += self._slab(kept, buffers)

    def _slab(self, rows: Rows, buffers: AnySlab) -> DiscreteSums:
        rows = replace(rows, X=as_dense(rows.X))
        buffers.load(rows.X)
        weight = row_weights(rows, self.class_weight)
        ones = np.ones(len(rows)) if weight is None else weight
        eta = linear_predictor(buffers, self.params, rows)
        parts = [
            self._changed(rows, buffers, ones, eta, self.columns[i : i + TOGETHER])
            for i in range(0, len(self.columns), TOGETHER)
        ]
        gains, slopes, own, binary = zip(*parts, strict=True)
        return DiscreteSums(
            np.concatenate(gains),
            np.concatenate(slopes, axis=1),
            np.concatenate(own),
            np.concatenate(binary),
        )

    def _changed(
        self,
        rows: Rows,
        buffers: AnySlab,
        weight: FloatArray,
        eta: FloatArray,
        columns: tuple[int, ...],
    ) -> tuple[FloatArray, FloatArray, FloatArray, npt.NDArray[np.bool_]]:
        chosen = list(columns)
        x = rows.X[:, chosen].T.astype(np.float64)
        b = self.params[np.array(chosen) + int(self.fit_intercept)][:, None]
        without = eta - b * x
        p0, p1 = expit(without), expit(without + b)
        w1 = p1 * expit(-(without + b))
        change = (w1 - p0 * expit(-without)) * weight
        slopes = np.zeros((len(self.params), len(chosen)))
        buffers.add_points(slopes, change, np.empty_like(slopes))
        return (
            (p1 - p0) @ weight,
            slopes,
            w1 @ weight,
            ((x == 0) | (x == 1)).all(axis=1),
        )

    def finish(self, sums: list[DiscreteSums]) -> DiscreteSums:
        """Return the sums."""
        return sums[0]
