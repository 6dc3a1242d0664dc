"""The first pass of by-group models: what rows each group has, and their moments.

For every group and label it sums rows, weights, ranges and the moments of the columns
about their own means, so that nothing is lost where groups lie far from each other.
Two parts with weights w and v and means m and n join as Chan, Golub and LeVeque (1983,
Am. Stat. 37, 242-247) do:

    mean = m + (n - m) v / (w + v),    S = S_w + S_v + (n - m)(n - m)' w v / (w + v).

Joining the two labels of a group gives its moments, and their difference of means the
gradient of the model without columns: Newton's first evaluation, without another pass.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from dlogreg.errors import DataError, MemoryLimitError, MissingValueError
from dlogreg.evaluation import FloatArray, Label
from dlogreg.kernel import Rows, as_dense
from dlogreg.kernel.group_rows import (
    Places,
    coded,
    columns_of,
    products,
    runs_of,
    slab_length,
)
from dlogreg.keyed_sums import Keys, check_kinds
from dlogreg.survey.labels import (
    check_groups,
    check_labels,
    check_offsets,
    check_weights,
    label_masks,
    sort_labels,
)
from dlogreg.tree_sum import TreeSum


@dataclass(frozen=True, slots=True, eq=False)
class GroupMoments:
    """Moments of the columns over the rows of every group."""

    keys: Keys
    """Labels of the groups, sorted, each once, shape (n_groups,)."""
    n_rows: npt.NDArray[np.int64]
    weight: FloatArray
    mean: FloatArray
    """Shape (n_groups, n_features)."""
    low: FloatArray
    """Smallest value of every column, in the same shape."""
    high: FloatArray
    products: FloatArray
    """sum s (x - mean)(x - mean)', shape (n_groups, n_features, n_features)."""
    most: int
    """More groups than this are refused."""

    def __post_init__(self) -> None:
        """Refuse more groups than there is memory for."""
        check_groups_fit(len(self.keys), self.mean.shape[1], self.most)

    def __add__(self, other: GroupMoments) -> GroupMoments:
        """Return the moments over the rows of both."""
        check_kinds(self.keys, other.keys, "by")
        keys, places = np.unique(
            np.concatenate([self.keys, other.keys]), return_inverse=True
        )
        check_groups_fit(len(keys), self.mean.shape[1], self.most)
        mine, theirs = places[: len(self.keys)], places[len(self.keys) :]
        both, a, b = np.intersect1d(
            mine, theirs, assume_unique=True, return_indices=True
        )

        def united(
            x: npt.NDArray[np.generic], y: npt.NDArray[np.generic]
        ) -> FloatArray:
            values = np.empty((len(keys), *x.shape[1:]), x.dtype)
            values[mine], values[theirs] = x, y
            return values

        n_rows = united(self.n_rows, other.n_rows)
        weight, mean = united(self.weight, other.weight), united(self.mean, other.mean)
        low, high = united(self.low, other.low), united(self.high, other.high)
        sums = united(self.products, other.products)
        w, v = self.weight[a], other.weight[b]
        n_rows[both] = self.n_rows[a] + other.n_rows[b]
        weight[both] = w + v
        share = (v / (w + v))[:, None]
        mean[both] = self.mean[a] + share * (other.mean[b] - self.mean[a])
        low[both] = np.minimum(self.low[a], other.low[b])
        high[both] = np.maximum(self.high[a], other.high[b])
        apart = (other.mean[b] - self.mean[a]) * np.sqrt(w[:, None] * share)
        sums[both] = self.products[a] + other.products[b]
        with np.errstate(over="ignore", invalid="ignore"):  # judged after the pass
            sums[both] += apart[:, :, None] * apart[:, None, :]
        return GroupMoments(
            keys, n_rows.astype(np.int64), weight, mean, low, high, sums, self.most
        )


@dataclass(frozen=True, slots=True, eq=False)
class GroupSurvey:
    """What the first pass has found of every label and group."""

    by_label: Mapping[Label, GroupMoments]
    n_dropped: int = 0
    """Rows left out because a value was missing."""

    def __add__(self, other: GroupSurvey) -> GroupSurvey:
        """Return what is found in the rows of both."""
        found = dict(self.by_label)
        for label, moments in other.by_label.items():
            found[label] = found[label] + moments if label in found else moments
        _check_two(found)
        return GroupSurvey(found, self.n_dropped + other.n_dropped)


