"""Whether y holds shares of the trials, or counts of successes: decided once, ahead.

A float y in which a fraction between 0 and 1 is found holds shares. y is looked through
without X: all of it where it lies in memory, else a few blocks spread over the data.
Rows of weight 0 do not count.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from dlogreg.kernel import Rows
from dlogreg.partition import pick_blocks
from dlogreg.reduction import Reduction
from dlogreg.source import Source
from dlogreg.source.blocks import ArrayBlocks
from dlogreg.source.graph import GraphBlocks
from dlogreg.survey import PILOT_BLOCKS
from dlogreg.trials import WHOLE

READ = ("y", "sample_weight")


@dataclass(frozen=True, slots=True)
class FractionCount:
    """Rows of which y is a fraction between 0 and 1; adding counts those of both."""

    n_rows: int = 0

    def __add__(self, other: FractionCount) -> FractionCount:
        """Return the count over the rows of both."""
        return FractionCount(self.n_rows + other.n_rows)


@dataclass(frozen=True, slots=True)
class FractionKernel:
    """Counts the rows of which y is a fraction between 0 and 1."""

    @property
    def name(self) -> str:
        """What the dashboard shows."""
        return "fractions"

    def open(self) -> None:
        """Need no buffers."""

    def start(self) -> list[int]:
        """Return an empty sum."""
        return []

    def add(self, sums: list[int], rows: Rows, buffers: None) -> None:
        """Count those of a block."""
        try:
            y = np.asarray(rows.positive().y, dtype=np.float64)
        except (TypeError, ValueError):
            return  # refused, with its place, when it is read for the fit
        sums.append(int(np.count_nonzero((y > WHOLE) & (y < 1 - WHOLE))))

    def finish(self, sums: list[int]) -> FractionCount:
        """Return the count."""
        return FractionCount(sum(sums))


def with_shares(source: Source, y: Any) -> Source:
    """Return the source, marked if y, which the user gave, holds shares of trials."""
    kind = getattr(getattr(y, "dtype", None), "kind", "f")
    if not source.has_trials or kind in "iub":
        return source
    labels = _without_columns(source)
    here = isinstance(labels.blocks, ArrayBlocks)
    parts = pick_blocks(labels, labels.blocks.n_blocks if here else PILOT_BLOCKS)
    count: FractionCount = Reduction(parts, inline=here).sum(FractionKernel())[0]
    return replace(source, shares=count.n_rows > 0)


def _without_columns(source: Source) -> Source:
    """Return y and the weights alone."""
    blocks = source.blocks
    vectors = {name: source.vectors[name] for name in READ if name in source.vectors}
    if isinstance(blocks, GraphBlocks):
        inside = blocks.only([name for name in READ if name in blocks.fields])
        if "y" in inside.fields:
            return replace(source, blocks=inside, vectors=vectors, feature_names=())
        if inside.fields:
            vectors["sample_weight"] = inside
    return replace(source, blocks=vectors.pop("y"), vectors=vectors, feature_names=())
