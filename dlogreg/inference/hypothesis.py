"""Linear hypotheses about coefficients, as text or as a matrix: R b = r.

Text is read with Python's own grammar of arithmetic, so that ``"a = 2*b + 1"`` means
what it says. Nothing is evaluated: of all that the grammar knows, only numbers, names,
``+ - * /``, ``=`` and ``,`` are understood.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from itertools import pairwise
from keyword import iskeyword
from typing import Any, NoReturn

import numpy as np

from dlogreg.evaluation import FloatArray

QUOTED = re.compile(
    r"`(?P<name>[^`]*)`"
    r"|(?P<text>\"(?:[^\"\\]|\\.)*\"|'(?:[^'\\]|\\.)*')"
    r"|(?P<equals>(?<![<>!=])=(?!=))"
)
ADVICE = (
    "write for example 'a = b', 'a = 2*b + 1' or 'a, b', with names that are no plain "
    "words in backticks, as `flight time`"
)


@dataclass(frozen=True, slots=True, eq=False)
class Hypothesis:
    """The constraints R b = r, a row each."""

    matrix: FloatArray
    """R, shape (q, n_params)."""
    values: FloatArray
    """r, shape (q,)."""
    texts: tuple[str, ...]
    """Every constraint in words."""


Form = tuple[FloatArray, float]
"""A linear form in the coefficients: their multipliers, and a constant."""


def as_hypothesis(given: Any, names: Sequence[str]) -> Hypothesis:
    """Return the constraints of a text, or of a matrix with all values zero."""
    if isinstance(given, str):
        return _parse(given, names)
    matrix = np.atleast_2d(np.asarray(given, dtype=np.float64))
    if matrix.ndim != 2 or matrix.shape[1] != len(names) or not len(matrix):
        raise ValueError(
            f"the hypothesis has shape {np.shape(given)}, but a row needs "
            f"{len(names)} numbers, one for each of {', '.join(names[:4])}"
            f"{', ...' if len(names) > 4 else ''}"
        )
    if not np.isfinite(matrix).all():
        raise ValueError("the hypothesis holds NaN or infinity; give finite numbers")
    values = np.zeros(len(matrix))
    texts = tuple(_worded(row, 0.0, names) for row in matrix)
    return Hypothesis(matrix, values, texts)


def _worded(row: FloatArray, value: float, names: Sequence[str]) -> str:
    """Return a constraint in words."""
    terms = [(float(row[j]), _quoted(names[j])) for j in np.flatnonzero(row).tolist()]
    if len(terms) > 6:
        terms = [*terms[:5], (1.0, "...")]
    signed = [
        ("- " if x < 0 else "+ ", name if abs(x) == 1 else f"{abs(x):g}*{name}")
        for x, name in terms
    ]
    text = " ".join(sign + term for sign, term in signed).removeprefix("+ ") or "0"
    return f"{text} = {value:g}"


def _quoted(name: str) -> str:
    """Return a name as a hypothesis can hold it."""
    if name.isidentifier() and not iskeyword(name):
        return name
    return f"Q({name!r})" if "`" in name else f"`{name}`"


def _parse(text: str, names: Sequence[str]) -> Hypothesis:
    """Return the constraints of a text: comma-joined, chains of ``=`` allowed."""
    try:
        tree = ast.parse(QUOTED.sub(_as_python, text).strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        _refuse(text, "is not a list of linear equations")
    parts = tree.elts if isinstance(tree, ast.Tuple) else [tree]
    reader = _Reader(text, names)
    forms = [form for part in parts for form in reader.constraints(part)]
    if not forms:
        _refuse(text, "is empty")
    matrix = np.array([multipliers for multipliers, _ in forms])
    values = np.array([0.0 - constant for _, constant in forms])
    texts = tuple(_worded(*pair, names) for pair in zip(matrix, values, strict=True))
    return Hypothesis(matrix, values, texts)


def _as_python(found: re.Match[str]) -> str:
    """Write a quoted name as a call of Q, and = as Python's ==."""
    if found["name"] is not None:
        return f"Q({found['name']!r})"
    return str(found["text"] or "==")


def _refuse(text: str, what: str) -> NoReturn:
    raise ValueError(f"the hypothesis {text!r} {what}; {ADVICE}")


@dataclass(frozen=True, slots=True)
class _Reader:
    """Turns the tree of an expression into linear forms."""

    text: str
    names: Sequence[str]

    def constraints(self, tree: ast.expr) -> list[Form]:
        """Return forms that are zero: of a chain, each side minus the next."""
        if not isinstance(tree, ast.Compare):
            return [self.form(tree)]
        if not all(isinstance(sign, ast.Eq) for sign in tree.ops):
            _refuse(self.text, "holds a sign other than =")
        sides = [self.form(side) for side in (tree.left, *tree.comparators)]
        return [(a[0] - b[0], a[1] - b[1]) for a, b in pairwise(sides)]

    def form(self, tree: ast.expr) -> Form:
        """Return the linear form of an expression."""
        zero = np.zeros(len(self.names))
        match tree:
            case ast.Constant(value=int() | float() as number) if not isinstance(
                number, bool
            ) and np.isfinite(float(number)):
                return zero, float(number)
            case ast.Name(id=name):
                return self._coefficient(name), 0.0
            case ast.Call(
                func=ast.Name(id="Q"), args=[ast.Constant(value=str(name))], keywords=[]
            ):
                return self._coefficient(name), 0.0
            case ast.UnaryOp(op=ast.UAdd() | ast.USub() as sign, operand=inner):
                return _scaled(
                    self.form(inner), -1 if isinstance(sign, ast.USub) else 1
                )
            case ast.BinOp(left=left, op=operation, right=right):
                return self._combined(self.form(left), operation, self.form(right))
        _refuse(self.text, f"holds {ast.unparse(tree)!r}, which is not linear")

    def _combined(self, a: Form, operation: ast.operator, b: Form) -> Form:
        match operation:
            case ast.Add():
                return a[0] + b[0], a[1] + b[1]
            case ast.Sub():
                return a[0] - b[0], a[1] - b[1]
            case ast.Mult() if not a[0].any():
                return _scaled(b, a[1])
            case ast.Mult() if not b[0].any():
                return _scaled(a, b[1])
            case ast.Div() if not b[0].any() and b[1]:
                return _scaled(a, 1 / b[1])
        _refuse(self.text, "is not linear in the coefficients")

    def _coefficient(self, name: str) -> FloatArray:
        if name not in self.names:
            near = get_close_matches(name, self.names, n=3) or list(self.names[:10])
            listed = ", ".join(map(repr, near)) + ", ..." * (
                len(near) < len(self.names)
            )
            raise ValueError(
                f"the hypothesis {self.text!r} names {name!r}, but no coefficient is "
                f"called so; there are {listed}"
            )
        row = np.zeros(len(self.names))
        row[self.names.index(name)] = 1.0
        return row


def _scaled(form: Form, factor: float) -> Form:
    return form[0] * factor, form[1] * factor
