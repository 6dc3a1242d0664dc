"""A run of leaves of blocks: what one task of a pass reads, row by row."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from dlogreg.kernel import Rows
from dlogreg.kernel.outcomes import Outcome
from dlogreg.missing import complete_rows, none_as_nan
from dlogreg.partition.block_rows import block_rows, distinct, of_kind
from dlogreg.partition.vectors import Reader, Vector, check_length
from dlogreg.row_kind import RowKind
from dlogreg.source.blocks import Array, Blocks, Load
from dlogreg.source.retrying import Retries


@dataclass(frozen=True, slots=True, eq=False)
class Partition:
    """A run of leaves: what one task reads, and in which order it adds it up."""

    blocks: Blocks
    vectors: tuple[Vector, ...]
    leaves: tuple[int, ...]
    """Borders of the leaves, in blocks of this partition."""
    n_features: int
    first_block: int = 0
    first_row: int | None = 0
    drops: bool = False
    """Rows with a missing value are left out."""
    sparse: int = RowKind.DENSE
    """The kind of the rows of X."""
    shares: bool = False
    """Beside trials, y holds shares of successes, not their counts."""
    held_share: float = 0.0
    """Share of the rows that are held out by their numbers."""
    outcome: Outcome | None = None
    """Which of several outcomes is y; None: y as it is read."""

    def grouped(self, run: int) -> Partition:
        """Return the same rows in leaves that each hold ``run`` of these."""
        last = self.leaves[-1]
        return replace(self, leaves=(*self.leaves[:-1:run], last))

    @property
    def inputs(self) -> tuple[tuple[Any, ...], ...]:
        """What travels beside the recipe."""
        return (self.blocks.inputs, *(vector.blocks.inputs for vector in self.vectors))

    def stream(
        self,
        inputs: tuple[tuple[Any, ...], ...],
        retries: Retries | None = None,
        *,
        linear: bool = False,
    ) -> Iterator[Iterator[Rows]]:
        """Load the blocks one after the other; yield those of each leaf.

        Reads that fail are repeated, and counted. ``linear``: rows are but multiplied
        by vectors, and may store a column twice.
        """
        retries = retries or Retries()
        load = retries.opened(self.blocks, inputs[0])
        readers = {
            vector.name: vector.reader(given, retries)
            for vector, given in zip(self.vectors, inputs[1:], strict=True)
        }
        row = self.first_row
        position = 0

        def leaf(stop: int) -> Iterator[Rows]:
            nonlocal row, position
            while position < stop:
                fields = self._fields(position, load, readers)
                rows = self._rows(fields, position, row, linear=linear)
                position += 1
                row = None if row is None else row + rows.n_read
                yield complete_rows(rows) if self.drops else rows

        for stop in self.leaves[1:]:
            yield leaf(stop)

    def _fields(
        self, position: int, load: Load, readers: Mapping[str, Reader]
    ) -> dict[str, Array]:
        """Load a block, and of the fields beside it as many rows as it has."""
        fields = dict(load(position))
        length = len(next(iter(fields.values())))
        if readers:  # rows beside X are found by counting
            check_length("X", self.blocks.row_counts, position, length)
        for name, reader in readers.items():
            fields[name] = reader.read(length)
        return fields

    def _rows(
        self, fields: dict[str, Array], position: int, row: int | None, *, linear: bool
    ) -> Rows:
        """Return the rows of a block that was loaded, the first of this number."""
        if self.drops:
            fields = {k: none_as_nan(k, v) for k, v in fields.items()}
        index = self.first_block + position
        X = fields.get("X")
        if X is not None:
            X = of_kind(X, index, sparse=self.sparse)
            fields["X"] = X if linear else distinct(X)
        return block_rows(fields, self, index, row)
