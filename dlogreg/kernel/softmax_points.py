"""Loss and gradient of the softmax model at several points, from one read.

Every slab is centred once for all points; the products are those of ``softmax``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from dlogreg.evaluation import FloatArray, Label, TrialPoints
from dlogreg.kernel.block import Rows
from dlogreg.kernel.softmax import SoftmaxKernel


@dataclass(frozen=True, slots=True, eq=False)
class SoftmaxPointsKernel:
    """Sums of loss and gradient at every column of ``params``."""

    params: FloatArray
    """Coefficients of the centred columns, class after class without the reference and
    each with the intercept first, shape (n_equations * n_names, n_points)."""
    centre: FloatArray
    """What is subtracted from every column, shape (n_features,)."""
    classes: tuple[Label, ...]
    """The labels, the reference first; every row has one of them."""
    fit_intercept: bool = True
    class_weight: tuple[tuple[Label, float], ...] = ()

    @property
    def name(self) -> str:
        """What the dashboard shows."""
        return "loss_gradient"

    def _kernels(self) -> list[SoftmaxKernel]:
        """Return the kernel of every point."""
        shape = (len(self.classes) - 1, -1)
        return [
            SoftmaxKernel(
                point.reshape(shape),
                self.centre,
                self.classes,
                self.fit_intercept,
                order=1,
                class_weight=self.class_weight,
            )
            for point in self.params.T
        ]

    def open(self) -> Any:
        """Return the buffers, which serve all points, and the kernels."""
        kernels = self._kernels()
        return kernels[0].open(), kernels

    def start(self) -> Any:
        """Return empty sums, one for every point."""
        return [kernel.start() for kernel in self._kernels()]

    def add(self, sums: Any, rows: Rows, buffers: Any) -> None:
        """Add a block, slab by slab."""
        shared, kernels = buffers
        for part in rows.slabs(shared.length):
            slab = part.positive()
            if not len(slab):
                continue
            z = shared.slab.load(slab.X)
            for kernel, own in zip(kernels, sums, strict=True):
                kernel.add_loaded(own, slab, z, shared)

    def finish(self, sums: Any) -> TrialPoints:
        """Return the sums."""
        losses = np.array([own.loss for own in sums])
        return TrialPoints(
            losses, np.column_stack([own.gradient.ravel() for own in sums])
        )
