"""The problems of all groups, as the first pass leaves them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from dlogreg.checks import LARGEST_WEIGHT, aliased_columns, check_shape
from dlogreg.errors import DataError
from dlogreg.evaluation import Evaluation, FloatArray, Label
from dlogreg.keyed_sums import Keys
from dlogreg.options import FitOptions
from dlogreg.penalty import Ridge
from dlogreg.solvers import Geometry, Newton, Point
from dlogreg.solvers.group_newton import GroupModel, NullIntercept
from dlogreg.solvers.newton import LARGEST_ERROR
from dlogreg.standardization import Standardization
from dlogreg.survey.group_survey import GroupMoments, GroupSurvey


@dataclass(frozen=True, slots=True, eq=False)
class GroupTotals:
    """What the first pass knows of every group, lines in the order of the levels."""

    total: GroupMoments
    """Moments of the rows of both classes."""
    rows: npt.NDArray[np.int64]
    """Rows of each class, shape (n_groups, 2)."""
    weights: FloatArray
    """Their weights, in the same shape."""
    event_sums: FloatArray
    """sum s (x - mean) over the rows of the event, shape (n_groups, n_features)."""
    sided: npt.NDArray[np.bool_]
    """Columns that have the classes on two sides of a value, in the same shape."""

    @classmethod
    def of(
        cls, found: GroupSurvey, classes: Sequence[Label], *, fit_intercept: bool
    ) -> GroupTotals:
        """Join what was found of the two classes."""
        other, event = (found.by_label[label] for label in classes)
        total = other + event
        n_groups, d = total.mean.shape
        rows = np.zeros((n_groups, 2), dtype=np.int64)
        weights = np.zeros((n_groups, 2))
        low, high = (
            np.full((2, n_groups, d), np.inf),
            np.full((2, n_groups, d), -np.inf),
        )
        for i, moments in enumerate((other, event)):
            places = np.searchsorted(total.keys, moments.keys)
            rows[places, i], weights[places, i] = moments.n_rows, moments.weight
            low[i, places], high[i, places] = moments.low, moments.high
        places = np.searchsorted(total.keys, event.keys)
        sums = np.zeros((n_groups, d))
        sums[places] = event.weight[:, None] * (event.mean - total.mean[places])
        sided = _sided(low, high, fit_intercept=fit_intercept)
        return cls(total, rows, weights, sums, sided)

    @property
    def levels(self) -> Keys:
        """Labels of the groups, sorted."""
        return self.total.keys

    def __len__(self) -> int:
        """Return the number of groups."""
        return len(self.levels)


def _sided(
    low: FloatArray, high: FloatArray, *, fit_intercept: bool
) -> npt.NDArray[np.bool_]:
    """Return the columns that separate the classes by themselves, as ``find_sides``.

    Ranges are those of the two classes, shape (2, n_groups, n_features).
    """
    upward, downward = high[0] <= low[1], high[1] <= low[0]
    least, largest = low.min(axis=0), high.max(axis=0)
    if fit_intercept:
        return np.asarray((upward | downward) & (least < largest))
    upward &= (high[0] <= 0) & (low[1] >= 0)
    downward &= (high[1] <= 0) & (low[0] >= 0)
    return np.asarray((upward | downward) & ((least < 0) | (largest > 0)))


@dataclass(slots=True, eq=False)
class PosedGroups:
    """Which groups have a model to be fitted, and why others have none."""

    totals: GroupTotals
    models: list[GroupModel] = field(default_factory=list)
    apart: list[int] = field(default_factory=list)
    """Positions of the groups that are to be fitted by themselves."""
    reasons: dict[int, str] = field(default_factory=dict)
    """Why a group has no model."""
    dropped: dict[int, Mapping[str, str]] = field(default_factory=dict)
    """Aliased columns of a group, with the reason."""


def pose_groups(
    totals: GroupTotals, classes: Sequence[Label], options: FitOptions, most: int
) -> PosedGroups:
    """Judge every group and set up its model, to be evaluated ``most`` times."""
    posed = PosedGroups(totals)
    for place in range(len(totals)):
        reason = _why_not(totals, place, classes, options)
        if reason:
            posed.reasons[place] = reason
            continue
        model, dropped = _pose(totals, place, options, most)
        posed.models.append(model)
        if dropped:
            posed.dropped[place] = dropped
        if not options.penalty and totals.sided[place].any():
            posed.apart.append(place)
    return posed


def _why_not(
    totals: GroupTotals, place: int, classes: Sequence[Label], options: FitOptions
) -> str:
    """Return why a group cannot be fitted; empty if it can."""
    n_params = totals.total.mean.shape[1] + options.fit_intercept
    weights = totals.weights[place]
    if not weights.all():
        return (
            f"y has only one class, {classes[int(weights.argmax())]!r}; logistic "
            "regression needs rows of both"
        )
    total = float(weights.sum())
    if not 1 / LARGEST_WEIGHT < total < LARGEST_WEIGHT:
        return f"sample_weight sums to {total:.3g}; multiply all of them"
    try:
        n_rows = int(totals.rows[place].sum())
        check_shape(n_rows, n_params, penalized=bool(options.penalty))
    except DataError as error:
        return str(error)
    return ""


def _pose(
    totals: GroupTotals, place: int, options: FitOptions, most: int
) -> tuple[GroupModel, Mapping[str, str]]:
    """Return the model of a group, and its aliased columns."""
    found, names = totals.total, options.feature_names
    assert names is not None
    first, weight = int(options.fit_intercept), float(found.weight[place])
    counted = options.weight_kind == "frequency"
    factor = 1.0 if counted else float(found.n_rows[place]) / weight
    low, high = found.low[place], found.high[place]
    variance = np.diagonal(found.products[place]) / weight
    std = Standardization.from_moments(
        found.mean[place], variance, fit_intercept=bool(first)
    )
    gram = _gram(totals, place, std)
    dropped: Mapping[str, str] = {}
    if not options.penalty:
        dropped = aliased_columns(std, low, high, names, gram)
    kept = [j for j, name in enumerate(names, first) if name not in dropped]
    newton = Newton(
        options.tol,
        most,
        _geometry(low, high, std, factor * np.diagonal(gram)),
        np.array([*range(first), *kept], dtype=np.intp),
        finite=options.penalty.coercive,
    )
    penalty = Ridge.of(options.penalty, factor * weight, std)
    exact = math.inf
    if options.inference and not options.penalty:
        exact = min(options.tol, LARGEST_ERROR)
    model = GroupModel(place, newton, std, penalty, None, factor, exact)
    _start(model, totals, gram, options)
    return model, dropped


def _geometry(
    low: FloatArray, high: FloatArray, std: Standardization, squares: FloatArray
) -> Geometry:
    """Return how far rows reach whose columns lie between ``low`` and ``high``."""
    reach = np.maximum(np.abs(low - std.mean), np.abs(high - std.mean)) / std.scale
    reach = np.concatenate([np.ones(int(std.fit_intercept)), reach])
    return Geometry(reach, float(np.linalg.norm(reach)), squares)


def _gram(totals: GroupTotals, place: int, std: Standardization) -> FloatArray:
    """Return sum s z z' in the solver's coordinates, the intercept's line first."""
    found, first = totals.total, int(std.fit_intercept)
    gram = np.zeros((std.n_params, std.n_params))
    gram[first:, first:] = found.products[place]
    if first:
        gram[0, 0] = found.weight[place]
    else:
        gram += found.weight[place] * np.outer(found.mean[place], found.mean[place])
    unit = std.units
    return np.asarray(gram * unit * unit[:, None])


