"""Rows that a direction leaves where they are, apart from those that it separates.

Along a separating direction b the predictors of some rows grow without end, and what
is left of the likelihood is that of the others, whose z'b is zero: the face. Zero means
up to the rounding of the row's own terms,

    abs(z_i'b) <= 1e-9 sum_j abs(z_ij b_j).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from dlogreg.evaluation import FloatArray, Summable
from dlogreg.kernel.block import Kernel, Rows
from dlogreg.kernel.csr import CSR, as_dense
from dlogreg.kernel.mixed import Mixed
from dlogreg.kernel.mixed_slab import MixedSlab
from dlogreg.kernel.slab import slab_rows
from dlogreg.kernel.together import Sums

ZERO = 1e-9


@dataclass(frozen=True, slots=True, eq=False)
class Face:
    """Rows that every one of some directions leaves where they are."""

    directions: FloatArray
    """Of the centred columns, intercept first, shape (n_params, n_directions)."""
    centre: FloatArray
    fit_intercept: bool

    def within(self, direction: FloatArray) -> Face:
        """Return the rows of the face that another direction leaves, too."""
        both = np.column_stack([self.directions, direction])
        return Face(both, self.centre, self.fit_intercept)

    def inside(self, X: npt.NDArray[Any] | CSR | Mixed) -> npt.NDArray[np.bool_]:
        """Tell which rows lie in the face."""
        if isinstance(X, Mixed):
            return self._inside_mixed(X)
        found = np.empty(len(X), dtype=bool)
        length = slab_rows(len(self.directions))
        for low in range(0, len(X), length):
            cut = slice(low, low + length)
            z = centred_rows(X[cut], self.centre, fit_intercept=self.fit_intercept)
            zero = np.abs(z @ self.directions) <= rounding_rows(z, self.directions)
            found[cut] = zero.all(axis=1)
        return found

    def _inside_mixed(self, X: Mixed) -> npt.NDArray[np.bool_]:
        """Tell the same of mixed rows, which stay so."""
        found = np.ones(len(X), dtype=bool)
        slab = MixedSlab(self.centre, fit_intercept=self.fit_intercept)
        for low in range(0, len(X), slab.length):
            cut = slice(low, low + slab.length)
            slab.load(X[cut])
            for direction in self.directions.T:
                rounding = ZERO * slab.term_sizes(direction)
                found[cut] &= np.abs(slab.predict(direction)) <= rounding
        return found


def centred_rows(
    X: npt.NDArray[Any] | CSR | Mixed, centre: FloatArray, *, fit_intercept: bool
) -> FloatArray:
    """Return rows in float64 without the centre, the 1 of the intercept first."""
    z = np.ones((len(X), len(centre) + fit_intercept))
    np.subtract(as_dense(X), centre, out=z[:, int(fit_intercept) :], casting="unsafe")
    return z


def rounding_rows(z: FloatArray, directions: FloatArray) -> FloatArray:
    """Return below what abs(z_i'b) counts as zero, shape (n_rows, n_directions)."""
    return ZERO * (np.abs(z) @ np.abs(directions))


@dataclass(frozen=True, slots=True, eq=False)
class FaceKernel:
    """Runs a kernel over the rows of a face; ``apart`` also over the others."""

    kernel: Kernel
    face: Face
    apart: bool = False
    """Sum the rows inside and those outside apart, as ``Sums`` of the two."""

    @property
    def name(self) -> str:
        """What the dashboard shows."""
        return self.kernel.name

    def open(self) -> Any:
        """Return the kernel's buffers."""
        return self.kernel.open()

    def start(self) -> tuple[Any, Any]:
        """Return empty sums of both sides."""
        return self.kernel.start(), self.kernel.start()

    def add(self, sums: tuple[Any, Any], rows: Rows, buffers: Any) -> None:
        """Add the rows of a block to the sum of their side."""
        rows = rows.positive()
        inside = self.face.inside(rows.X)
        sides = ((sums[0], inside), (sums[1], ~inside))
        for own, mask in sides[: 1 + self.apart]:
            if mask.any():
                self.kernel.add(own, rows.chosen(np.flatnonzero(mask)), buffers)

    def finish(self, sums: tuple[Any, Any]) -> Summable:
        """Return the sum over the face, or over both sides."""
        if not self.apart:
            return self.kernel.finish(sums[0])
        return Sums(tuple(self.kernel.finish(own) for own in sums))
