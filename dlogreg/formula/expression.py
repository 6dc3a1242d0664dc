"""Expressions of a formula, evaluated node by node and never by ``eval``.

The text may come from a model file, so it is not trusted: it is parsed by Python's
grammar, and every node of the tree must be one of those below. Names are columns,
functions those of a list; there are no attributes, subscripts or other calls.
"""

from __future__ import annotations

import ast
import operator
import re
from collections.abc import Callable, Container, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from dlogreg.formula.columns import Values

LONGEST = 10_000
"""Characters of an expression."""
DEEPEST = 100
"""Levels of nesting of an expression."""
FUNCTIONS: dict[str, Callable[..., Values]] = {
    **{
        name: getattr(np, name)
        for name in (
            *("log", "log10", "log2", "log1p", "exp", "exp2", "expm1", "sqrt", "abs"),
            *("sin", "cos", "tan", "arctan", "sinh", "cosh", "tanh", "sign", "square"),
            *("floor", "ceil", "minimum", "maximum", "where", "cbrt"),
        )
    },
    "I": lambda values: values,
}
"""Functions of one row at a time; all but I also as np.log and so on."""
STATEFUL = ("center", "scale", "standardize", "poly", "bs")
"""Functions that need to know all rows; see ``transforms``."""
REFUSED = {
    "cr": "its knots and constraints are not found; write bs(x, knots=[...])",
    "cs": "its knots and constraints are not found; write bs(x, knots=[...])",
    "cc": "its knots and constraints are not found; write bs(x, knots=[...])",
    "ns": "its knots and constraints are not found; write bs(x, knots=[...])",
    "lag": "rows have no order here; make the column before",
    "offset": 'give the argument offset=, as offset="log(exposure)"',
    "hashed": "hash the values into a column of text before",
}
ARITHMETIC: dict[type[ast.AST], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Pow: operator.pow,
}
LOGICAL: dict[type[ast.AST], Callable[[Any, Any], Any]] = {
    ast.BitAnd: operator.and_,
    ast.BitOr: operator.or_,
}
COMPARISONS: dict[type[ast.AST], Callable[[Any, Any], Any]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}
QUOTED = re.compile(r"\"(?:\\.|[^\"\\])*\"|'(?:\\.|[^'\\])*'|`([^`]*)`")


class FormulaError(ValueError):
    """A formula that cannot be read; the message says what to write."""


