r"""The penalties of a path: given, or from the largest that leaves anything at rest.

Above alpha_max every penalised coefficient rests at 0, or at the bound that is nearest
to it. With g the gradient of the mean loss there, of the model in which only the rest
is free,

    alpha_max = max_j  abs(g_j) / (factor_j l1_ratio)

over the columns that bounds let move where g drives them. A ridge penalty leaves
nothing at rest; for l1_ratio below 1e-3 the grid starts where 1e-3 would have it, as in
glmnet.
"""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Real
from typing import Any

import numpy as np

from dlogreg.evaluation import FloatArray
from dlogreg.scalars import is_whole
from dlogreg.solvers import Separable

LEAST_L1_RATIO = 1e-3
MANY_ROWS_RATIO, FEW_ROWS_RATIO = 1e-4, 1e-2
"""Smallest alpha by the largest, with more rows than columns, and with fewer."""
MOST_ALPHAS = 10_000


@dataclass(frozen=True, slots=True, eq=False)
class AlphaGrid:
    """What was asked for: the penalties themselves, or how many and how far."""

    values: FloatArray | None
    """From the largest to the smallest; None if they depend on the data."""
    n_alphas: int
    min_ratio: float | None

    def descending(self, largest: float, n_rows: int, n_features: int) -> FloatArray:
        """Return the penalties, from the largest that leaves all at rest."""
        if self.values is not None:
            return self.values
        ratio = self.min_ratio
        if ratio is None:
            ratio = MANY_ROWS_RATIO if n_rows > n_features else FEW_ROWS_RATIO
        if self.n_alphas == 1:
            return np.array([largest])
        return largest * np.geomspace(1.0, ratio, self.n_alphas)


def check_grid(alphas: Any, n_alphas: Any, min_ratio: Any, default: int) -> AlphaGrid:
    """Return the grid, or raise with what is wrong; ``default`` alphas if not told."""
    if alphas is not None:
        for option, given in (("alpha_min_ratio", min_ratio), ("n_alphas", n_alphas)):
            if given is not None:
                raise ValueError(
                    f"{option} is for a path without alphas; leave one out"
                )
        values = _given(alphas)
        return AlphaGrid(values, len(values), None)
    n_alphas = default if n_alphas is None else n_alphas
    if not (is_whole(n_alphas) and 1 <= n_alphas <= MOST_ALPHAS):
        raise ValueError(
            f"n_alphas must be a whole number of 1 or more, up to {MOST_ALPHAS:,}, "
            f"not {n_alphas!r}"
        )
    if min_ratio is not None and not (
        isinstance(min_ratio, Real) and 0 < float(min_ratio) < 1
    ):
        raise ValueError(
            f"alpha_min_ratio must be a number between 0 and 1, not {min_ratio!r}"
        )
    if min_ratio is not None and n_alphas == 1:
        raise ValueError(
            "alpha_min_ratio does nothing with n_alphas=1, which is the largest alpha "
            "alone; leave it out, or give alphas"
        )
    return AlphaGrid(
        None, int(n_alphas), None if min_ratio is None else float(min_ratio)
    )


def _given(alphas: Any) -> FloatArray:
    try:
        values = np.array(alphas, dtype=np.float64)
    except (TypeError, ValueError):
        values = np.empty(0)
    fits = values.ndim == 1 and len(values) > 0
    if not fits or not (np.isfinite(values).all() and (values > 0).all()):
        raise ValueError(
            f"alphas must be positive numbers, one or more in a list, not {alphas!r}; "
            "for a fit without a penalty there is dlogreg.fit"
        )
    if len(values) > MOST_ALPHAS:
        raise ValueError(
            f"alphas holds {len(values):,} penalties, more than {MOST_ALPHAS:,}; take "
            "fewer, neighbours of which give nearly the same model"
        )
    if len(np.unique(values)) != len(values):
        raise ValueError("alphas must differ from each other, and some are equal")
    return np.sort(values)[::-1]


def resting(penalty: Separable, factors: FloatArray) -> Separable:
    """Return the penalty under which only what has no factor is free.

    The others are held at 0, or at the bound nearest to it; shape (n_params,) all.
    """
    place, held = penalty.nearest(np.zeros(len(factors))), factors > 0
    zero = np.zeros(len(factors))
    low = np.where(held, place, penalty.low)
    high = np.where(held, place, penalty.high)
    return Separable(zero, zero, low, high)


def largest_alpha(
    slopes: FloatArray, theta: FloatArray, penalty: Separable, pull: FloatArray
) -> float:
    """Return the least alpha that leaves everything at rest; 0 if nothing would move.

    Parameters
    ----------
    slopes
        Gradient of the summed loss at rest, shape (n_params,).
    theta
        Where it was taken.
    penalty
        For the bounds.
    pull
        What alpha = 1 weighs the absolute values with, 0 where there is no penalty.
    """
    upward = np.where(theta < penalty.high, -slopes, 0.0)
    downward = np.where(theta > penalty.low, slopes, 0.0)
    drive = np.maximum(np.maximum(upward, downward), 0.0)
    some = pull > 0
    return float((drive[some] / pull[some]).max(initial=0.0))
