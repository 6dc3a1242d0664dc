"""How rows of a raw table become rows of the design: what a result keeps of a formula.

A recipe is plain data: texts, levels and numbers. It needs neither formulaic nor the
rows it was found from, and can be written as JSON.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import dataclass, field

from dlogreg.evaluation import Label
from dlogreg.formula.categories import Coding
from dlogreg.formula.expression import parse_expression
from dlogreg.formula.terms import Term
from dlogreg.formula.transforms import State, Transform

Unseen = Mapping[str, Label]
"""The level that stands for levels not seen before, by the text of the factor."""


@dataclass(frozen=True, slots=True, eq=False)
class Ingredient:
    """A factor of which everything is known."""

    text: str
    inside: str
    """The expression; of a category, what is inside C()."""
    coding: Coding | None = None
    """Of a category."""
    is_basis: bool = False
    """Whether it is a transform to several columns."""

    @property
    def call(self) -> str:
        """The text by which its transform is known, if it is one."""
        return ast.unparse(parse_expression(self.inside).tree)

    def width(self, reduced: bool, transforms: Mapping[str, Transform]) -> int:
        """Return how many columns it makes; ``transforms`` are known by their text."""
        if self.coding is not None:
            return len(self.coding.levels) - reduced
        if not self.is_basis:
            return 1
        transform = transforms[self.call]
        assert transform.fields is not None
        return len(transform.fields) - (reduced and transform.spans_intercept)


@dataclass(frozen=True, slots=True, eq=False)
class Recipe:
    """A formula with the levels and states found in all rows of the fit."""

    formula: str
    response: str
    fit_intercept: bool
    ingredients: tuple[Ingredient, ...]
    states: Mapping[str, State]
    """Of transforms, by the text of the call."""
    terms: tuple[Term, ...]
    unseen: Unseen = field(default_factory=dict)
    offset: str | None = None
    """What is added to the linear predictor, if it was made of columns."""

    @property
    def columns(self) -> tuple[str, ...]:
        """Columns of the raw table that the design and the offset are made of."""
        expressions = [parse_expression(part.inside) for part in self.ingredients]
        if self.offset is not None:
            expressions.append(parse_expression(self.offset))
        return tuple(dict.fromkeys(n for e in expressions for n in e.columns))

    @property
    def feature_names(self) -> tuple[str, ...]:
        """Names of the columns of the design."""
        return tuple(name for term in self.terms for name in term.columns)

    @property
    def groups(self) -> dict[str, tuple[str, ...]]:
        """Columns of every term that has any."""
        return {term.name: term.columns for term in self.terms if term.columns}
