"""The penalties of LogisticRegressionCV: what is tried, and what the scores choose."""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Integral
from typing import Any

import numpy as np
import numpy.typing as npt

from dlogreg.evaluation import FloatArray
from dlogreg.selection.chosen_grid import ChosenGrid


def penalty_grid(given_Cs: Any, given_ratios: Any) -> tuple[FloatArray, FloatArray]:
    """Return the values of C, or so many of them, and those of l1_ratio.

    Raises
    ------
    ValueError
    """
    whole = isinstance(given_Cs, Integral)
    Cs = np.logspace(-4, 4, int(given_Cs)) if whole else _numbers(given_Cs)
    l1_ratios = _numbers(given_ratios)
    if Cs.ndim != 1 or not len(Cs) or not (Cs > 0).all():
        raise ValueError(f"Cs must be positive numbers, not {given_Cs!r}")
    within = ((l1_ratios >= 0) & (l1_ratios <= 1)).all()
    if l1_ratios.ndim != 1 or not len(l1_ratios) or not within:
        raise ValueError(
            "l1_ratios must be an array-like of numbers between 0 and 1, not "
            f"{given_ratios!r}"
        )
    return Cs, l1_ratios


def _numbers(given: Any) -> FloatArray:
    """Return an array, of nothing where these are no numbers."""
    try:
        return np.array(given, dtype=float)
    except (TypeError, ValueError):
        return np.empty(0)


@dataclass(frozen=True, slots=True, eq=False)
class Chosen:
    """The penalty with the best scores, and all that it was chosen from."""

    Cs: FloatArray
    l1_ratios: FloatArray
    scores: FloatArray
    """Shape (n_folds, n_l1_ratios, n_cs)."""
    paths: FloatArray
    """Of every fold: the same shape by (n_lines, n_dof), the intercept last."""
    n_passes: npt.NDArray[np.int32]
    """The same shape as the scores."""
    params: FloatArray
    """Coefficients with the penalty that is chosen, shape (n_lines, n_dof)."""
    C: float
    l1_ratio: float
    error_bound: float
    """Of these coefficients; NaN for a mean over folds."""

    @classmethod
    def of(
        cls,
        found: ChosenGrid,
        scores: FloatArray,
        Cs: FloatArray,
        l1_ratios: FloatArray,
        first: int,
        *,
        refit: bool,
    ) -> Chosen:
        """Choose from scores, (n_folds, n_rules); ``first``: params before the slopes.

        With ``refit`` by the mean scores, otherwise the best of each fold.
        """
        n_folds = len(scores)
        shape = (n_folds, len(l1_ratios), len(Cs))
        table = scores.reshape(shape)
        params = np.roll(found.params, -first, axis=3)  # the intercept last
        paths = params[:-1].reshape(*shape, *params.shape[2:])
        by_C = table.swapaxes(1, 2).reshape(n_folds, -1)  # ties go to the first C
        if refit:
            place, ratio = np.unravel_index(by_C.sum(axis=0).argmax(), shape[:0:-1])
            best = int(ratio) * len(Cs) + int(place)
            chosen, C, l1_ratio = params[-1, best], Cs[place], l1_ratios[ratio]
            bound = float(found.error_bounds[-1, best])
        else:
            place, ratio = np.unravel_index(by_C.argmax(axis=1), shape[:0:-1])
            chosen = paths[np.arange(n_folds), ratio, place].mean(axis=0)
            C, l1_ratio = Cs[place].mean(), l1_ratios[ratio].mean()
            bound = float("nan")
        n_passes = found.n_passes[:-1].reshape(shape).astype(np.int32)
        own = (chosen, float(C), float(l1_ratio), bound)
        return cls(Cs, l1_ratios, table, paths, n_passes, *own)
