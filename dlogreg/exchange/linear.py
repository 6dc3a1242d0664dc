"""A result as nothing but intercepts and slopes, where that is all it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from dlogreg.evaluation import FloatArray
from dlogreg.formula.expression import parse_expression
from dlogreg.results import MultinomialResults

if TYPE_CHECKING:
    from dlogreg.formula.recipe import Recipe
    from dlogreg.results import Results


def linear_lines(results: Results, target: str) -> tuple[FloatArray, FloatArray]:
    """Return intercepts, shape (n_lines,), and slopes, shape (n_lines, n_features).

    One line for the log-odds of two classes, and one per class for more, which sum to
    zero over the classes. Dropped columns have slopes of 0.

    Raises
    ------
    ValueError
        If predictions need more than the columns of the model; ``target`` is named.
    """
    if results.has_offset:
        raise ValueError(
            f"{target} cannot express a model with an offset; predict with "
            "res.predict(X, offset=), or fit without the offset"
        )
    if results.recipe is not None and not _is_plain(results.recipe):
        raise ValueError(
            f"{target} cannot express the formula {results.recipe.formula!r}, which "
            "makes columns of those of the table; predict with res.predict(table), or "
            "fit a table of these columns without a formula"
        )
    if isinstance(results, MultinomialResults):
        lines = np.nan_to_num(results.symmetric_coefficients(), nan=0.0)
    else:
        lines = results.near_limit()[None]
    first = int(results.fit_intercept)
    return lines[:, :first].sum(axis=1), lines[:, first:]


def _is_plain(recipe: Recipe) -> bool:
    """Tell whether the columns of the design are columns of the raw table."""
    names = set()
    for part in recipe.ingredients:
        column = parse_expression(part.inside).column()
        if column is None or part.coding is not None or part.is_basis:
            return False
        names.add(column)
    return set(recipe.feature_names) <= names
