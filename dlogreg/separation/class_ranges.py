"""Columns whose ranges separate groups of three or more classes.

If a value c splits the classes, so that all rows of some classes have x <= c and all
rows of the others x >= c, adding t (x - c) to the predictors of the upper classes never
lowers the likelihood of a row and raises that of rows off c, for every t > 0: there is
no finite optimum. This costs nothing beyond the ranges by class. It finds every 0/1
column with a level in which a class does not occur.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from dlogreg.evaluation import FloatArray, Label
from dlogreg.survey import Survey

MAX_LISTED = 3


def find_splitting(survey: Survey, names: Sequence[str]) -> dict[str, str]:
    """Return columns that by themselves split the classes, with the reason."""
    ranges = [survey.sums.ranges.by_label[label] for label in survey.classes]
    low, high = np.array(ranges).transpose(1, 0, 2)
    intercept = survey.standardization.fit_intercept
    reasons = {}
    for j, value in _splits(low, high, intercept=intercept):
        below = high[:, j] <= value
        if below.all():  # a class of this value alone is then counted to those above
            below = low[:, j] < value
        lower, upper = (
            [label for label, here in zip(survey.classes, side, strict=True) if here]
            for side in (below, ~below)
        )
        indicator = (low[:, j].min(), high[:, j].max()) == (0, 1)
        reasons[names[j]] = _reason(names[j], value, lower, upper, indicator=indicator)
    return reasons


def _splits(
    low: FloatArray, high: FloatArray, *, intercept: bool
) -> list[tuple[int, float]]:
    """Return columns and the value that splits the classes, shape (n_classes, ...).

    If any value does, the largest value of some class does. Without an intercept the
    dividing value must be zero.
    """
    varies = low.min(axis=0) < high.max(axis=0)
    values = np.full(low.shape[1], np.nan)
    for k, top in enumerate(high if intercept else np.zeros_like(low)):
        above = low >= top
        fits = ((high <= top) | above).all(axis=0) & (high[k] <= top) & varies
        above[k] = False
        found = fits & above.any(axis=0) & np.isnan(values)
        values[found] = top[found]
    return [(j, float(values[j])) for j in np.flatnonzero(~np.isnan(values)).tolist()]


def _reason(
    name: str,
    value: float,
    lower: Sequence[Label],
    upper: Sequence[Label],
    *,
    indicator: bool,
) -> str:
    if indicator and value == 0:
        return f"no row with {name} = 1 has y = {_listed(lower)}"
    if indicator and value == 1:
        return f"no row with {name} = 0 has y = {_listed(upper)}"
    return (
        f"y = {_listed(lower)} only where {name} <= {value:g}, "
        f"y = {_listed(upper)} only where it is at least that"
    )


def _listed(labels: Sequence[Label]) -> str:
    shown = " or ".join(repr(label) for label in labels[:MAX_LISTED])
    more = len(labels) - MAX_LISTED
    return f"{shown} or {more} more" if more > 0 else shown
