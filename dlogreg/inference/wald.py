"""Wald's test of linear hypotheses about the coefficients."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.linalg import cho_factor, cho_solve
from scipy.special import chdtrc

from dlogreg.display.wald import render_test, render_test_html
from dlogreg.errors import InferenceError
from dlogreg.evaluation import FloatArray
from dlogreg.inference.hypothesis import Hypothesis, as_hypothesis

REDUNDANT = 1e-9
"""Part of a constraint that those before it must leave, in its own length."""


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class WaldTest:
    """Test of R b = r: under it (Rb - r)'(R V R')^-1 (Rb - r) is chi-squared."""

    statistic: float
    df: int
    """Number of constraints."""
    pvalue: float
    hypothesis: tuple[str, ...]
    """Every constraint in words."""
    estimates: FloatArray
    """R b - r, shape (df,): what the constraints say is 0."""
    bse: FloatArray
    """Standard errors of the estimates, shape (df,)."""
    distribution: str = "chi2"
    cov_type: str = "model"
    """Kind of the covariance V."""

    @property
    def zvalues(self) -> FloatArray:
        """Wald statistic of every constraint alone; its square is chi-squared."""
        return self.estimates / self.bse

    def __str__(self) -> str:
        """Return the test as text."""
        return render_test(self)

    def __repr__(self) -> str:
        """Return the same, so that a terminal shows it."""
        return str(self)

    def _repr_html_(self) -> str:
        """Return the test as a fragment of HTML."""
        return render_test_html(self)


def wald_test(
    given: Any,
    coefficients: FloatArray,
    covariance: FloatArray,
    names: Sequence[str],
    dropped: Mapping[str, str],
    n_groups: int = 0,
) -> WaldTest:
    """Test a hypothesis given as text or matrix; see ``LogitResults.wald_test``.

    ``n_groups`` is that of a clustered covariance, 0 for others.
    """
    hypothesis = as_hypothesis(given, names)
    matrix = hypothesis.matrix
    kept = np.isfinite(coefficients)
    _check_estimated(hypothesis, kept, names, dropped)
    matrix, covariance = matrix[:, kept], covariance[np.ix_(kept, kept)]
    # in units of standard errors, so that no column's scale decides what is rounding
    unit = np.sqrt(np.diagonal(covariance))
    scaled = matrix * unit
    _check_independent(scaled, hypothesis.texts)
    _check_groups(len(matrix), n_groups)
    estimates = matrix @ coefficients[kept] - hypothesis.values
    spread = scaled @ (covariance / np.outer(unit, unit)) @ scaled.T
    bse = np.sqrt(np.diagonal(spread))
    z = estimates / bse
    statistic = float(z @ cho_solve(cho_factor(spread / np.outer(bse, bse)), z))
    df = len(matrix)
    return WaldTest(
        statistic,
        df,
        float(chdtrc(df, statistic)),
        hypothesis.texts,
        estimates,
        bse,
    )


def _check_estimated(
    hypothesis: Hypothesis,
    kept: np.ndarray[Any, np.dtype[np.bool_]],
    names: Sequence[str],
    dropped: Mapping[str, str],
) -> None:
    """Refuse a constraint on a coefficient that could not be estimated."""
    used = hypothesis.matrix.any(axis=0) & ~kept
    for j in np.flatnonzero(used).tolist():
        reason = dropped.get(names[j], "it could not be estimated")
        raise InferenceError(
            f"the hypothesis is about {names[j]!r}, which has no coefficient "
            f"({reason}); leave it out"
        )


def _check_groups(df: int, n_groups: int) -> None:
    """Refuse more constraints than the scores of so few groups can tell apart."""
    if 0 < n_groups <= df:
        raise InferenceError(
            f"{df} constraints cannot be tested by {n_groups} groups, whose covariance "
            f"has rank {n_groups - 1} at most; test fewer at once, or take kind='HC1'"
        )


def _check_independent(scaled: FloatArray, texts: Sequence[str]) -> None:
    """Refuse a constraint that says nothing, or what those before it say."""
    lengths = np.linalg.norm(scaled, axis=1)
    empty = np.flatnonzero(lengths == 0).tolist()
    if empty:
        raise ValueError(
            f"constraint {empty[0] + 1} ({texts[empty[0]]}) holds no coefficient; "
            "leave it out"
        )
    # the diagonal of R: what each row has that is at right angles to those before it
    triangle = np.linalg.qr((scaled / lengths[:, None]).T, mode="r")
    rest = np.zeros(len(scaled))
    rest[: len(triangle)] = np.abs(np.diagonal(triangle))
    repeated = np.flatnonzero(rest < REDUNDANT).tolist()
    if repeated:
        raise ValueError(
            f"constraint {repeated[0] + 1} ({texts[repeated[0]]}) is a combination of "
            "those before it, which it repeats or contradicts; leave it out"
        )
