"""What the first pass found out about the data, judged before the solver starts."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from dlogreg.errors import DataError
from dlogreg.evaluation import FloatArray, Label
from dlogreg.solvers.system import (
    LEAST_SQUARES,
    combination,
    independent_columns,
)
from dlogreg.standardization import Standardization
from dlogreg.survey import Survey, SurveySums, class_shares, sort_labels

SURE_TOLERANCE = 1e-3
"""A residual share above it is no rounding of sums in float32."""
LARGEST_WEIGHT = 1e100
"""Sums of weights beyond this, or below its inverse, would overflow when squared."""


def ordered_classes(
    sums: SurveySums, wanted: Sequence[Label] | None
) -> tuple[Label, ...]:
    """Return (other, event), or more labels with the reference first, or raise."""
    return order_labels(sums.groups, sums.n_dropped, wanted)


def order_labels(
    labels: Collection[Label], n_dropped: int, wanted: Sequence[Label] | None
) -> tuple[Label, ...]:
    """Return the labels that were found in the order of the classes, or raise."""
    found = sort_labels(labels)
    listed = ", ".join(repr(label) for label in found)
    if not found and n_dropped:
        raise DataError(
            f"every one of the {n_dropped:,} rows has a missing value, so that "
            "missing='drop' leaves nothing to fit; leave out the columns that are "
            "missing most"
        )
    if not found:
        raise DataError("there are no rows with a positive weight; nothing to fit")
    if len(found) == 1:
        raise DataError(
            f"y has only one class, {listed}; logistic regression needs rows of both"
        )
    if len(found) > 2:
        check_discrete(found)
    if wanted is not None:
        if set(wanted) != set(found):
            raise DataError(f"classes={tuple(wanted)!r} but y holds {listed}")
        found = list(wanted)
    return tuple(found)


def check_discrete(labels: Sequence[Label]) -> None:
    """Refuse three or more labels among which there are fractions."""
    fractions = [x for x in labels if isinstance(x, float) and x != round(x)]
    if fractions:
        raise DataError(
            f"y has {len(labels)} distinct values with fractions among them "
            f"({fractions[0]!r}): it looks continuous; logistic regression needs "
            "labels, for example y > threshold, or y.astype(str) if they are labels"
        )


def check_magnitudes(survey: Survey, names: Sequence[str]) -> None:
    """Refuse columns and weights whose sums leave the range of float64."""
    first = int(survey.standardization.fit_intercept)
    finite = np.isfinite(survey.column_squares()[first:])
    if not finite.all():
        overflown = np.flatnonzero(~finite)
        raise DataError(
            f"column {names[overflown[0]]!r} has values so large that the sum of "
            "their squares overflows; divide it by its largest value first"
        )
    total = survey.weight_sum
    if not 1 / LARGEST_WEIGHT < total < LARGEST_WEIGHT:
        advice = "multiply all of them by the same number"
        raise DataError(f"sample_weight sums to {total:.3g}; {advice}")
    shares = class_shares(survey)
    if 0.0 in shares or 1.0 in shares[1:]:
        light = survey.classes[int(shares.argmin())]
        raise DataError(
            f"rows with y = {light!r} weigh less than 1e-16 of all; give them more "
            "weight, or leave the class out"
        )


def check_shape(n_rows: int, n_params: int, *, penalized: bool) -> None:
    """Refuse more coefficients than rows, unless there is a penalty."""
    if n_rows < n_params and not penalized:
        raise DataError(
            f"{n_params} coefficients cannot be estimated from {n_rows} rows; leave "
            "columns out or give a penalty, alpha > 0"
        )


def check_clusters(survey: Survey) -> None:
    """Refuse groups that are one."""
    clusters = survey.sums.clusters
    if clusters is not None and len(clusters) < 2:
        raise DataError(
            f"all rows are in one group, {clusters.keys.tolist()[0]!r}, and one group "
            "tells nothing about how groups vary; give two or more, or leave groups out"
        )


def find_aliased(
    survey: Survey, names: Sequence[str], gram: FloatArray | None
) -> dict[str, str]:
    """Return the columns that add nothing to those before them, with the reason."""
    return aliased_columns(survey.standardization, *survey.ranges, names, gram)


def aliased_columns(
    std: Standardization,
    low: FloatArray,
    high: FloatArray,
    names: Sequence[str],
    gram: FloatArray | None,
) -> dict[str, str]:
    """Return the same from the ranges of the columns and the sums of their products.

    ``gram`` is in the solver's coordinates, the intercept's line first.
    """
    first = int(std.fit_intercept)
    constant = _constant(low, high, fit_intercept=std.fit_intercept)
    reasons = {
        names[j]: f"it is constant ({low[j] + 0.0:g} in every row)"
        for j in np.flatnonzero(constant).tolist()
    }
    if gram is None:
        return reasons
    masked = np.concatenate([np.zeros(first, dtype=bool), constant])
    kept = independent_columns(gram, masked, fit_intercept=bool(first))
    if len(kept) + int(masked.sum()) == len(gram):
        return reasons
    for j in np.setdiff1d(np.flatnonzero(~masked), kept).tolist():
        weights = combination(gram, kept, j)
        sizes = np.maximum(np.diagonal(gram), LEAST_SQUARES)
        shares = weights * np.sqrt(sizes / sizes[j])
        weights = weights[first:] * std.scale[j - first] / std.scale
        reasons[names[j - first]] = _reason(weights, shares[first:], names)
    return {name: reasons[name] for name in names if name in reasons}


def find_suspects(survey: Survey, kept: npt.NDArray[np.intp]) -> npt.NDArray[np.intp]:
    """Return kept params that may be aliased, as far as float32 sums can tell."""
    assert survey.gram is not None
    first = int(survey.standardization.fit_intercept)
    constant = _constant(*survey.ranges, fit_intercept=bool(first))
    masked = np.concatenate([np.zeros(first, dtype=bool), constant])
    sure = independent_columns(
        survey.gram, masked, fit_intercept=bool(first), tolerance=SURE_TOLERANCE
    )
    return np.setdiff1d(kept, sure)


def _constant(
    low: FloatArray, high: FloatArray, *, fit_intercept: bool
) -> npt.NDArray[np.bool_]:
    if fit_intercept:
        return np.asarray(low == high)
    return np.asarray((low == 0) & (high == 0))


def _reason(weights: FloatArray, shares: FloatArray, names: Sequence[str]) -> str:
    """Say what a column is made of; shares tell which weights are not rounding."""
    order = np.argsort(-np.abs(shares)).tolist()
    used = [j for j in order if abs(shares[j]) > 1e-6]
    if not used:
        return "it varies too little for its size; centre or rescale it"
    if len(used) > 4:
        listed = ", ".join(repr(names[j]) for j in used[:4])
        return f"it is a linear combination of {len(used)} columns ({listed}, ...)"
    terms = " + ".join(f"{weights[j]:.4g} * {names[j]}" for j in used)
    return f"it equals {terms}, up to a constant"


def alias_message(dropped: Mapping[str, str]) -> str:
    """Say which columns were dropped and what to do."""
    shown = [f"{name!r} ({reason})" for name, reason in list(dropped.items())[:5]]
    more = f" and {len(dropped) - 5} more" if len(dropped) > 5 else ""
    return (
        f"dropped {', '.join(shown)}{more}: such columns add nothing to the columns "
        "before them and their coefficients cannot be estimated; leave them out, or "
        "give a penalty, alpha > 0"
    )


@dataclass(frozen=True, slots=True, eq=False)
class Sides:
    """Which columns have the classes on two sides of a value, touching it at most."""

    upward: npt.NDArray[np.bool_]
    """The event lies above, shape (n_features,)."""
    downward: npt.NDArray[np.bool_]
    edge: FloatArray
    """Largest value of the class below."""
    top: FloatArray
    """Smallest value of the class above."""


def find_sides(survey: Survey) -> Sides:
    """Return the columns that separate the classes, by the ranges of each class.

    If all rows of one class lie on one side of a value and all rows of the other class
    on the other side (touching it at most), the coefficient has no finite optimum.
    This costs nothing beyond the ranges by class, and finds any 0/1 column with a level
    in which only one outcome occurs. Without an intercept the value must be zero.
    """
    by_label = survey.sums.ranges.by_label
    (other_low, other_high), (event_low, event_high) = (
        by_label[label] for label in survey.classes
    )
    low, high = survey.ranges
    upward = other_high <= event_low
    downward = event_high <= other_low
    if survey.standardization.fit_intercept:
        varies = low < high
    else:
        varies = (low < 0) | (high > 0)
        upward &= (other_high <= 0) & (event_low >= 0)
        downward &= (event_high <= 0) & (other_low >= 0)
    upward = upward & varies
    return Sides(
        upward,
        downward & varies,
        np.where(upward, other_high, event_high),
        np.where(upward, event_low, other_low),
    )


def find_separating(survey: Survey, names: Sequence[str]) -> dict[str, str]:
    """Return columns that by themselves separate the classes, with the reason."""
    sides = find_sides(survey)
    low, high = survey.ranges
    reasons = {}
    for j in np.flatnonzero(sides.upward | sides.downward).tolist():
        below, above = survey.classes if sides.upward[j] else survey.classes[::-1]
        edge, top = float(sides.edge[j]), float(sides.top[j])
        ends = (float(low[j]), float(high[j]))
        reasons[names[j]] = _side(names[j], edge, top, ends, below, above)
    return reasons


def _side(
    name: str,
    edge: float,
    top: float,
    ends: tuple[float, float],
    below: Label,
    above: Label,
) -> str:
    if ends == (0.0, 1.0) and edge == top == 0:
        return f"every row with {name} = 1 has y = {above!r}"
    if ends == (0.0, 1.0) and edge == top == 1:
        return f"every row with {name} = 0 has y = {below!r}"
    edge += 0.0  # no -0
    if edge == top == ends[1]:  # no row is beyond, so that <= would say nothing
        return f"y = {above!r} only where {name} >= {edge:g}, else y = {below!r}"
    return f"y = {below!r} only where {name} <= {edge:g}, else y = {above!r}"
