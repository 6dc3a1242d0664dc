"""The first pass: checks, classes, ranges and moments of the columns.

It is at the same time Newton's first evaluation. At any point where all coefficients
but the intercept are zero, every row has the same probability p, so gradient and
Hessian follow from sums that do not depend on how the classes are coded:

    gradient = p * sum_i s_i z_i - sum_{i: event} s_i z_i
    Hessian  = p (1 - p) * sum_i s_i z_i z_i'

The classes therefore need not be known before, and the null model costs nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from dlogreg.errors import DataError
from dlogreg.evaluation import Evaluation, FloatArray, Label
from dlogreg.kernel import Rows, Slab
from dlogreg.kernel.dense import row_weights
from dlogreg.standardization import Standardization

MAX_LABELS = 100
"""More distinct values of y than this are taken for a continuous outcome."""


@dataclass(frozen=True, slots=True, eq=False)
class Group:
    """Sums over the rows of one label."""

    n_rows: int
    weight: float
    z_sum: FloatArray
    """Weighted sum of the centred columns, shape (n_params,)."""
    low: FloatArray
    high: FloatArray
    """Range of every column, shape (n_features,)."""

    def __add__(self, other: Group) -> Group:
        """Return the sums over the rows of both."""
        return Group(
            self.n_rows + other.n_rows,
            self.weight + other.weight,
            self.z_sum + other.z_sum,
            np.minimum(self.low, other.low),
            np.maximum(self.high, other.high),
        )


@dataclass(frozen=True, slots=True, eq=False)
class SurveySums:
    """What the first pass adds up."""

    groups: Mapping[Label, Group]
    second_moments: FloatArray
    """Sum of s z z' of the centred columns, or only its diagonal."""
    max_norm: float
    """Largest squared norm of a centred and scaled row, the 1 included."""

    def __add__(self, other: SurveySums) -> SurveySums:
        """Return the sums over the rows of both."""
        groups = dict(self.groups)
        for label, group in other.groups.items():
            groups[label] = groups[label] + group if label in groups else group
        if len(groups) > MAX_LABELS:
            raise DataError(_too_many(groups))
        return SurveySums(
            groups,
            self.second_moments + other.second_moments,
            max(self.max_norm, other.max_norm),
        )


@dataclass(slots=True, eq=False)
class _Open:
    second_moments: FloatArray
    groups: dict[Label, Group] = field(default_factory=dict)
    max_norm: float = 0.0


@dataclass(frozen=True, slots=True, eq=False)
class SurveyKernel:
    """Checks every row and sums what Newton's first step needs."""

    standardization: Standardization
    feature_names: tuple[str, ...]
    order: int = 2
    class_weight: tuple[tuple[Label, float], ...] = ()

    @property
    def name(self) -> str:
        """What the dashboard shows."""
        return "survey"

    def open(self) -> Slab:
        """Return the slab's buffers."""
        std = self.standardization
        return Slab(std.mean, fit_intercept=std.fit_intercept)

    def start(self) -> _Open:
        """Return empty sums."""
        k = self.standardization.n_params
        return _Open(np.zeros((k, k) if self.order == 2 else k))

    def add(self, sums: _Open, rows: Rows, buffers: Slab) -> None:
        """Check a block and add it, slab by slab."""
        check_weights(rows)
        check_labels(rows.positive())
        with np.errstate(invalid="ignore", over="ignore"):  # named by _refuse
            for slab in rows.slabs(buffers.length):
                self._add_slab(sums, slab.positive(), buffers)

    def _add_slab(self, sums: _Open, rows: Rows, buffers: Slab) -> None:
        if not len(rows):
            return
        z = buffers.load(rows.X)
        weight = row_weights(rows, self.class_weight)
        self._add_groups(sums, rows, z, weight)
        squares = buffers.squares(z)
        norms = self.standardization.units**2 @ squares
        sums.max_norm = max(sums.max_norm, float(norms.max()))
        if self.order == 2:
            if weight is not None:
                np.multiply(z, np.sqrt(weight), out=z)
            buffers.add_gram(sums.second_moments, z)
        else:
            ones = np.ones(len(rows)) if weight is None else weight
            sums.second_moments += squares @ ones

    def _add_groups(
        self, sums: _Open, rows: Rows, z: FloatArray, weight: FloatArray | None
    ) -> None:
        for label, mask in label_masks(rows.y, tuple(sums.groups)):
            share = mask.astype(float) if weight is None else mask * weight
            z_sum = z @ share
            if not np.isfinite(z_sum).all():
                self._refuse(rows)
            inside = rows.X[mask]
            group = Group(
                int(mask.sum()),
                float(share.sum()),
                z_sum,
                inside.min(axis=0).astype(float),
                inside.max(axis=0).astype(float),
            )
            known = sums.groups.get(label)
            sums.groups[label] = group if known is None else known + group
        if len(sums.groups) > MAX_LABELS:
            raise DataError(_too_many(sums.groups))

    def _refuse(self, rows: Rows) -> None:
        bad = ~np.isfinite(rows.X)
        if not bad.any():
            column = self.feature_names[int(np.abs(rows.X).max(axis=0).argmax())]
            message = f"column {column!r} has values so large that their sum overflows"
            raise DataError(f"{message}; divide it by its largest value first")
        row, column_index = np.argwhere(bad)[0]
        kind = "NaN" if np.isnan(rows.X[row, column_index]) else "infinity"
        raise DataError(
            f"column {self.feature_names[column_index]!r} holds {kind} in "
            f"{rows.place(int(row))} of X; remove or fill such rows before fitting"
        )

    def finish(self, sums: _Open) -> SurveySums:
        """Return the sums."""
        return SurveySums(sums.groups, sums.second_moments, sums.max_norm)


