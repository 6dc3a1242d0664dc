"""The coefficients of all groups as one table, from which their rows are predicted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from dlogreg.errors import DataError
from dlogreg.evaluation import FloatArray
from dlogreg.formula.recipe import Recipe
from dlogreg.kernel import as_dense
from dlogreg.kernel.group_rows import coded, slab_length
from dlogreg.keyed_sums import Keys, keys_of
from dlogreg.missing import is_missing
from dlogreg.source.frames import frame_to_numpy

if TYPE_CHECKING:
    from dlogreg.grouped.results import GroupedResults

RowName = Callable[[int], str]
"""What a message calls a row of a block."""

EXACT = 2.0**53
"""Below it floats hold every integer."""


@dataclass(frozen=True, slots=True, eq=False)
class GroupTable:
    """The coefficients of all groups, in the order of their labels."""

    levels: Keys
    intercepts: FloatArray
    """Shape (n_groups,); NaN where a group has no model."""
    slopes: FloatArray
    """Shape (n_groups, n_features); 0 for dropped columns."""
    recipe: Recipe | None

    @classmethod
    def of(cls, results: GroupedResults) -> GroupTable:
        """Take the coefficients, where classes are separated such as predict them."""
        first = int(results.fit_intercept)
        nothing = np.full(len(results.feature_names) + first, np.nan)
        lines = [nothing if m is None else m.near_limit() for m in results.models]
        table = np.array(lines)
        intercepts = table[:, 0] if first else 0 * table.sum(axis=1)
        levels = keys_of(results.levels)
        return cls(levels, intercepts, table[:, first:], results.recipe)

    def places(
        self, labels: npt.NDArray[Any], row_name: RowName
    ) -> npt.NDArray[np.intp]:
        """Return the line of every row's group, -1 where the label is missing."""
        places = np.full(len(labels), -1, dtype=np.intp)
        there = np.flatnonzero(~is_missing(labels))
        if not len(there):
            return places
        keys, own = coded(labels[there])
        kinds = keys.dtype.kind, self.levels.dtype.kind
        if len(set(kinds)) > 1 and not set(kinds) <= set("iuf"):
            raise DataError(
                f"by holds labels such as {keys[0].item()!r}, and the groups of the fit"
                f" are such as {self.levels[0].item()!r}; give labels of the same type"
            )
        if kinds != ("f", "f") and "f" in kinds and (np.abs(keys) >= EXACT).any():
            raise DataError(
                "by and the groups of the fit are integers and floats of 2**53 and "
                "more, where floats are rounded; give by as it was in the fit"
            )
        # searched for as floats, integers and unsigned ones would be rounded
        sought = keys.astype(self.levels.dtype) if set(kinds) == {"i", "u"} else keys
        found = np.searchsorted(self.levels, sought).clip(max=len(self.levels) - 1)
        new = np.flatnonzero(self.levels[found] != keys)
        if len(new):
            row = int(there[np.flatnonzero(own == new[0])[0]])
            raise DataError(
                f"by is {keys[new[0]].item()!r} in {row_name(row)}, and the fit has no "
                "such group; leave such rows out, or fit with them"
            )
        places[there] = found[own]
        return places

    def predictor(self, X: Any, places: npt.NDArray[np.intp]) -> FloatArray:
        """Return intercept + x'b of every row's own group, slab by slab."""
        eta = np.full(len(places), np.nan)
        length = slab_length(self.slopes.shape[1])
        for low in range(0, len(places), length):
            own = places[low : low + length]
            there = np.flatnonzero(own >= 0)
            rows = (
                X.iloc[low : low + length] if hasattr(X, "iloc") else X[low:][:length]
            )
            slab = frame_to_numpy(rows) if hasattr(rows, "iloc") else as_dense(rows)
            slopes = self.slopes[own[there]]
            found = np.einsum("ij,ij->i", slab[there].astype(np.float64), slopes)
            eta[low + there] = self.intercepts[own[there]] + found
        return eta
