"""The values of a checked expression in a block of rows."""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from dlogreg.formula.columns import Levels, Numbers, TableBlock, Values
from dlogreg.formula.expression import (
    ARITHMETIC,
    COMPARISONS,
    FUNCTIONS,
    LOGICAL,
    STATEFUL,
    Expression,
    FormulaError,
    function_name,
    shown,
)

Transform = Callable[[str, Values], Values]
"""Applies the transform of a call, given by its text, to its argument."""


def evaluate(
    expression: Expression, block: TableBlock, transform: Transform | None = None
) -> Values | Levels:
    """Return the value in every row; the block holds no missing values."""
    walk = _Evaluation(expression.aliases, block, transform)
    try:
        with np.errstate(all="ignore"):  # what is not finite is refused by its row
            value = walk.of(expression.tree)
    except (ArithmeticError, TypeError) as error:
        raise FormulaError(f"{shown(expression.text)}: {error}") from error
    if isinstance(value, np.ndarray) and value.ndim == 1:
        return value
    if isinstance(value, Levels):
        return value
    return np.full(len(block), value)


@dataclass(slots=True, eq=False)
class _Evaluation:
    """Walks a checked tree over one block."""

    aliases: Mapping[str, str]
    block: TableBlock
    transform: Transform | None

    def of(self, node: ast.expr) -> Any:
        if isinstance(node, ast.Constant):
            return node.value
        if isinstance(node, ast.Name):
            return self._column(self.aliases.get(node.id, node.id))
        if isinstance(node, ast.UnaryOp):
            return self._unary(node)
        if isinstance(node, ast.BinOp):
            return self._binary(node)
        if isinstance(node, ast.Compare):
            return self._compared(node)
        assert isinstance(node, ast.Call)
        return self._called(node)

    def _column(self, name: str) -> Any:
        column = self.block.columns[name]
        return column.values if isinstance(column, Numbers) else column

    def _number(self, node: ast.expr) -> Any:
        """Return a value that can be calculated with."""
        value = self.of(node)
        if isinstance(value, Levels | str):
            raise FormulaError(
                f"{ast.unparse(node)!r} is text, where a number is needed; compare it "
                "with a value, or write it as a term of its own"
            )
        if isinstance(value, bool) or getattr(value, "dtype", None) == np.bool_:
            return np.asarray(value, dtype=np.float64)
        return value

    def _unary(self, node: ast.UnaryOp) -> Any:
        if isinstance(node.op, ast.Invert):
            return ~_truth(self.of(node.operand), node.operand)
        value = self._number(node.operand)
        return -value if isinstance(node.op, ast.USub) else value

    def _binary(self, node: ast.BinOp) -> Any:
        if type(node.op) in LOGICAL:
            both = [_truth(self.of(part), part) for part in (node.left, node.right)]
            return LOGICAL[type(node.op)](*both)
        left, right = self._number(node.left), self._number(node.right)
        if not isinstance(node.op, ast.Add | ast.Sub | ast.FloorDiv | ast.Mod):
            # products and powers of whole numbers would overflow without a word
            left, right = np.asarray(left, float), np.asarray(right, float)
        return ARITHMETIC[type(node.op)](left, right)

    def _compared(self, node: ast.Compare) -> Any:
        result: Any = True
        parts = [node.left, *node.comparators]
        for left, op, right in zip(parts, node.ops, parts[1:], strict=False):
            found = _compare(self.of(left), COMPARISONS[type(op)], self.of(right), node)
            result = np.logical_and(result, found)
        return result

    def _called(self, node: ast.Call) -> Any:
        name = function_name(node)
        assert name is not None
        if name == "Q":
            return self._column(str(ast.literal_eval(node.args[0])))
        if name in STATEFUL:
            if self.transform is None:
                raise FormulaError(f"{ast.unparse(node)} cannot stand here")
            value = np.asarray(self._number(node.args[0]), dtype=np.float64)
            return self.transform(ast.unparse(node), value)
        if name == "where":
            condition, *either = node.args
            truth = _truth(self.of(condition), condition)
            return np.where(truth, *(self._number(value) for value in either))
        return FUNCTIONS[name](*(self._number(value) for value in node.args))


def _truth(value: Any, node: ast.expr) -> Any:
    if isinstance(value, bool) or getattr(value, "dtype", None) == np.bool_:
        return np.asarray(value)
    raise FormulaError(
        f"{ast.unparse(node)!r} is neither true nor false; & | and ~ join comparisons "
        "in parentheses, as (x > 1) & (z < 2)"
    )


def _compare(
    left: Any, op: Callable[[Any, Any], Any], right: Any, node: ast.AST
) -> Any:
    """Compare numbers with numbers, or a column of levels with a value."""
    for levels, value, swapped in ((left, right, False), (right, left, True)):
        if not isinstance(levels, Levels):
            continue
        if isinstance(value, Levels | np.ndarray):
            break
        pairs = [(value, v) if swapped else (v, value) for v in levels.values]
        try:
            table = np.array([bool(op(*pair)) for pair in pairs] + [False])
        except TypeError:
            break
        if any(isinstance(v, str) != isinstance(value, str) for v in levels.values):
            break
        return table[levels.codes]
    else:
        if not isinstance(left, str) and not isinstance(right, str):
            return op(left, right)
    raise FormulaError(
        f"{ast.unparse(node)!r} compares text with something else; compare a column "
        'of text with a text, as species == "a"'
    )
