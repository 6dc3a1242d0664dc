"""Blocks of a raw table to blocks of the design."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from typing import Any

import numpy as np

from dlogreg.errors import DataError
from dlogreg.evaluation import FloatArray, Label
from dlogreg.formula.calls import read_transform
from dlogreg.formula.categories import Coding
from dlogreg.formula.columns import Codes, Index, Levels, Mask, TableBlock, Values
from dlogreg.formula.evaluation import evaluate
from dlogreg.formula.expression import Expression, parse_expression
from dlogreg.formula.mixing import DesignColumns, Piece
from dlogreg.formula.products import (
    Encoded,
    Indicators,
    Known,
    compressed_rows,
    products,
    set_places,
)
from dlogreg.formula.recipe import Ingredient, Recipe
from dlogreg.formula.transforms import Transform
from dlogreg.kernel import Mixed
from dlogreg.keyed_sums import ends_in_nul


class Encoder:
    """A recipe opened for use; one for every task."""

    def __init__(self, recipe: Recipe) -> None:
        self.recipe = recipe
        self._parts = {part.text: part for part in recipe.ingredients}
        self._expressions = {
            part.text: parse_expression(part.inside) for part in recipe.ingredients
        }
        self._response = parse_expression(recipe.response)
        self._transforms: dict[str, Transform] = {
            ast.unparse(call): read_transform(call)
            for expression in self._expressions.values()
            for call in expression.calls()
        }
        self.columns = DesignColumns.of(recipe, self._transforms)
        self._dense_columns = self.columns.dense_columns

    @property
    def width(self) -> int:
        """Number of columns of the design."""
        return self.columns.width

    def response(self, block: TableBlock) -> Values:
        """Return the labels of the rows."""
        return labels_of(self._response, block)

    def design(self, block: TableBlock) -> FloatArray:
        """Return X of rows without missing values, shape (n_rows, width)."""
        out = np.zeros((len(block), self.width))
        found: Known = {}
        for piece in self.columns.pieces:
            factors = self._factors(piece, block, found)
            for rows, place, value in products(piece.part, factors):
                out[rows, piece.first + place] = value
        return out

    def mixed(self, block: TableBlock) -> Mixed:
        """Return the same as mixed rows."""
        n_rows, width = len(block), self.width
        dense = np.zeros((n_rows, len(self._dense_columns)))
        places = np.empty((self.columns.n_categories, n_rows), dtype=np.int32)
        stored: list[tuple[Any, Any, Any]] = []
        found: Known = {}
        n_dense = n_coded = 0
        for piece in self.columns.pieces:
            factors = self._factors(piece, block, found)
            if piece.coded:
                set_places(places[n_coded], piece.first, width, factors)
                n_coded += 1
                continue
            for rows, place, value in products(piece.part, factors):
                if piece.is_dense:
                    dense[rows, n_dense + place] = value
                else:
                    stored.append((rows, piece.first + place, value))
            n_dense += piece.width * piece.is_dense
        compressed = compressed_rows(stored, (n_rows, width)) if stored else None
        return Mixed(dense, self._dense_columns, places, width, compressed)

    def _factors(self, piece: Piece, block: TableBlock, found: Known) -> list[Encoded]:
        pairs = zip(piece.part.factors, piece.part.reduced, strict=True)
        return [self._encoded(*pair, block, found) for pair in pairs]

    def _encoded(
        self,
        text: str,
        reduced: bool,
        block: TableBlock,
        found: Known,
    ) -> Encoded:
        if (text, reduced) not in found:
            part = self._parts[text]
            if part.coding is not None:
                found[text, reduced] = self._category(part, part.coding, reduced, block)
            else:
                columns = self._numbers(part, block)
                spans = part.is_basis and self._basis_of(part)[0].spans_intercept
                found[text, True] = columns[:, 1:] if spans else columns
                found[text, False] = columns
        return found[text, reduced]

    def _category(
        self, part: Ingredient, coding: Coding, reduced: bool, block: TableBlock
    ) -> Encoded:
        value = evaluate(self._expressions[part.text], block, self._apply)
        codes, table = self._codes(part, coding, value, block)
        if not reduced:
            return Indicators(codes, table, len(coding.levels))
        if coding.matrix is not None:
            return np.asarray(coding.matrix[table[codes]])
        table = np.where(
            table == coding.reference, -1, table - (table > coding.reference)
        )
        return Indicators(codes, table, len(coding.levels) - 1)

    def _codes(
        self,
        part: Ingredient,
        coding: Coding,
        value: Values | Levels,
        block: TableBlock,
    ) -> tuple[Codes, Index]:
        """Return a code of every row, and for every code its level of the fit."""
        values: tuple[Label, ...]
        codes: Codes
        if isinstance(value, Levels):
            values, codes = value.values, value.codes
        else:
            values, codes = distinct(value)
        known = {level: i for i, level in enumerate(coding.levels)}
        stand_in = known.get(self.recipe.unseen.get(part.text), -1)
        table = np.array([known.get(v, stand_in) for v in values] + [-1], dtype=np.intp)
        if (table[:-1] < 0).any():
            self._check_seen(part, values, codes, table[codes] < 0, block)
        return codes, table

    def _check_seen(
        self,
        part: Ingredient,
        values: Sequence[Label],
        codes: Codes,
        unseen: Mask,
        block: TableBlock,
    ) -> None:
        """Refuse levels that the fit has not seen, with the first row."""
        if unseen.any():
            row = int(np.flatnonzero(unseen)[0])
            count = len({values[code] for code in codes[unseen].tolist()})
            more = f" (and {count - 1} more)" if count > 1 else ""
            raise DataError(
                f"{part.text} has the level {values[int(codes[row])]!r}{more} in "
                f"{block.place(row)}, which the fit has not seen; leave such rows out, "
                f"or fit with unseen={{{part.text!r}: level}} to take a level for it"
            )

    def _numbers(self, part: Ingredient, block: TableBlock) -> FloatArray:
        """Return the one or several columns of a factor that is no category."""
        try:
            if part.is_basis:
                columns = self._basis_columns(part, block)
            else:
                value = evaluate(self._expressions[part.text], block, self._apply)
                columns = _floats(value, part.text)[:, None]
        except DataError as error:
            named = str(error).startswith(part.text)
            raise DataError(str(error) if named else f"{part.text}: {error}") from error
        check_finite(part.text, columns, block)
        return columns

    def _basis_of(self, part: Ingredient) -> tuple[Transform, str, Expression]:
        """Return a transform to several columns, its text, and its argument."""
        expression = self._expressions[part.text]
        call = expression.tree
        assert isinstance(call, ast.Call)
        text = ast.unparse(call)
        return self._transforms[text], text, expression.inside(call.args[0])

    def _basis_columns(self, part: Ingredient, block: TableBlock) -> FloatArray:
        transform, text, argument = self._basis_of(part)
        value = evaluate(argument, block, self._apply)
        return transform.apply(
            _floats(value, argument.text), self.recipe.states.get(text, {})
        )

    def _apply(self, text: str, x: Values) -> Values:
        """Apply a transform that stands in an expression."""
        return self._transforms[text].apply(x, self.recipe.states.get(text, {}))


def offset_of(expression: Expression, block: TableBlock) -> FloatArray:
    """Return what is added to the linear predictor of every row."""
    offset = _floats(evaluate(expression, block), expression.text)
    check_finite(f"the offset {expression.text}", offset[:, None], block)
    return offset


def _floats(value: Values | Levels, text: str) -> FloatArray:
    if isinstance(value, Levels):
        raise DataError(f"{text} holds {value.kind} where numbers are needed")
    return np.asarray(value, dtype=np.float64)


def check_finite(text: str, columns: FloatArray, block: TableBlock) -> None:
    """Refuse values that are not finite, with their row."""
    bad = ~np.isfinite(columns)
    if bad.any():
        row, column = np.argwhere(bad)[0]
        kind = "NaN" if np.isnan(columns[row, column]) else "infinity"
        raise DataError(
            f"{text} is {kind} in {block.place(int(row))}; remove such rows, or change "
            "the term so that it is a number everywhere"
        )


def labels_of(expression: Expression, block: TableBlock) -> Values:
    """Return the values of the response as labels."""
    value = evaluate(expression, block)
    if isinstance(value, Levels):
        levels = np.array([*value.values, None], dtype=object)[:-1]
        text = all(isinstance(v, str) for v in value.values)
        if text and not any(map(ends_in_nul, value.values)):
            levels = np.array(value.values, dtype=str)
        return np.asarray(levels[value.codes])
    return value


def distinct(values: Values) -> tuple[tuple[Label, ...], Index]:
    """Return the values that occur, and perhaps others, and where each row's stands.

    Whole numbers in a small range are not sorted: the range is counted through.
    """
    if values.dtype.kind in "iu" and len(values):
        low, high = int(values.min()), int(values.max())
        if high - low < max(256, len(values) // 4):
            codes = np.subtract(values, low, dtype=np.intp, casting="unsafe")
            return tuple(range(low, high + 1)), codes
    found, codes = np.unique(values, return_inverse=True)
    return tuple(found.tolist()), codes
