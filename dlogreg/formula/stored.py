"""A recipe as JSON and back; what is read is checked and never evaluated."""

from __future__ import annotations

import ast
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from dlogreg.evaluation import Label
from dlogreg.formula.calls import read_transform
from dlogreg.formula.categories import Coding
from dlogreg.formula.expression import FormulaError, parse_expression
from dlogreg.formula.recipe import Ingredient, Recipe
from dlogreg.formula.terms import Part, Term
from dlogreg.formula.transforms import State, Transform
from dlogreg.storage.entries import (
    Entries,
    InvalidError,
    as_finite,
    as_flag,
    as_label,
    as_list,
    as_object,
    as_size,
    as_text,
    shown,
)

RECIPE_KEYS = frozenset(
    ("text", "response", "factors", "states", "terms", "unseen", "offset")
)
FACTOR_KEYS = frozenset(("text", "inside", "basis", "levels", "reference", "coding"))
TERM_KEYS = frozenset(("name", "parts", "columns"))
PART_KEYS = frozenset(("scale", "factors", "reduced"))


def recipe_entries(recipe: Recipe) -> dict[str, Any]:
    """Return a recipe as what JSON can hold."""
    return {
        "text": recipe.formula,
        "response": recipe.response,
        "factors": [_factor_entries(part) for part in recipe.ingredients],
        "states": {
            text: {name: [float(v) for v in values] for name, values in state.items()}
            for text, state in recipe.states.items()
        },
        "terms": [
            {
                "name": term.name,
                "parts": [
                    {
                        "scale": part.scale,
                        "factors": list(part.factors),
                        "reduced": list(part.reduced),
                    }
                    for part in term.parts
                ],
                "columns": list(term.columns),
            }
            for term in recipe.terms
        ],
        "unseen": [[text, level] for text, level in recipe.unseen.items()],
        "offset": recipe.offset,
    }


def _factor_entries(part: Ingredient) -> dict[str, Any]:
    coding = part.coding
    matrix = None if coding is None else coding.matrix
    return {
        "text": part.text,
        "inside": part.inside,
        "basis": part.is_basis,
        "levels": None if coding is None else list(coding.levels),
        "reference": 0 if coding is None else coding.reference,
        "coding": None if matrix is None else matrix.tolist(),
    }


def read_recipe(entries: Any, *, fit_intercept: bool) -> Recipe:
    """Return the recipe in a file; every text is parsed, and nothing else accepted."""
    found = Entries(as_object(entries), RECIPE_KEYS)
    try:
        ingredients = tuple(found.items("factors", _ingredient))
        transforms = _transforms(ingredients)
        parse_expression(found.get("response", as_text))
        offset = None
        if found.entries["offset"] is not None:
            offset = parse_expression(found.get("offset", as_text)).text
    except FormulaError as error:
        raise InvalidError(f"its formula is none of dlogreg: {error}") from None
    states = {
        text: _state(text, state, transforms)
        for text, state in found.get("states", as_object).items()
    }
    lacking = [text for text in transforms if text not in states]
    if lacking:
        raise InvalidError(f"'states' lacks {shown(lacking[0])}")
    recipe = Recipe(
        found.get("text", as_text),
        found.get("response", as_text),
        fit_intercept,
        ingredients,
        states,
        tuple(found.items("terms", _term)),
        dict(found.items("unseen", _stand_in)),
        offset,
    )
    _check_widths(recipe, transforms)
    return recipe


def _ingredient(value: Any) -> Ingredient:
    found = Entries(as_object(value), FACTOR_KEYS)
    inside, basis = found.get("inside", as_text), found.get("basis", as_flag)
    expression = parse_expression(inside)
    if basis and not isinstance(expression.tree, ast.Call):
        raise InvalidError(f"has a basis that is no call: {shown(inside)}")
    return Ingredient(found.get("text", as_text), inside, _coding(found), basis)


def _coding(found: Entries) -> Coding | None:
    if found.entries["levels"] is None:
        return None
    levels = tuple(found.items("levels", as_label))
    reference = found.get("reference", as_size)
    if not levels or len(set(levels)) != len(levels) or reference >= len(levels):
        raise InvalidError("has levels that are not different, or no such reference")
    if found.entries["coding"] is None:
        return Coding(levels, None, reference)
    lines = [
        list(map(as_finite, as_list(line))) for line in found.get("coding", as_list)
    ]
    if len(lines) != len(levels) or {len(line) for line in lines} != {len(levels) - 1}:
        raise InvalidError("has a coding that is not of its levels")
    return Coding(levels, np.array(lines, dtype=np.float64), reference)


def _transforms(ingredients: Sequence[Ingredient]) -> dict[str, Transform]:
    return {
        ast.unparse(call): read_transform(call)
        for part in ingredients
        for call in parse_expression(part.inside).calls()
    }


def _state(text: str, value: Any, transforms: Mapping[str, Transform]) -> State:
    if text not in transforms:
        raise InvalidError(f"'states' has {shown(text)}, which is in no factor")
    lengths = transforms[text].lengths
    found = Entries(as_object(value), frozenset(lengths))
    state = {name: found.vector(name, n).tolist() for name, n in lengths.items()}
    numbers = [number for values in state.values() for number in values]
    knots = state.get("knots", [])
    ordered = knots == sorted(knots) and not (knots and knots[0] == knots[-1])
    if not all(map(math.isfinite, numbers)) or not ordered:
        raise InvalidError(f"'states' has numbers for {shown(text)} that cannot be")
    return state


def _term(value: Any) -> Term:
    found = Entries(as_object(value), TERM_KEYS)
    columns = tuple(found.items("columns", as_text))
    parts = tuple(found.items("parts", _part))
    return Term(found.get("name", as_text), parts, columns)


def _part(value: Any) -> Part:
    found = Entries(as_object(value), PART_KEYS)
    factors = tuple(found.items("factors", as_text))
    reduced = tuple(found.items("reduced", as_flag))
    if len(factors) != len(reduced):
        raise InvalidError("has 'factors' and 'reduced' of different lengths")
    return Part(found.get("scale", as_finite), factors, reduced)


def _stand_in(value: Any) -> tuple[str, Label]:
    pair = as_list(value)
    if len(pair) != 2:
        raise InvalidError(f"must be a factor and a level, not {shown(value)}")
    return as_text(pair[0]), as_label(pair[1])


def _check_widths(recipe: Recipe, transforms: Mapping[str, Transform]) -> None:
    """Refuse terms whose factors do not make as many columns as they name."""
    parts = {part.text: part for part in recipe.ingredients}
    for term in recipe.terms:
        width = 0
        for product in term.parts:
            unknown = [text for text in product.factors if text not in parts]
            if unknown:
                raise InvalidError(f"a term names {shown(unknown[0])}, no factor")
            width += math.prod(
                _width(parts[text], reduced, transforms)
                for text, reduced in zip(product.factors, product.reduced, strict=True)
            )
        if width != len(term.columns):
            raise InvalidError(
                f"term {shown(term.name)} has {width} columns and names "
                f"{len(term.columns)}"
            )


def _width(part: Ingredient, reduced: bool, transforms: Mapping[str, Transform]) -> int:
    if part.is_basis and part.coding is None:
        transform = transforms.get(part.call)
        if transform is None or transform.fields is None:
            raise InvalidError(f"{shown(part.inside)} has one column, not several")
    return part.width(reduced, transforms)