def _start(
    model: GroupModel, totals: GroupTotals, gram: FloatArray, options: FitOptions
) -> None:
    """Begin at the model without columns, which the first pass has evaluated.

    With an offset it has not, and the first evaluation is another pass.
    """
    place, std, factor = model.place, model.standardization, model.factor
    other, event = totals.weights[place].tolist()
    weight, first = other + event, int(std.fit_intercept)
    share = event / weight if first else 0.5
    theta = np.zeros(std.n_params)
    if first:
        theta[0] = math.log(event) - math.log(other)
    if options.has_offset:
        model.trial = theta
        model.null = NullIntercept(math.log(event) - math.log(other))
        return
    slopes = -totals.event_sums[place]
    if not first:
        slopes = slopes + (0.5 * weight - event) * totals.total.mean[place]
    gradient = np.concatenate([np.zeros(first), slopes]) * std.units
    loss = -(event * math.log(share) + other * math.log1p(-share))
    sums = Evaluation(
        factor * loss, factor * gradient, factor * share * (1 - share) * gram
    )
    model.begin(Point(theta, model.penalty.added(sums, theta, [])))


def null_loglikelihood(weights: FloatArray) -> float:
    """Return that of an intercept alone, from the weights of the two classes."""
    total = float(weights.sum())
    return float(sum(w * math.log(w / total) for w in weights.tolist()))