@dataclass(frozen=True, slots=True, eq=False)
class Expression:
    """A checked tree, and the columns that stand in it."""

    text: str
    tree: ast.expr
    aliases: Mapping[str, str]
    """Names of columns that are no plain words, by what stands for them."""

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the columns, in the order in which they stand."""
        names = dict.fromkeys(self._names(self.tree))
        return tuple(self.aliases.get(name, name) for name in names)

    def _names(self, node: ast.AST) -> Iterator[str]:
        if isinstance(node, ast.Call):
            if function_name(node) == "Q":
                yield str(ast.literal_eval(node.args[0]))
                return
            for part in (*node.args, *(k.value for k in node.keywords)):
                yield from self._names(part)
        elif isinstance(node, ast.Name):
            yield node.id
        else:
            for child in ast.iter_child_nodes(node):
                yield from self._names(child)

    def column(self) -> str | None:
        """Return the name of the column, if the expression is nothing else."""
        node = self.tree
        if isinstance(node, ast.Name):
            return self.aliases.get(node.id, node.id)
        if isinstance(node, ast.Call) and function_name(node) == "Q":
            return str(ast.literal_eval(node.args[0]))
        return None

    def calls(self) -> list[ast.Call]:
        """Return the calls of functions that need to know all rows."""
        found = [n for n in ast.walk(self.tree) if isinstance(n, ast.Call)]
        return [node for node in found if function_name(node) in STATEFUL]

    def inside(self, node: ast.expr) -> Expression:
        """Return a part of it."""
        return Expression(ast.unparse(node), node, self.aliases)


def of_column(text: str, columns: Container[str]) -> str:
    """Return an expression that is the name of a column in the quotes it needs."""
    alone = text in columns and not text.isidentifier() and "`" not in text
    return f"`{text}`" if alone else text


def parse_expression(text: str) -> Expression:
    """Parse and check an expression; nothing is evaluated."""
    if len(text) > LONGEST:
        raise FormulaError(f"an expression of {len(text):,} characters is too long")
    aliases: dict[str, str] = {}

    def name(found: re.Match[str]) -> str:
        if found[1] is None:
            return found[0]
        alias = f"column_{len(aliases)}_"
        while alias in text:
            alias += "_"
        aliases[alias] = found[1]
        return alias

    source = QUOTED.sub(name, text).strip()
    try:
        tree = ast.parse(source, mode="eval").body
        _check(tree, text, 0)
    except (SyntaxError, RecursionError, MemoryError, ValueError) as error:
        if isinstance(error, FormulaError):
            raise
        raise FormulaError(f"{shown(text)} cannot be read: {error}") from None
    return Expression(text, tree, aliases)


def shown(text: str) -> str:
    """Return the start of a text, quoted."""
    return repr(text if len(text) <= 80 else f"{text[:77]}...")


def function_name(node: ast.Call) -> str | None:
    """Return the name of the function that is called, without ``np.``."""
    called = node.func
    if isinstance(called, ast.Name):
        return called.id
    module = getattr(called, "value", None)
    if isinstance(called, ast.Attribute) and isinstance(module, ast.Name):
        plain = module.id in ("np", "numpy") and called.attr in FUNCTIONS
        return called.attr if plain and called.attr != "I" else None
    return None


def _check(node: ast.AST, text: str, depth: int) -> None:
    """Refuse every node that is not known to be harmless."""
    if depth > DEEPEST:
        raise FormulaError(f"{shown(text)} is nested too deeply")
    children: list[ast.AST]
    if isinstance(node, ast.Constant):
        if not isinstance(node.value, bool | int | float | str):
            raise FormulaError(f"{shown(text)} holds {node.value!r}")
        return
    if isinstance(node, ast.Name):
        return
    if isinstance(node, ast.BinOp) and type(node.op) in {**ARITHMETIC, **LOGICAL}:
        children = [node.left, node.right]
    elif isinstance(node, ast.UnaryOp) and isinstance(
        node.op, ast.USub | ast.UAdd | ast.Invert
    ):
        children = [node.operand]
    elif isinstance(node, ast.Compare) and all(
        type(op) in COMPARISONS for op in node.ops
    ):
        children = [node.left, *node.comparators]
    elif isinstance(node, ast.Call):
        children = _checked_call(node, text)
    else:
        raise FormulaError(
            f"{shown(text)} holds {ast.unparse(node)!r}, which formulas do not take; "
            "write numbers, columns, + - * / ** // %, comparisons, & | ~ and functions"
        )
    for child in children:
        _check(child, text, depth + 1)


def _checked_call(node: ast.Call, text: str) -> list[ast.AST]:
    """Return the arguments that are expressions, the others being literals."""
    name = function_name(node)
    if name in REFUSED:
        raise FormulaError(
            f"{name}() is not available in {shown(text)}: {REFUSED[name]}"
        )
    if name == "Q":
        text_only = [
            isinstance(a, ast.Constant) and isinstance(a.value, str) for a in node.args
        ]
        if text_only != [True] or node.keywords:
            raise FormulaError(f'Q() in {shown(text)} takes one name, as Q("my x")')
        return []
    if name in STATEFUL:
        if not node.args:
            raise FormulaError(f"{name}() in {shown(text)} has no argument")
        for extra in (*node.args[1:], *(k.value for k in node.keywords)):
            _literal(extra, text)
        return [node.args[0]]
    if name not in FUNCTIONS or node.keywords:
        known = ", ".join([*FUNCTIONS, *STATEFUL])
        raise FormulaError(
            f"{ast.unparse(node.func)!r} in {shown(text)} is not a function that "
            f"formulas know; make the column before, or use one of {known}"
        )
    wanted = {"where": 3, "minimum": 2, "maximum": 2}.get(name, 1)
    if len(node.args) != wanted:
        raise FormulaError(f"{name}() in {shown(text)} takes {wanted} argument(s)")
    return list(node.args)


def _literal(node: ast.expr, text: str) -> Any:
    """Return the value of a literal."""
    try:
        return ast.literal_eval(node)
    except (ValueError, SyntaxError, RecursionError, MemoryError):
        raise FormulaError(
            f"{ast.unparse(node)!r} in {shown(text)} must be a plain value"
        ) from None
