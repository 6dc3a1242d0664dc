"""Predictions as an SQL query.

Every term is a double: columns are cast, so that integers are not divided as integers,
and coefficients are written with all their digits. Sums are balanced, because databases
limit how deep an expression may be. Exponentials are kept in the range of a double,
beyond which some databases give infinity and others an error.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from dlogreg.exchange.linear import linear_lines

if TYPE_CHECKING:
    from dlogreg.results import Results

LEAST = -745
"""Below it the exponential is less than the smallest double."""
MOST = 690
"""Up to it a thousand exponentials can be added without overflow."""


LOGISTIC = (
    f"CASE WHEN e.eta0 > 40 THEN 1.0 WHEN e.eta0 < {LEAST} THEN 0.0 "
    "WHEN e.eta0 > 0 THEN 1.0 / (1.0 + EXP(-e.eta0)) "
    "ELSE EXP(e.eta0) / (1.0 + EXP(e.eta0)) END"
)
"""The probability of the event from the log-odds; from 40 on it rounds to 1."""


def to_sql(results: Results, table: str | Sequence[str]) -> str:
    """Return a query for the predicted probabilities; see ``Exchange``."""
    parts = [table] if isinstance(table, str) else list(table)
    source = ".".join(map(quoted, parts))
    intercepts, slopes = linear_lines(results, "SQL")
    predictors = [
        _predictor(intercept, line, results.feature_names)
        for intercept, line in zip(intercepts.tolist(), slopes.tolist(), strict=True)
    ]
    listed = ", ".join(f"{text} AS eta{k}" for k, text in enumerate(predictors))
    if len(results.classes) == 2:
        shares = {"probability": LOGISTIC}
    else:
        shares = {
            f"probability_{label}": _softmax(k, len(predictors))
            for k, label in enumerate(results.classes)
        }
    columns = [
        f"(SELECT {share} FROM (SELECT {listed}) AS e) AS {quoted(name)}"
        for name, share in shares.items()
    ]
    return f"SELECT t.*, {', '.join(columns)} FROM {source} AS t"


def quoted(name: str) -> str:
    """Return a name as a delimited identifier."""
    if "\0" in name:
        raise ValueError(
            f"SQL has no names with NUL characters, as {name!r}; rename it"
        )
    doubled = name.replace('"', '""')
    return f'"{doubled}"'


def _predictor(intercept: float, slopes: Sequence[float], names: Sequence[str]) -> str:
    """Return the linear predictor, without columns whose coefficient is 0."""
    terms = [repr(intercept)]
    terms += [
        f"{slope!r} * CAST(t.{quoted(name)} AS DOUBLE PRECISION)"
        for slope, name in zip(slopes, names, strict=True)
        if slope
    ]
    return _balanced(terms)


def _balanced(terms: Sequence[str]) -> str:
    """Return a sum whose depth is the logarithm of its length."""
    if len(terms) <= 8:
        return " + ".join(terms)
    half = len(terms) // 2
    return f"({_balanced(terms[:half])}) + ({_balanced(terms[half:])})"


def _softmax(k: int, n_classes: int) -> str:
    """Return 1 / (1 + sum over the other classes of exp(eta_l - eta_k))."""
    others = []
    for other in range(n_classes):
        if other != k:
            gap = f"e.eta{other} - e.eta{k}"
            others.append(
                f"CASE WHEN {gap} > {MOST} THEN EXP({MOST}.0) "
                f"WHEN {gap} < {LEAST} THEN 0.0 ELSE EXP({gap}) END"
            )
    return f"1.0 / (1.0 + {_balanced(others)})"
