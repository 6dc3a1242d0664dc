"""Rows of a raw table as blocks of the design."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import accumulate, pairwise
from typing import Any

import numpy as np

from dlogreg.errors import DataError
from dlogreg.formula.columns import TableBlock
from dlogreg.formula.encoding import Encoder, labels_of, offset_of
from dlogreg.formula.recipe import Recipe
from dlogreg.formula.scan import Found, Rule
from dlogreg.formula.tables import Table
from dlogreg.row_kind import RowKind
from dlogreg.source.blocks import BLOCK_BYTES, Load

LEAST_ROWS, MOST_ROWS = 256, 2**17


@dataclass(frozen=True, slots=True, eq=False)
class RawBlocks:
    """Blocks of a raw table as they are, for the scan."""

    table: Table
    fields: tuple[str, ...] = ("y", "Z")

    @property
    def n_blocks(self) -> int:
        """Number of blocks."""
        return self.table.n_blocks

    @property
    def row_counts(self) -> tuple[int, ...] | None:
        """Rows of every block, where they are known."""
        return self.table.row_counts

    @property
    def inputs(self) -> tuple[Any, ...]:
        """Those of the table."""
        return self.table.inputs

    def take(self, start: int, stop: int) -> RawBlocks:
        """Return the recipe of these blocks alone."""
        return RawBlocks(self.table.take(start, stop))

    def open(self, inputs: tuple[Any, ...]) -> Load:
        """Return a function that loads a block, beside no columns and no labels."""
        load_table = self.table.open(inputs)

        def load(i: int) -> Mapping[str, Any]:
            block = load_table(i)
            return {"y": np.broadcast_to(np.int8(0), len(block)), "Z": block}

        return load


@dataclass(frozen=True, slots=True, eq=False)
class DesignBlocks:
    """Pieces of the blocks of a table, encoded when they are loaded.

    A block of the table is read once for the pieces that follow each other in a task;
    one that two tasks share is read by both.
    """

    table: Table
    recipe: Recipe
    rule: Rule
    kept: tuple[int, ...]
    """Rows of every block of the table that count."""
    pieces: tuple[tuple[int, int, int], ...]
    """Block of the table, first and last of the rows that count."""
    lengths: tuple[int, ...]
    """Rows of every block of the table, those that do not count included."""
    kind: RowKind = RowKind.DENSE
    """The kind of the rows of X."""
    first_row: int = 0
    """Row number of the first row of the table."""

    @classmethod
    def of(cls, table: Table, recipe: Recipe, rule: Rule, found: Found) -> DesignBlocks:
        """Cut the blocks into pieces whose design is about BLOCK_BYTES."""
        columns = Encoder(recipe).columns
        step = int(np.clip(BLOCK_BYTES // columns.row_bytes, LEAST_ROWS, MOST_ROWS))
        blocks = sorted(found.rows)
        kept = tuple(n for *_, n in blocks)
        lengths = tuple(n for _, n, *_ in blocks)
        pieces = tuple(
            (block, low, min(low + step, n_rows))
            for block, n_rows in enumerate(kept)
            for low in range(0, n_rows, step)
        )
        return cls(table, recipe, rule, kept, pieces, lengths, columns.kind)

    @property
    def fields(self) -> tuple[str, ...]:
        """What a block holds."""
        rule = self.rule
        beside = {
            "sample_weight": rule.weight,
            "offset": rule.offset,
            "groups": rule.groups,
        }
        return ("X", "y", *(name for name, given in beside.items() if given))

    @property
    def n_blocks(self) -> int:
        """Number of pieces."""
        return len(self.pieces)

    @property
    def row_counts(self) -> tuple[int, ...]:
        """Rows of every piece."""
        return tuple(high - low for _, low, high in self.pieces)

    @property
    def inputs(self) -> tuple[Any, ...]:
        """Those of the table."""
        return self.table.inputs

    @property
    def read_bytes(self) -> int:
        """Bytes of the largest block of the table as it is read."""
        return self.table.largest_bytes

    def take(self, start: int, stop: int) -> DesignBlocks:
        """Return the recipe of these pieces alone."""
        pieces = self.pieces[start:stop]
        first = pieces[0][0] if pieces else 0
        last = pieces[-1][0] + 1 if pieces else 0
        return replace(
            self,
            table=self.table.take(first, last),
            kept=self.kept[first:last],
            pieces=tuple((block - first, low, high) for block, low, high in pieces),
            lengths=self.lengths[first:last],
            first_row=self.first_row + sum(self.lengths[:first]),
        )

    @property
    def table_blocks(self) -> tuple[tuple[int, int], ...]:
        """First and last of the pieces of every block of the table; some have none."""
        numbers = [block for block, _, _ in self.pieces]
        blocks = range(len(self.lengths))
        starts = [bisect_left(numbers, block) for block in (*blocks, len(blocks))]
        return tuple(pairwise(starts))

    def open(self, inputs: tuple[Any, ...]) -> Load:
        """Return a function that encodes a piece."""
        load_table, encoder = self.table.open(inputs), Encoder(self.recipe)
        encode = encoder.mixed if self.kind == RowKind.MIXED else encoder.design
        starts = tuple(accumulate(self.lengths, initial=self.first_row))
        last: list[tuple[int, TableBlock, Any]] = []

        def load(i: int) -> Mapping[str, Any]:
            number, low, high = self.pieces[i]
            if not last or last[0][0] != number:
                last.clear()  # before the next block is in memory
                last.append((number, *self._complete(load_table(number), number)))
            _, block, weight = last[0]
            piece = block.take(slice(low, high))
            places = np.arange(low, high) if piece.kept is None else piece.kept
            fields: dict[str, Any] = {"X": encode(piece), "y": encoder.response(piece)}
            fields["numbers"] = starts[number] + places
            if weight is not None:
                fields["sample_weight"] = weight[low:high]
            if self.rule.offset is not None:
                fields["offset"] = offset_of(self.rule.offset, piece)
            if self.rule.groups is not None:
                fields["groups"] = labels_of(self.rule.groups, piece)
            return fields

        return load

    def _complete(self, block: TableBlock, number: int) -> tuple[TableBlock, Any]:
        """Return the rows that count, with their weights."""
        block, weight = self.rule.weighted(block)
        rows = self.rule.kept(block)
        if rows is not None:
            block = block.take(rows)
            weight = None if weight is None else weight[rows]
        if len(block) != self.kept[number]:
            raise DataError(
                f"{block.source or 'the data'} had {self.kept[number]} complete rows "
                f"when the fit began, and {len(block)} now; fit again when nobody "
                "changes the data"
            )
        return block, weight
