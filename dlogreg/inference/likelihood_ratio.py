"""Likelihood-ratio tests: of every term by itself, and of one model inside another."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.special import chdtrc

from dlogreg.errors import InferenceError
from dlogreg.inference.batch import (
    LEAST_TOL,
    Batch,
    batches,
    check_testable,
    enclosed,
    open_batch,
)
from dlogreg.inference.table import ChiSquaredTest, TestTable
from dlogreg.rows_again import RowsAgain
from dlogreg.solvers.many import advance_together
from dlogreg.solvers.quasi_newton import Constraint
from dlogreg.solvers.restricted import Restricted

if TYPE_CHECKING:
    from dlogreg.results import LogitResults, Results

Terms = Mapping[str, Sequence[str] | str] | Sequence[Sequence[str] | str]


@dataclass(frozen=True, slots=True)
class Term:
    """Columns that are dropped together."""

    name: str
    positions: tuple[int, ...]
    """Those that were estimated, among all coefficients."""


def chi_squared(statistic: float, df: int, error: float = np.nan) -> ChiSquaredTest:
    """Return a statistic with its p-value; NaN without degrees of freedom."""
    if df == 0:
        return ChiSquaredTest(np.nan, 0, np.nan, np.nan)
    return ChiSquaredTest(statistic, df, float(chdtrc(df, max(0.0, statistic))), error)


def terms_of(results: LogitResults, terms: Terms | None) -> list[Term]:
    """Return the terms to drop: those of the formula, or every column by itself."""
    terms = terms or results.terms or None
    if terms is None:
        given: list[tuple[str, Sequence[str]]] = [
            (name, (name,)) for name in results.feature_names
        ]
    elif isinstance(terms, Mapping):
        given = [(str(name), _listed(columns)) for name, columns in terms.items()]
    else:
        listed = [_listed(columns) for columns in terms]
        given = [(" + ".join(columns), columns) for columns in listed]
    found = []
    for name, columns in given:
        if not columns:
            raise ValueError(f"term {name!r} has no columns; name at least one")
        places = [position_of(results, column) for column in dict.fromkeys(columns)]
        kept = tuple(p for p in places if not np.isnan(results.coefficients[p]))
        found.append(Term(name, kept))
    return found


def _listed(columns: Sequence[str] | str) -> Sequence[str]:
    return (columns,) if isinstance(columns, str) else tuple(columns)


def position_of(results: LogitResults, name: str) -> int:
    """Return where a coefficient stands, or raise with the names there are."""
    params = results.params
    try:
        return params.position(name)
    except KeyError as error:
        raise ValueError(error.args[0]) from None


def ratio_tests(
    results: LogitResults, rows: RowsAgain, terms: Terms | None
) -> TestTable:
    """Drop every term; fit all these models together."""
    check_testable(results, "a likelihood-ratio test")
    wanted = terms_of(results, terms)
    tested = [term for term in wanted if term.positions]
    found: dict[str, ChiSquaredTest] = {}
    n_passes = 0
    for run in batches(len(tested), len(results.coefficients)):
        part = [tested[i] for i in run]
        tests, spent = _drop(results, rows, part)
        found.update(zip([term.name for term in part], tests, strict=True))
        n_passes += spent
    nothing = chi_squared(np.nan, 0)
    rows_of_table = tuple(found.get(term.name, nothing) for term in wanted)
    return TestTable(
        "Likelihood-ratio test of every term, dropped from the model",
        tuple(term.name for term in wanted),
        rows_of_table,
        n_passes,
    )


def _drop(
    results: LogitResults, rows: RowsAgain, terms: Sequence[Term]
) -> tuple[list[ChiSquaredTest], int]:
    std = rows.standardization
    constraints = [
        Constraint(
            np.column_stack([std.direction(p) for p in term.positions]),
            np.zeros(len(term.positions)),
        )
        for term in terms
    ]
    with rows.reading() as passes:
        batch = open_batch(results, rows, passes, constraints)
        models = restricted_models(batch, max(results.tol, LEAST_TOL))
        advance_together(batch.objective, models)
    full, error = batch.optimum
    tests = []
    for term, model in zip(terms, models, strict=True):
        assert model.proof is not None
        least, own_error = enclosed(model.proof)
        statistic = max(0.0, 2 * (least - full))
        total = 2 * (own_error + error)
        tests.append(chi_squared(statistic, len(term.positions), total))
    return tests, passes.n_passes


def restricted_models(batch: Batch, tol: float) -> list[Restricted]:
    """Return the models of a batch, with what the first pass found of each."""
    models = []
    for start in batch.starts:
        model = Restricted(
            batch.metric, batch.kept, start.constraint, tol, start.theta, batch.origin
        )
        if start.found is not None:
            model.receive(start.found)
        models.append(model)
    return models


def nested_test(results: Results, smaller: Any) -> ChiSquaredTest:
    """Compare with the results of a model that is inside this one."""
    if type(smaller) is not type(results):
        raise TypeError(
            f"lr_test() takes the results of a smaller model, not {smaller!r}; name "
            "what is to be dropped by terms="
        )
    for fitted in (results, smaller):
        check_testable(fitted, "a likelihood-ratio test", classes=False)
    _check_same_rows(results, smaller)
    ours, theirs = _estimated(results), _estimated(smaller)
    extra = [name for name in theirs if name not in ours]
    if extra:
        raise InferenceError(
            f"the smaller model has {extra[0]!r}, which this model has not, so that "
            "it is not inside this one; give a model with some of these columns"
        )
    df = (len(ours) - len(theirs)) * results.n_equations
    statistic = 2 * (results.llf - smaller.llf)
    return chi_squared(max(0.0, statistic), df)


def _check_same_rows(results: Results, smaller: Results) -> None:
    """Refuse fits that are not of the same rows, as far as their sums tell."""
    same = (
        ("n_rows", "numbers of rows"),
        ("classes", "classes"),
        ("class_counts", "numbers of rows by class"),
        ("nobs", "sums of weights"),
        ("llnull", "null log-likelihoods, so other weights or offsets"),
    )
    for name, what in same:
        ours, theirs = getattr(results, name), getattr(smaller, name)
        equal = ours == theirs
        if isinstance(ours, float):
            equal = bool(np.isclose(ours, theirs, rtol=1e-9))
        if not equal:
            raise InferenceError(
                f"the two fits have different {what} ({ours!r} and {theirs!r}), so "
                "they are not of the same data; fit both to the same rows"
            )


def _estimated(results: Results) -> list[str]:
    """Return the names of what is estimated, in every equation alike."""
    lines = np.atleast_2d(results.coefficients)
    return [
        name
        for name, value in zip(results.names, lines[0], strict=True)
        if np.isfinite(value)
    ]