@dataclass(slots=True, eq=False)
class _Open:
    trees: dict[Label, TreeSum] = field(default_factory=dict)
    n_dropped: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class GroupSurveyKernel:
    """Checks every row and sums the moments of its group."""

    feature_names: tuple[str, ...]
    most: int

    @property
    def name(self) -> str:
        """What the dashboard shows."""
        return "survey"

    def open(self) -> None:
        """Need no buffers."""

    def start(self) -> _Open:
        """Return empty sums."""
        return _Open()

    def add(self, sums: _Open, rows: Rows, buffers: None) -> None:
        """Check a block and add it."""
        sums.n_dropped += rows.n_dropped
        check_weights(rows)
        for slab in rows.slabs(slab_length(len(self.feature_names) + 1)):
            kept = slab.positive()
            if len(kept):
                check_labels(kept)
                check_offsets(kept)
                check_groups(kept, "by")
                self._add_slab(sums, kept)

    def _add_slab(self, sums: _Open, rows: Rows) -> None:
        assert rows.groups is not None
        keys, places = coded(rows.groups)
        for label, mask in label_masks(rows.y, tuple(sums.trees)):
            chosen = np.flatnonzero(mask)
            chosen = chosen[np.argsort(places[chosen], kind="stable")]
            found = self._moments(rows, keys, places, chosen)
            sums.trees.setdefault(label, TreeSum()).push(found)
        _check_two(sums.trees)

    def _moments(
        self, rows: Rows, keys: Keys, places: Places, chosen: Places
    ) -> GroupMoments:
        """Return the moments of some rows, which are sorted by group."""
        present, starts, counts = runs_of(places[chosen])
        z = columns_of(as_dense(rows.X[chosen]))
        low = np.minimum.reduceat(z, starts, axis=1).T
        high = np.maximum.reduceat(z, starts, axis=1).T
        if not (np.isfinite(low).all() and np.isfinite(high).all()):
            self._refuse(rows)
        given = rows.sample_weight
        weights = np.ones(len(chosen)) if given is None else given[chosen]
        weight = np.add.reduceat(weights, starts)
        with np.errstate(over="ignore", invalid="ignore"):  # judged after the pass
            mean = np.add.reduceat(z * weights, starts, axis=1) / weight
            z -= np.repeat(mean, counts, axis=1)
            z *= np.sqrt(weights)
            sums = products(z, starts, counts)
        return GroupMoments(
            keys[present], counts, weight, mean.T, low, high, sums, self.most
        )

    def _refuse(self, rows: Rows) -> None:
        """Name the first value that is no finite number."""
        X = as_dense(rows.X)
        row, column = (int(place) for place in np.argwhere(~np.isfinite(X))[0])
        missing = bool(np.isnan(X[row, column]))
        kind = "NaN" if missing else "infinity"
        raise (MissingValueError if missing else DataError)(
            f"column {self.feature_names[column]!r} holds {kind} in "
            f"{rows.place(row)} of X; remove or fill such rows before fitting"
        )

    def finish(self, sums: _Open) -> GroupSurvey:
        """Return the sums."""
        found = {label: tree.total() for label, tree in sums.trees.items()}
        return GroupSurvey(found, sums.n_dropped)


def _check_two(labels: Mapping[Label, object]) -> None:
    """Refuse a third label as soon as it is found."""
    if len(labels) > 2:
        some = ", ".join(map(repr, sort_labels(labels)[:3]))
        raise DataError(
            f"by= fits models of two classes, and y holds three labels or more ({some}"
            "); fit one class against the others, y == label, or if y is continuous "
            "y > threshold"
        )


def check_groups_fit(n_groups: int, n_features: int, most: int) -> None:
    """Refuse more groups than there is memory for.

    Raises
    ------
    MemoryLimitError
        With the number of groups, of coefficients, and the bytes that they take.
    """
    if n_groups > most:
        each = 8 * (n_features + 1) ** 2
        raise MemoryLimitError(
            f"by has more than {most:,} groups, and the Hessians of so many models of "
            f"{n_features + 1} coefficients take more than "
            f"{most * each / 2**20:,.0f} MiB, which every task holds several of; give "
            "coarser groups or fewer columns, raise memory_limit, or fit the groups in "
            "several calls"
        )
