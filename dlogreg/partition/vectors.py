"""Fields beside X that are cut in other blocks than it: read along, row by row."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from dlogreg.errors import DataError
from dlogreg.source.blocks import Array, Blocks
from dlogreg.source.retrying import Retries


@dataclass(frozen=True, slots=True, eq=False)
class Vector:
    """A field that is cut in other blocks than X: the blocks that a run overlaps."""

    name: str
    blocks: Blocks
    skip: int
    """Rows of the first block that belong to the run before."""
    n_rows: int
    """Rows of the run."""

    def reader(self, inputs: tuple[Any, ...], retries: Retries | None = None) -> Reader:
        """Open the recipe inside the task."""
        return Reader(self.blocks, self.skip, self.n_rows, inputs, retries or Retries())


class Reader:
    """Reads on and on; a block is loaded once and kept until it is used up.

    Of a block much longer than the run, such as a y that is one chunk, only the rows
    of the run are kept, and the loader goes with the rest.
    """

    def __init__(
        self,
        blocks: Blocks,
        skip: int,
        n_rows: int,
        inputs: tuple[Any, ...],
        retries: Retries,
    ) -> None:
        self._blocks, self._inputs, self._retries = blocks, inputs, retries
        self._load, self._field = retries.opened(blocks, inputs), blocks.fields[0]
        self._row_counts = blocks.row_counts
        self._next, self._skip, self._n_rows = 0, skip, n_rows
        self._rest: Array | None = None

    def read(self, n_rows: int) -> Array:
        """Return the next rows."""
        parts: list[Array] = []
        while n_rows:
            if self._rest is None or not len(self._rest):
                parts = [part.copy() for part in parts]  # loading may overwrite them
                self._rest = self._next_block()
                continue
            parts.append(self._rest[:n_rows])
            self._rest = self._rest[n_rows:]
            n_rows -= len(parts[-1])
        if not parts:
            return np.empty(0)
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    def _next_block(self) -> Array:
        """Load a block; return its rows of the run."""
        block = self._load(self._next)[self._field]
        check_length(self._field, self._row_counts, self._next, len(block))
        rest = block[self._skip :][: self._n_rows]
        self._n_rows -= len(rest)
        self._next, self._skip = self._next + 1, 0
        if 2 * len(rest) <= len(block):
            rest = rest.copy()
            self._load = self._retries.opened(self._blocks, self._inputs)
        return rest


def overlap(
    name: str, blocks: Blocks, rows: Sequence[int], first_row: int, last_row: int
) -> Vector:
    """Return the blocks of a field, which begin at ``rows``, that hold these rows."""
    if first_row == last_row:
        return Vector(name, blocks.take(0, 0), 0, 0)
    start = bisect_right(rows, first_row) - 1
    stop = bisect_left(rows, last_row)
    skip = first_row - rows[start]
    return Vector(name, blocks.take(start, stop), skip, last_row - first_row)


def check_length(
    name: str, row_counts: Sequence[int] | None, block: int, n_rows: int
) -> None:
    """Refuse a block of another length than its array says."""
    if row_counts is not None and row_counts[block] != n_rows:
        raise DataError(
            f"a block of {name} holds {n_rows} rows, but its chunks say "
            f"{row_counts[block]}, so rows of X and of what belongs to them cannot be "
            "matched; mend the chunks, for example with compute_chunk_sizes()"
        )
