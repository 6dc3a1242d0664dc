"""Source: where the rows of X, y and the weights come from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from dlogreg.kernel.outcomes import Outcome
from dlogreg.row_kind import RowKind
from dlogreg.source.blocks import Blocks
from dlogreg.source.graph import GraphBlocks

GUESSED_SHARE = 0.05
"""Share of values taken to be stored in compressed rows before any is read."""
INDEX_BYTES = 4


@dataclass(frozen=True, slots=True, eq=False)
class Source:
    """Aligned rows of X, y and sample weights.

    ``blocks`` loads X together with whatever lies in the same blocks; a field that
    is cut in another way stands in ``vectors`` and is read along.
    """

    blocks: Blocks
    vectors: Mapping[str, Blocks]
    feature_names: tuple[str, ...]
    dtype: np.dtype[Any]
    """Type of X as it is loaded."""
    in_memory: bool = False
    """X lies in this process as an array."""
    kind: str = "array"
    """What the user gave, for plan and messages."""
    drops: bool = False
    """Rows with a missing value are left out."""
    sparse: int = RowKind.DENSE
    """The kind of the rows of X: of other than dense ones zeros are not stored."""
    stored_values: float | None = None
    """Mean number of stored values in a row, where zeros are not; None if not known."""
    shares: bool = False
    """Beside trials, y holds shares of successes, not their counts."""
    held_share: float = 0.0
    """Share of the rows that are held out by their numbers."""
    outcome: Outcome | None = None
    """Which of several outcomes is y; None: y as it is read."""

    @property
    def n_features(self) -> int:
        """Number of columns of X."""
        return len(self.feature_names)

    @property
    def row_values(self) -> float:
        """Values of X in a mean row: stored ones, where zeros are not stored."""
        if not self.sparse:
            return self.n_features
        if self.stored_values is None:
            return max(1.0, GUESSED_SHARE * self.n_features)
        return self.stored_values

    @property
    def row_bytes(self) -> int:
        """Decoded bytes of a mean row of X."""
        size = self.dtype.itemsize + (INDEX_BYTES if self.sparse else 0)
        return int(self.row_values * size) + (INDEX_BYTES if self.sparse else 0)

    @property
    def n_rows(self) -> int | None:
        """Number of rows; None if only a pass would tell."""
        counts = self.blocks.row_counts
        return None if counts is None else sum(counts)

    @property
    def has_trials(self) -> bool:
        """Whether y counts successes, so that every row is read as two."""
        return "trials" in self.blocks.fields or "trials" in self.vectors

    @property
    def on_cluster(self) -> bool:
        """Tell whether X lies in the memory of a cluster."""
        return isinstance(self.blocks, GraphBlocks) and self.blocks.on_cluster

    @property
    def largest_block(self) -> int | None:
        """Rows of the largest block; None if only a pass would tell."""
        counts = self.blocks.row_counts
        return None if counts is None else max(counts, default=0)
