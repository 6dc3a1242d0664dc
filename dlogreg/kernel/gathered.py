"""The rows of a few groups, brought together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from dlogreg.evaluation import FloatArray
from dlogreg.kernel.block import Rows
from dlogreg.kernel.csr import as_dense
from dlogreg.kernel.group_rows import coded
from dlogreg.keyed_sums import Keys


@dataclass(frozen=True, slots=True, eq=False)
class Gathered:
    """Rows of some groups in the order of the data."""

    pieces: tuple[Rows, ...]

    def __add__(self, other: Gathered) -> Gathered:
        """Return the rows of both."""
        return Gathered((*self.pieces, *other.pieces))

    def of_group(
        self, group: Any
    ) -> tuple[
        npt.NDArray[Any], npt.NDArray[Any], FloatArray | None, FloatArray | None
    ]:
        """Return X, y, weights and offsets of the rows of a group."""
        parts = [p.chosen(np.flatnonzero(p.groups == group)) for p in self.pieces]
        weights = [p.sample_weight for p in parts if p.sample_weight is not None]
        offsets = [p.offset for p in parts if p.offset is not None]
        return (
            np.concatenate([as_dense(p.X) for p in parts]),
            np.concatenate([p.y for p in parts]),
            np.concatenate(weights) if weights else None,
            np.concatenate(offsets) if offsets else None,
        )


@dataclass(frozen=True, slots=True, eq=False)
class GatherKernel:
    """Picks the rows of some groups; their labels become positions among them."""

    groups: Keys
    """Labels of the groups, sorted."""

    @property
    def name(self) -> str:
        """What the dashboard shows."""
        return "gather"

    def open(self) -> None:
        """Need no buffers."""

    def start(self) -> list[Rows]:
        """Return no rows."""
        return []

    def add(self, sums: list[Rows], rows: Rows, buffers: None) -> None:
        """Pick the rows of a block."""
        kept = rows.positive()
        if not len(kept):
            return
        assert kept.groups is not None
        keys, places = coded(kept.groups)
        found = np.searchsorted(self.groups, keys).clip(max=len(self.groups) - 1)
        found[self.groups[found] != keys] = -1
        groups = found[places]
        chosen = np.flatnonzero(groups >= 0)
        if len(chosen):
            part = kept.chosen(chosen)
            sums.append(
                Rows(
                    as_dense(part.X),
                    part.y,
                    part.sample_weight,
                    offset=part.offset,
                    groups=groups[chosen],
                )
            )

    def finish(self, sums: list[Rows]) -> Gathered:
        """Return the rows."""
        return Gathered(tuple(sums))