def label_masks(
    y: npt.NDArray[Any], known: tuple[Label, ...]
) -> list[tuple[Label, npt.NDArray[np.bool_]]]:
    """Return the rows of every label that occurs; sorts only labels not yet known."""
    masks = [(label, y == label) for label in known]
    rest = np.ones(len(y), dtype=bool)
    for _, mask in masks:
        rest &= ~mask
    if rest.any():
        masks += [(label, y == label) for label in _distinct(y[rest])]
    return [(label, mask) for label, mask in masks if mask.any()]


def _distinct(values: npt.NDArray[Any]) -> list[Label]:
    if values.dtype == object:
        labels = set(values.tolist())
    else:
        labels = set(np.unique(values).tolist())
    if len(labels) > MAX_LABELS:
        raise DataError(_too_many(labels))
    return sort_labels(labels)


def sort_labels(labels: Any) -> list[Label]:
    """Return labels in their natural order; labels of mixed kinds by their text."""
    try:
        return sorted(labels)
    except TypeError:
        return sorted(labels, key=str)


def _too_many(labels: Any) -> str:
    some = ", ".join(repr(label) for label in sort_labels(labels)[:3])
    return (
        f"y has more than {MAX_LABELS} distinct values ({some}, ...): it looks "
        "continuous; logistic regression needs labels, for example y > threshold"
    )


def check_weights(rows: Rows) -> None:
    """Refuse weights that are negative, NaN or infinite."""
    weight = rows.sample_weight
    if weight is None or (np.isfinite(weight).all() and (weight >= 0).all()):
        return
    row = int(np.flatnonzero(~(np.isfinite(weight) & (weight >= 0)))[0])
    raise DataError(
        f"sample_weight is {weight[row]} in {rows.place(row)}; weights must be finite "
        "and not negative (0 leaves a row out)"
    )


def check_labels(rows: Rows) -> None:
    """Refuse labels that are missing or infinite."""
    y = rows.y
    if y.dtype.kind == "f":
        bad = ~np.isfinite(y)
    elif y.dtype == object:
        bad = np.fromiter(map(_is_missing, y), dtype=bool, count=len(y))
    else:
        return
    if bad.any():
        row = int(np.flatnonzero(bad)[0])
        value = y[row]
        message = f"y is {value} in {rows.place(row)}; remove rows without an outcome"
        raise DataError(message)


def _is_missing(value: Any) -> bool:
    if value is None or type(value).__name__ in ("NAType", "NaTType"):
        return True
    return isinstance(value, float) and not np.isfinite(value)


