"""A formula taken apart: response, factors and terms; formulaic reads the right side.

Which terms keep all levels of a category and which leave one out, so that the columns
are independent, is formulaic's decision, too (Wilkinson and Rogers 1973; the rule is
that of patsy). It is asked with a table of one row that has all levels; expressions are
never given to it for evaluation.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from dlogreg.evaluation import Label
from dlogreg.extras import require
from dlogreg.formula.calls import read_transform
from dlogreg.formula.categories import split_category
from dlogreg.formula.expression import (
    QUOTED,
    STATEFUL,
    Expression,
    FormulaError,
    parse_expression,
)
from dlogreg.formula.transforms import Transform


@dataclass(frozen=True, slots=True, eq=False)
class Factor:
    """One part of a term, as it stands in the formula."""

    text: str
    expression: Expression
    """Of a category, what is inside C()."""
    is_category: bool
    contrasts: Any = None
    """The coding that C() asks for; None: the first level is the reference."""
    levels: tuple[Label, ...] | None = None
    """The levels that C() gives."""
    basis: Transform | None = None
    """A transform to several columns."""

    @property
    def is_column(self) -> bool:
        """Whether it is a column alone, which is a category if it holds text."""
        return not self.is_category and self.expression.column() is not None


@dataclass(frozen=True, slots=True, eq=False)
class Formula:
    """A formula that was read, before any data are."""

    text: str
    response: Expression
    factors: Mapping[str, Factor]
    terms: tuple[tuple[str, ...], ...]
    """The texts of the factors of every term, numbers included."""

    @property
    def fit_intercept(self) -> bool:
        """Whether the formula has an intercept."""
        return ("1",) in self.terms

    @property
    def columns(self) -> tuple[str, ...]:
        """Columns that the right side needs."""
        found = [
            n for factor in self.factors.values() for n in factor.expression.columns
        ]
        return tuple(dict.fromkeys(found))


def read_formula(text: str, available: Sequence[str]) -> Formula:
    """Read a formula about a table with these columns.

    Raises
    ------
    FormulaError
        With what to write instead.
    """
    if not isinstance(text, str):
        raise FormulaError(f"the formula must be text, not {text!r}")
    left, right = _sides(text)
    response = parse_expression(left)
    if response.calls():
        raise FormulaError(f"the response {left!r} must not be transformed over rows")
    room = require("formulaic", "formula")
    # a point stands for all columns but the response's
    rest = [name for name in available if name not in response.columns]
    context = {"__formulaic_variables_available__": rest}
    try:
        found = room.Formula.from_spec(f"y ~ {right}", context=context).rhs
    except (room.errors.FormulaSyntaxError, SyntaxError) as error:
        reason = re.sub(r"\x1b\[[\d;]*m|[⧛⧚]", "", str(error)).split("\n")[0]
        raise FormulaError(f"the formula {text!r} cannot be read: {reason}") from None
    if not all(hasattr(term, "factors") for term in found):
        raise FormulaError(f"the formula {text!r} has several right sides; give one")
    terms = tuple(tuple(factor.expr for factor in term.factors) for term in found)
    factors = {
        factor.expr: _factor(factor.expr, lookup=factor.eval_method.value == "lookup")
        for term in found
        for factor in term.factors
        if factor.eval_method.value != "literal"
    }
    return Formula(text, response, factors, terms)


def _sides(text: str) -> tuple[str, str]:
    """Cut at the one tilde outside of quotes and parentheses."""
    blank = QUOTED.sub(lambda found: " " * len(found[0]), text)
    depth, places = 0, []
    for place, character in enumerate(blank):
        depth += (character in "([{") - (character in ")]}")
        if character == "~" and not depth:
            places.append(place)
    if len(places) != 1 or not text[: places[0]].strip():
        raise FormulaError(
            f"the formula {text!r} must have a response and one tilde, as "
            '"late ~ carrier + distance"'
        )
    return text[: places[0]].strip(), text[places[0] + 1 :]


def _factor(text: str, *, lookup: bool) -> Factor:
    expression = parse_expression(f"`{text}`" if lookup else _plain_contrasts(text))
    if lookup:
        return Factor(text, expression, is_category=False)
    return _checked(text, expression)


def _plain_contrasts(text: str) -> str:
    """Parse what is left of ``C(x, ...)`` elsewhere: its contrasts are not values."""
    return split_category(text)[0] if text.startswith("C(") else text


def _checked(text: str, expression: Expression) -> Factor:
    calls = expression.calls()
    for call in calls:
        inner = expression.inside(call.args[0])
        if inner.calls():
            raise FormulaError(
                f"{ast.unparse(call)} transforms what is transformed already, which "
                "would take another pass; write one of the two, or make the column "
                "before"
            )
    if text.startswith("C("):
        _, contrasts, levels = split_category(text)
        if calls:
            raise FormulaError(f"{text} makes a category of a transform; leave C() out")
        return Factor(text, expression, True, contrasts, levels)
    for call in calls:
        if _name(call) in ("poly", "bs"):
            if call is not expression.tree:
                raise FormulaError(
                    f"{ast.unparse(call)} has several columns and cannot stand inside "
                    f"{text}; write it as a term of its own"
                )
            return Factor(text, expression, False, basis=read_transform(call))
        read_transform(call)
    return Factor(text, expression, False)


def _name(call: ast.Call) -> str:
    assert isinstance(call.func, ast.Name)
    assert call.func.id in STATEFUL
    return call.func.id


@dataclass(frozen=True, slots=True)
class Part:
    """A product of factors; each with all its columns, or with one left out."""

    scale: float
    factors: tuple[str, ...]
    reduced: tuple[bool, ...]


@dataclass(frozen=True, slots=True)
class Term:
    """A term with its columns in the design."""

    name: str
    parts: tuple[Part, ...]
    columns: tuple[str, ...]


def lay_terms(
    formula: Formula, levels: Mapping[str, tuple[Label, ...]]
) -> tuple[Term, ...]:
    """Return the terms with their columns; categories are the factors with levels."""
    laid = []
    for term, parts, columns in _structure(formula, levels):
        if str(term) == "1":
            continue
        found = tuple(
            Part(
                float(part.scale),
                tuple(scoped.factor.expr for scoped in part.factors),
                tuple(bool(scoped.reduced) for scoped in part.factors),
            )
            for part in parts
        )
        laid.append(Term(str(term), found, tuple(map(str, columns))))
    return tuple(laid)


def _structure(formula: Formula, levels: Mapping[str, tuple[Label, ...]]) -> Any:
    """Return formulaic's layout of one row: its terms with their parts and columns."""
    room = require("formulaic", "formula")
    parser = require("formulaic.parser.types", "formula")
    pandas = require("pandas", "frames")
    shown = {
        text: _example(factor, levels.get(text))
        for text, factor in formula.factors.items()
    }

    def factor(text: str) -> Any:
        method = "lookup" if text in shown else "literal"
        return parser.Factor(text, eval_method=method)

    terms = [parser.Term([factor(text) for text in term]) for term in formula.terms]
    model = room.ModelSpec(formula=terms, na_action="ignore", output="numpy")
    table = model.get_model_matrix(pandas.DataFrame(index=[0]), context=shown)
    return table.model_spec.structure


def _example(factor: Factor, levels: tuple[Label, ...] | None) -> Any:
    """Return one row of a factor, from which formulaic tells how it is laid out."""
    values = require("formulaic.materializers.types", "formula").FactorValues
    pandas = require("pandas", "frames")
    if levels is not None:
        # indices, because pandas would make categories of mixed kinds one kind
        category = pandas.Categorical.from_codes([0], categories=pandas.Index(levels))
        series = pandas.Series(category)
        return require("formulaic.transforms", "formula").C(series, factor.contrasts)
    if factor.basis is None or factor.basis.fields is None:
        return np.ones(1)
    return values(
        dict.fromkeys(factor.basis.fields, np.ones(1)),
        kind="numerical",
        spans_intercept=factor.basis.spans_intercept,
        drop_field=factor.basis.fields[0],
        format="{name}[{field}]",
    )
