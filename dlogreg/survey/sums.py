"""What the first pass adds up."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from dlogreg.chain import ChainSums
from dlogreg.errors import DataError
from dlogreg.evaluation import FloatArray, Label
from dlogreg.keyed_sums import KeyedSums
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
        groups = dict(self.groups)
        for label, group in other.groups.items():
            groups[label] = groups[label] + group if label in groups else group
        if len(groups) > MAX_LABELS:
            raise DataError(too_many_labels(groups))
        return SurveySums(
            groups,
            self.ranges + other.ranges,
            self.second_moments + other.second_moments,
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
