"""Moments of a column: sums that add, whichever way the rows are cut."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from dlogreg.evaluation import FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class Moments:
    """Count, range, mean, and sums of powers of the distance from the mean."""

    n: int
    low: float
    high: float
    mean: float
    central: FloatArray
    """Sums of (x - mean)**k for k = 2, 3, ...; the first two powers are n and 0."""

    @classmethod
    def of(cls, x: FloatArray, order: int) -> Moments:
        """Return those of some values up to this order."""
        if not len(x):
            return cls(0, math.inf, -math.inf, 0.0, np.zeros(max(0, order - 1)))
        mean = float(x.mean())
        away = x - mean
        mean += float(away.mean())  # the rounding of the first mean
        away = x - mean
        powers = [float((away**k).sum()) for k in range(2, order + 1)]
        return cls(len(x), float(x.min()), float(x.max()), mean, np.array(powers))

    def __add__(self, other: Moments) -> Moments:
        """Return the moments of both parts together (Pebay 2008, eq. 2.1)."""
        if not self.n or not other.n:
            return other if not self.n else self
        n, distance = self.n + other.n, other.mean - self.mean
        mean = self.mean + distance * (other.n / n)
        sums = [
            part._about(mean, k)
            for k in range(2, len(self.central) + 2)
            for part in (self, other)
        ]
        central = np.array(sums).reshape(-1, 2).sum(axis=1)
        return Moments(
            n, min(self.low, other.low), max(self.high, other.high), mean, central
        )

    def _about(self, centre: float, k: int) -> float:
        """Return the sum of (x - centre)**k."""
        shift = self.mean - centre
        sums: list[float] = [float(self.n), 0.0, *self.central.tolist()]
        return math.fsum(
            math.comb(k, j) * sums[j] * shift ** (k - j) for j in range(k + 1)
        )