@dataclass(frozen=True, slots=True, eq=False)
class Survey:
    """What is known after the first pass, in the coordinates of the solver."""

    sums: SurveySums
    classes: tuple[Label, ...]
    standardization: Standardization

    @property
    def n_rows(self) -> int:
        """Number of rows with a positive weight."""
        return sum(group.n_rows for group in self.sums.groups.values())

    @property
    def weight_sum(self) -> float:
        """Sum of the weights."""
        return sum(self.sums.groups[label].weight for label in self.classes)

    @property
    def event(self) -> Label:
        """The label whose probability is modelled."""
        return self.classes[-1]

    @property
    def class_counts(self) -> dict[Label, int]:
        """Rows of every class."""
        return {label: self.sums.groups[label].n_rows for label in self.classes}

    @property
    def ranges(self) -> tuple[FloatArray, FloatArray]:
        """Smallest and largest value of every column."""
        groups = self.sums.groups.values()
        low = np.min([group.low for group in groups], axis=0)
        return low, np.max([group.high for group in groups], axis=0)

    @property
    def reach(self) -> FloatArray:
        """Largest |z_j| over all rows, the intercept's 1 included, (n_params,)."""
        std, (low, high) = self.standardization, self.ranges
        reach = np.maximum(np.abs(low - std.mean), np.abs(high - std.mean)) / std.scale
        return np.concatenate([np.ones(int(std.fit_intercept)), reach])

    @property
    def radius(self) -> float:
        """Largest norm of a centred and scaled row, the 1 included."""
        return float(np.sqrt(self.sums.max_norm))

    @property
    def gram(self) -> FloatArray | None:
        """sum_i s_i z_i z_i' in the solver's coordinates; None after order 1."""
        moments, unit = self.sums.second_moments, self.standardization.units
        return moments * unit * unit[:, None] if moments.ndim == 2 else None

    @property
    def event_share(self) -> float:
        """Weighted share of the event."""
        return self.sums.groups[self.event].weight / self.weight_sum

    def null_theta(self) -> FloatArray:
        """Return the optimum of the model without columns, as theta."""
        theta = np.zeros(self.standardization.n_params)
        if self.standardization.fit_intercept:
            share = self.event_share
            theta[0] = np.log(share) - np.log1p(-share)
        return theta

    def null_evaluation(self) -> Evaluation:
        """Return the exact evaluation at ``null_theta``, from the survey's sums."""
        std, groups = self.standardization, self.sums.groups
        share = self.event_share if std.fit_intercept else 0.5
        total = np.sum([group.z_sum for group in groups.values()], axis=0)
        moments = self.sums.second_moments
        event = self.event_share
        log_likelihood = event * np.log(share) + (1 - event) * np.log1p(-share)
        sums = Evaluation(
            -self.weight_sum * log_likelihood,
            share * total - groups[self.event].z_sum,
            share * (1 - share) * moments if moments.ndim == 2 else None,
        )
        return std.scaled(sums)

    def column_squares(self) -> FloatArray:
        """Return sum_i s_i z_ij^2 for every param, in the solver's coordinates."""
        moments = self.sums.second_moments
        diagonal = moments if moments.ndim == 1 else np.diagonal(moments)
        return diagonal * self.standardization.units**2


@dataclass(frozen=True, slots=True, eq=False)
class Moments:
    """Count, means and centred sums of squares; adds by Chan's formula."""

    n_rows: int
    mean: FloatArray
    squares: FloatArray

    def __add__(self, other: Moments) -> Moments:
        """Return the moments of the rows of both."""
        n_rows = self.n_rows + other.n_rows
        if not n_rows:
            return self
        shift = other.mean - self.mean
        share = other.n_rows / n_rows
        return Moments(
            n_rows,
            self.mean + shift * share,
            self.squares + other.squares + shift**2 * (self.n_rows * share),
        )


@dataclass(frozen=True, slots=True, eq=False)
class PilotKernel:
    """Moments of the first rows of a few blocks, from which columns are centred."""

    n_features: int
    max_rows: int = 16384

    @property
    def name(self) -> str:
        """What the dashboard shows."""
        return "pilot"

    def open(self) -> None:
        """Need no buffers."""

    def start(self) -> list[Moments]:
        """Return an empty sum."""
        zero = np.zeros(self.n_features)
        return [Moments(0, zero, zero)]

    def add(self, sums: list[Moments], rows: Rows, buffers: None) -> None:
        """Add the first rows of a block."""
        X = rows.positive().X[: self.max_rows].astype(float)
        if len(X):
            with np.errstate(all="ignore"):  # the survey names NaN and overflow
                mean = X.mean(axis=0)
                sums[0] = sums[0] + Moments(len(X), mean, ((X - mean) ** 2).sum(axis=0))

    def finish(self, sums: list[Moments]) -> Moments:
        """Return the moments."""
        return sums[0]
