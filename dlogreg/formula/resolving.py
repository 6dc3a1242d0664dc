"""A formula and what a scan has found -> the recipe, or what is wrong."""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from typing import Any

from dlogreg.errors import DataError
from dlogreg.evaluation import Label
from dlogreg.formula.calls import read_transform
from dlogreg.formula.categories import coding_of
from dlogreg.formula.expression import Expression, FormulaError
from dlogreg.formula.recipe import Ingredient, Recipe, Unseen
from dlogreg.formula.scan import Found
from dlogreg.formula.terms import Formula, Term, lay_terms
from dlogreg.formula.transforms import State, Transform
from dlogreg.repeated_name import repeated_name


def transforms_of(formula: Formula) -> dict[str, tuple[Expression, Transform]]:
    """Return the transforms of a formula by their text, with what they apply to."""
    found = {}
    for factor in formula.factors.values():
        for call in factor.expression.calls():
            argument = factor.expression.inside(call.args[0])
            found[ast.unparse(call)] = (argument, read_transform(call))
    return found


def check_missing(found: Found, needed: Sequence[str], missing: str) -> int:
    """Return how many rows are dropped, or refuse what is missing."""
    empty = [n for n in needed if found.missing.get(n, (0,))[0] == found.n_rows > 0]
    if empty:
        raise DataError(
            f"column {empty[0]!r} is missing in all {found.n_rows:,} rows; leave it "
            "out of the formula"
        )
    if not found.n_rows:
        raise DataError("there are no rows with a positive weight; nothing to fit")
    if found.missing and missing == "raise":
        counts = [
            f"{name!r} in {count:,} (first in {place})"
            for name, (count, place) in list(found.missing.items())[:5]
        ]
        more = f" and {len(found.missing) - 5} more" if len(found.missing) > 5 else ""
        raise DataError(
            f"{found.n_rows - found.n_kept:,} of {found.n_rows:,} rows have missing "
            f"values: {', '.join(counts)}{more}; fill them, or give missing='drop'"
        )
    if not found.n_kept:
        raise DataError(
            f"every one of the {found.n_rows:,} rows has a missing value, so that "
            "nothing is left to fit; leave out the columns that are missing most"
        )
    return found.n_rows - found.n_kept


def resolve(formula: Formula, found: Found, unseen: Any) -> Recipe:
    """Return the recipe, now that levels and moments are known."""
    levels = {
        text: given if given is not None else _ordered(text, found)
        for text, given in (
            (text, formula.factors[text].levels) for text in found.levels
        )
    }
    states = {
        text: _state(text, transform, found)
        for text, (_, transform) in transforms_of(formula).items()
    }
    ingredients = tuple(
        Ingredient(
            text,
            factor.expression.text,
            coding_of(text, factor.contrasts, levels[text]) if text in levels else None,
            factor.basis is not None,
        )
        for text, factor in formula.factors.items()
    )
    terms = lay_terms(formula, levels)
    _check_columns(formula, terms)
    return Recipe(
        formula.text,
        formula.response.text,
        formula.fit_intercept,
        ingredients,
        states,
        terms,
        _stand_ins(unseen, levels),
    )


def _check_columns(formula: Formula, terms: Sequence[Term]) -> None:
    """Refuse a design without columns, or with two of the same name."""
    names = [name for term in terms for name in term.columns]
    repeated = repeated_name(names)
    if repeated is not None:
        raise FormulaError(
            f"the formula {formula.text!r} makes the column {repeated!r} twice; "
            "leave one of the terms out"
        )
    if not names:
        raise FormulaError(
            f"the formula {formula.text!r} has no columns besides the intercept; name "
            "at least one, with two levels or more"
        )


def _ordered(text: str, found: Found) -> tuple[Label, ...]:
    """Return the levels that occur, in the user's order or sorted."""
    known = found.levels[text]
    if known.order is not None:
        return tuple(level for level in known.order if level in known.seen)
    try:
        return tuple(sorted(known.seen))
    except TypeError:
        kinds = {type(level).__name__: level for level in known.seen}
        listed = " and ".join(f"{level!r} ({kind})" for kind, level in kinds.items())
        raise DataError(
            f"the levels of {text} are of different kinds, {listed}; make them one kind"
        ) from None


def _state(text: str, transform: Transform, found: Found) -> State:
    try:
        return transform.resolve(found.moments[text])
    except DataError as error:
        raise DataError(f"{text}: {error}") from None


def _stand_ins(unseen: Any, levels: Mapping[str, tuple[Label, ...]]) -> Unseen:
    """Return the level that each factor takes for one that it has not seen."""
    if isinstance(unseen, str) and unseen == "error":
        return {}
    given: Mapping[str, Any]
    if isinstance(unseen, Mapping):
        given = unseen
    else:
        given = {text: unseen for text, known in levels.items() if unseen in known}
        if not given:
            raise ValueError(
                f"unseen={unseen!r} is neither 'error' nor a level of any category"
            )
    for text, level in given.items():
        if level not in levels.get(text, ()):
            raise ValueError(
                f"unseen names the level {level!r} of {text!r}, which the data have not"
            )
    return dict(given)
