"""Slabs of which every sum is added to a total where it lies.

Where columns are many, or rows store few of them, a vector or matrix of a slab's own
would cost more than its rows.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np

from dlogreg.evaluation import FloatArray


class InPlaceSlab(ABC):
    """Sums over the loaded rows z_i that are made by adding to zeros."""

    n_params: int

    @abstractmethod
    def add_projection(self, total: FloatArray, values: FloatArray) -> None:
        """Add sum_i values_i z_i to ``total``, which must be contiguous."""

    @abstractmethod
    def add_squares(self, total: FloatArray, weight: FloatArray | None) -> None:
        """Add sum_i s_i z_ij^2 to ``total``."""

    @abstractmethod
    def largest_norm(self, units: FloatArray) -> float:
        """Return the largest squared norm of a scaled row, rounded up."""

    def project(self, values: FloatArray) -> FloatArray:
        """Return sum_i values_i z_i over the loaded rows, shape (n_params,)."""
        total = np.zeros(self.n_params)
        self.add_projection(total, values)
        return total

    def add_points(
        self, total: FloatArray, values: FloatArray, product: FloatArray
    ) -> None:
        """Add sum_i values_bi z_i for every b to ``total``, (n_params, n_points).

        Its columns must be contiguous; ``product`` is not needed.
        """
        for b, own in enumerate(values):
            self.add_projection(total[:, b], own)

    def square_sums(
        self, units: FloatArray, weight: FloatArray | None
    ) -> tuple[float, FloatArray]:
        """Return the largest squared norm of a scaled row, and sum_i s_i z_ij^2."""
        total = np.zeros(self.n_params)
        self.add_squares(total, weight)
        return self.largest_norm(units), total
