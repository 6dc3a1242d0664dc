"""What the first pass adds up."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from dlogreg.chain import ChainSums
from dlogreg.errors import DataError
from dlogreg.evaluation import FloatArray, Label
from dlogreg.keyed_sums import KeyedSums
from dlogreg.spare_matrices import spare_matrices
from dlogreg.survey.labels import MAX_LABELS, too_many_labels
from dlogreg.survey.offset import NullSums
from dlogreg.survey.ranges import Ranges


@dataclass(frozen=True, slots=True, eq=False)
class Group:
    """Sums over the rows of one label."""

    n_rows: int
    weight: float
    z_sum: FloatArray | None
    """Weighted sum of the centred columns, shape (n_params,); None where the pass has
    learned and the null model is not needed."""

    def weighted(self, factor: float) -> Group:
        """Return the sums with all weights multiplied."""
        z_sum = None if self.z_sum is None else factor * self.z_sum
        return Group(self.n_rows, factor * self.weight, z_sum)

    def __add__(self, other: Group) -> Group:
        """Return the sums over the rows of both."""
        return Group(
            self.n_rows + other.n_rows,
            self.weight + other.weight,
            None
            if self.z_sum is None or other.z_sum is None
            else self.z_sum + other.z_sum,
        )

    def absorb(self, other: Group) -> Group:
        """Return the sums over the rows of both, in the memory of these."""
        z_sum = self.z_sum
        if z_sum is None or other.z_sum is None:
            return self + other
        z_sum += other.z_sum
        return Group(self.n_rows + other.n_rows, self.weight + other.weight, z_sum)

    def copy(self) -> Group:
        """Return the same sums in memory of their own."""
        return replace(self, z_sum=None if self.z_sum is None else self.z_sum.copy())


@dataclass(frozen=True, slots=True, eq=False)
class SurveySums:
    """What the first pass adds up."""

    groups: Mapping[Label, Group]
    ranges: Ranges
    second_moments: FloatArray
    """Sum of s z z' of the centred columns, or only its diagonal."""
    max_norm: float
    """Largest squared norm of a centred and scaled row, the 1 included."""
    chains: ChainSums | None = None
    """What the pass has learned, if it was to learn."""
    null: NullSums | None = None
    """Sums for the null model, if rows have offsets; their weights are not rescaled."""
    clusters: KeyedSums | None = None
    """Rows of every group, if there are groups."""
    n_dropped: int = 0
    """Rows left out because a value was missing."""

    def weighted(self, factor: float) -> SurveySums:
        """Return the sums with all weights multiplied.

        What the chains learned stays: nothing that is asked of it has a scale.
        """
        return replace(
            self,
            groups={label: g.weighted(factor) for label, g in self.groups.items()},
            second_moments=factor * self.second_moments,
        )

    def __add__(self, other: SurveySums) -> SurveySums:
        """Return the sums over the rows of both."""
        groups = {label: group.copy() for label, group in self.groups.items()}
        for label, group in other.groups.items():
            known = groups.get(label)
            groups[label] = group.copy() if known is None else known.absorb(group)
        moments = self.second_moments + other.second_moments
        return self._added(other, groups, self.ranges + other.ranges, moments)

    def absorb(self, other: SurveySums) -> SurveySums:
        """Return the sums over the rows of both, in the memory that they have."""
        groups = dict(self.groups)
        for label, group in other.groups.items():
            known = groups.get(label)
            groups[label] = group if known is None else known.absorb(group)
        moments = self.second_moments
        moments += other.second_moments
        if moments.ndim == 2:
            spare_matrices.give(other.second_moments)
        return self._added(other, groups, self.ranges.absorb(other.ranges), moments)

    def _added(
        self,
        other: SurveySums,
        groups: Mapping[Label, Group],
        ranges: Ranges,
        moments: FloatArray,
    ) -> SurveySums:
        """Return these sums of both, and add the others."""
        if len(groups) > MAX_LABELS:
            raise DataError(too_many_labels(groups))
        return SurveySums(
            groups,
            ranges,
            moments,
            max(self.max_norm, other.max_norm),
            None
            if self.chains is None or other.chains is None
            else self.chains + other.chains,
            None if self.null is None or other.null is None else self.null + other.null,
            None
            if self.clusters is None or other.clusters is None
            else self.clusters + other.clusters,
            self.n_dropped + other.n_dropped,
        )
