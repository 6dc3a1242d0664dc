"""Which columns of a design are dense, compressed, or categories.

Products of categories alone are categories, whose levels are those of all of them.
Products of categories with numbers are compressed: a row has one value, or one for
every column of a basis, among as many columns as there are levels. Everything else is
dense, codings that are no indicators too.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from dlogreg.formula.columns import Index
from dlogreg.formula.recipe import Ingredient, Recipe
from dlogreg.formula.terms import Part
from dlogreg.formula.transforms import Transform
from dlogreg.row_kind import RowKind

FEWEST_SAVED = 16
"""Columns less that a row must have for mixed rows: with fewer, dense ones are as fast
and may be multiplied in float32."""


@dataclass(frozen=True, slots=True)
class Piece:
    """The columns of one product of factors."""

    part: Part
    first: int
    """The first of them in the design."""
    width: int
    stored: int
    """How many of them may differ from zero in a row."""
    coded: bool
    """Whether they are indicators, of which a row has one at most."""

    @property
    def is_dense(self) -> bool:
        """Whether no zeros are to be expected."""
        return self.stored == self.width and not self.coded


@dataclass(frozen=True, slots=True, eq=False)
class DesignColumns:
    """The columns of a design, in their order."""

    pieces: tuple[Piece, ...]

    @classmethod
    def of(cls, recipe: Recipe, transforms: Mapping[str, Transform]) -> DesignColumns:
        """Lay out the columns of a recipe."""
        known = {part.text: part for part in recipe.ingredients}
        pieces: list[Piece] = []
        first = 0
        for term in recipe.terms:
            for part in term.parts:
                width, stored, coded = 1, 1, part.scale == 1
                for text, reduced in zip(part.factors, part.reduced, strict=True):
                    size = known[text].width(reduced, transforms)
                    indicators = _is_indicators(known[text], reduced)
                    width *= size
                    stored *= 1 if indicators else size
                    coded &= indicators
                coded &= bool(part.factors)
                pieces.append(Piece(part, first, width, stored, coded))
                first += width
        return cls(tuple(pieces))

    @property
    def width(self) -> int:
        """Number of columns."""
        return sum(piece.width for piece in self.pieces)

    @property
    def dense_columns(self) -> Index:
        """Numbers of the dense columns."""
        parts = [
            np.arange(piece.first, piece.first + piece.width, dtype=np.intp)
            for piece in self.pieces
            if piece.is_dense
        ]
        return np.concatenate([np.empty(0, dtype=np.intp), *parts])

    @property
    def n_categories(self) -> int:
        """Number of categories and of products of categories."""
        return sum(piece.coded for piece in self.pieces)

    @property
    def row_values(self) -> int:
        """Values of a row that are stored."""
        return sum(piece.stored for piece in self.pieces)

    @property
    def kind(self) -> RowKind:
        """The kind of rows that serves the design best."""
        saved = self.width - self.row_values
        return RowKind.MIXED if saved >= FEWEST_SAVED else RowKind.DENSE

    @property
    def row_bytes(self) -> int:
        """Bytes of a row of that kind."""
        values = self.width if self.kind == RowKind.DENSE else self.row_values
        return 8 * max(1, values)


def _is_indicators(part: Ingredient, reduced: bool) -> bool:
    coding = part.coding
    return coding is not None and not (reduced and coding.matrix is not None)
