"""Blocks of a raw table to blocks of the design."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np

from dlogreg.errors import DataError
from dlogreg.evaluation import FloatArray
from dlogreg.formula.calls import read_transform
from dlogreg.formula.categories import Coding
from dlogreg.formula.columns import Index, Levels, TableBlock, Values
from dlogreg.formula.evaluation import evaluate
from dlogreg.formula.expression import Expression, parse_expression
from dlogreg.formula.recipe import Ingredient, Recipe
from dlogreg.formula.terms import Part
from dlogreg.formula.transforms import Transform


@dataclass(frozen=True, slots=True, eq=False)
class _Indicators:
    """Columns of which every row has at most one, which is 1."""

    index: Index
    """That column; -1 for none."""
    width: int


Encoded = _Indicators | FloatArray
"""A factor's columns in some rows."""


class Encoder:
    """A recipe opened for use; one for every task."""

    def __init__(self, recipe: Recipe) -> None:
        self.recipe = recipe
        self.width = len(recipe.feature_names)
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

    def response(self, block: TableBlock) -> Values:
        """Return the labels of the rows."""
        return labels_of(self._response, block)

    def design(self, block: TableBlock) -> FloatArray:
        """Return X of rows without missing values, shape (n_rows, width)."""
        out = np.zeros((len(block), self.width))
        found: dict[tuple[str, bool], Encoded] = {}
        first = 0
        for term in self.recipe.terms:
            for part in term.parts:
                factors = [
                    self._encoded(text, reduced, block, found)
                    for text, reduced in zip(part.factors, part.reduced, strict=True)
                ]
                first += _fill(out, first, part, factors)
        return out

    def _encoded(
        self,
        text: str,
        reduced: bool,
        block: TableBlock,
        found: dict[tuple[str, bool], Encoded],
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
        codes = self._codes(part, coding, value, block)
        if not reduced:
            return _Indicators(codes, len(coding.levels))
        if coding.matrix is not None:
            return np.asarray(coding.matrix[codes])
        left_out = codes == coding.reference
        codes = codes - (codes > coding.reference)
        codes[left_out] = -1
        return _Indicators(codes, len(coding.levels) - 1)

    def _codes(
        self,
        part: Ingredient,
        coding: Coding,
        value: Values | Levels,
        block: TableBlock,
    ) -> Index:
        """Return the position of every row's level among those of the fit."""
        if isinstance(value, Levels):
            values, codes = value.values, value.codes
        else:
            distinct, codes = np.unique(value, return_inverse=True)
            values = tuple(distinct.tolist())
        known = {level: i for i, level in enumerate(coding.levels)}
        stand_in = known.get(self.recipe.unseen.get(part.text), -1)
        table = np.array([known.get(v, stand_in) for v in values] + [-1], dtype=np.intp)
        found = table[codes]
        unseen = found < 0
        if unseen.any():
            row = int(np.flatnonzero(unseen)[0])
            count = len({values[code] for code in codes[unseen].tolist()})
            more = f" (and {count - 1} more)" if count > 1 else ""
            raise DataError(
                f"{part.text} has the level {values[int(codes[row])]!r}{more} in "
                f"{block.place(row)}, which the fit has not seen; leave such rows out, "
                f"or fit with unseen={{{part.text!r}: level}} to take a level for it"
            )
        return found

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
        if all(isinstance(v, str) for v in value.values):
            levels = np.array(value.values, dtype=str)
        return np.asarray(levels[value.codes])
    return value


def _fill(out: FloatArray, first: int, part: Part, factors: Sequence[Encoded]) -> int:
    """Write the products of the factors' columns; return how many there are.

    Columns of the first factor follow each other fastest. Products with indicators are
    written where they are not zero.
    """
    rows: slice | Index = slice(None)
    index: Index | None = None
    step, dense = 1, []
    for factor in factors:
        if isinstance(factor, _Indicators):
            here = np.where(factor.index < 0, -1, factor.index * step)
            before = 0 if index is None else index
            index = np.where((here < 0) | (before < 0), -1, here + before)
            step *= factor.width
        else:
            dense.append((factor, step))
            step *= factor.shape[1]
    if index is not None:
        rows = np.flatnonzero(index >= 0)
        index = index[rows]
    for columns in product(*(range(factor.shape[1]) for factor, _ in dense)):
        value: FloatArray | float = part.scale
        place = first
        for (factor, stride), column in zip(dense, columns, strict=True):
            value = value * factor[rows, column]
            place += column * stride
        out[rows, place if index is None else place + index] = value
    return step
