"""What the summary of three or more classes says: one block for every class."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from dlogreg.display.coefficients import (
    CoefficientRow,
    cells,
    coefficient_rows,
    intervals,
    strengths,
    with_intervals,
)
from dlogreg.display.numerals import count
from dlogreg.display.summary import (
    Facts,
    Summary,
    columns,
    computation,
    label_text,
    method,
    notes,
    of_any_fit,
    outcome,
    table_parts,
)

if TYPE_CHECKING:
    from dlogreg.results import MultinomialResults

MAX_CLASSES = 12
"""More classes are counted in the header rather than listed."""


def describe_multinomial(results: MultinomialResults) -> str:
    """Return one line about a fitted model."""
    n_lines, n_columns = results.params.shape
    return (
        f"<MultinomialResults: {n_lines} coefficients for each of {n_columns} classes, "
        f"{_against(results)}, {outcome(results)}>"
    )


def summarize_multinomial(results: MultinomialResults, alpha: float) -> Summary:
    """Return what there is to say about a fitted model."""
    return Summary(
        title=f"Multinomial logistic regression, {method(results)}",
        model=(*_classes(results), *computation(results)),
        columns=columns(results, alpha),
        notes=tuple(notes(results, alpha)),
        **of_any_fit(results),
        **table_parts(list(_blocks(results, alpha)), results),
    )


def _against(results: MultinomialResults) -> str:
    if results.symmetric:
        return "symmetric"
    return f"reference {label_text(results.classes[0])}"


def _classes(results: MultinomialResults) -> Facts:
    counts = results.class_counts
    listed = results.classes
    if len(listed) > MAX_CLASSES:
        listed = listed[:1]
    facts = [
        ("Class", f"{label_text(label)} ({count(counts[label])} rows)")
        for label in listed
    ]
    if not results.symmetric:
        facts[0] = ("Reference class", facts[0][1])
    left_out = len(results.classes) - len(listed)
    return (*facts, *([("Other classes", count(left_out))] if left_out else []))


def _blocks(results: MultinomialResults, alpha: float) -> Iterator[CoefficientRow]:
    """Return a heading and the rows of coefficients for every class."""
    ratios = results.odds_ratios(alpha)
    wald = None
    if results.covariance is not None:
        wald = [np.asarray(v) for v in (results.bse, results.zvalues, results.pvalues)]
    against = "the geometric mean of all"
    if not results.symmetric:
        against = label_text(results.classes[0])
    for k, label in enumerate(results.labels):
        shown = label_text(label)
        yield CoefficientRow(shown, remark=f"log-odds of {shown} against {against}")
        own = None if wald is None else (wald[0][:, k], wald[1][:, k], wald[2][:, k])
        numbers = cells(results.coefficients[k], ratios[k], own)
        drawn = intervals(results, results.coefficients[k], ratios[k])
        strong = strengths(results.coefficients[k], None if own is None else own[1])
        found = coefficient_rows(results, numbers)
        yield from with_intervals(found, drawn, strong, shown)
