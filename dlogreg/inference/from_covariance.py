"""What the covariance of the coefficients of two classes tells."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from dlogreg.evaluation import FloatArray
from dlogreg.inference.collinearity import inflation, scaled_condition
from dlogreg.inference.covariance_methods import Covariances
from dlogreg.inference.wald import WaldTest, wald_test
from dlogreg.labelled import LabelledVector


class FromCovariance(Covariances, ABC):
    """Covariances, tests of hypotheses, collinearity; nothing is read for them."""

    feature_names: tuple[str, ...]
    dropped: Mapping[str, str]
    fit_intercept: bool

    @property
    @abstractmethod
    def terms(self) -> Mapping[str, Sequence[str]]:
        """Columns of every term of the formula."""

    @property
    @abstractmethod
    def names(self) -> tuple[str, ...]:
        """Names of all coefficients."""

    def wald_test(self, hypothesis: Any = None, *, kind: str | None = None) -> WaldTest:
        """Test linear hypotheses about the coefficients; reads no data.

        Parameters
        ----------
        hypothesis : str or array, shape (q, n_params), optional
            Equations such as ``"a = b"``, ``"a = 2*b + 1"``, ``"x1 = x2 = 0"``; several
            after commas are tested together, and ``"a, b"`` says that both are 0. Names
            that are no plain words stand in backticks or in ``Q("...")``. A matrix R
            says R b = 0. Default: all coefficients but the intercept are 0.
        kind : {"model", "HC0", "HC1", "cluster"}, optional
            Covariance that is used; default: ``cov_type`` of the fit.

        Returns
        -------
        WaldTest
            With ``statistic``, ``df``, ``pvalue``; ``distribution`` is "chi2".

        Raises
        ------
        InferenceError
            If there is no covariance, a coefficient was dropped as aliased, or kind is
            "cluster" and there are as many constraints as groups, or more.
        ValueError
            If the hypothesis cannot be read, names an unknown coefficient, or holds a
            constraint that the others imply or contradict.

        Examples
        --------
        >>> import dlogreg
        >>> X, y = [[0.0], [1.0], [2.0], [3.0], [4.0], [5.0]], [0, 0, 1, 0, 1, 1]
        >>> res = dlogreg.fit(X, y, feature_names=["dose"])
        >>> round(res.wald_test("dose = 1").pvalue, 4)
        0.8146
        """
        covariance = self.cov_params(kind)
        if hypothesis is None:
            hypothesis = self._no_effect()
        kind = kind or self.cov_type
        test = wald_test(
            hypothesis,
            self.coefficients,
            covariance,
            self.names,
            self.dropped,
            self.n_groups if kind == "cluster" else 0,
        )
        return replace(test, cov_type=kind)

    def vif(self, terms: Mapping[str, Sequence[str]] | None = None) -> LabelledVector:
        """Return variance inflation factors of the columns, NaN for dropped ones.

        They are those of ``car::vif`` for a glm in R: from the correlation of the
        *coefficients*, the intercept left out, so that columns count with the weights
        p (1 - p) of the fit, whatever its ``cov_type``. Reads no data.

        Parameters
        ----------
        terms : mapping of str to sequence of str, optional
            Columns that belong together, such as the indicators of one category, by
            the name of the term; their generalized factor does not depend on the
            category that was left out. Columns that are not named stand alone.
            Default: the terms of the formula, after ``fit_formula``.

        Returns
        -------
        LabelledVector
            The factor of every term, in the order of its first column. To compare terms
            of d columns with single ones take the power 1 / d.

        Examples
        --------
        >>> import dlogreg
        >>> X = [[0.0, 1], [1, 0], [2, 2], [3, 3], [4, 3], [5, 5]]
        >>> res = dlogreg.fit(X, [0, 1, 1, 0, 0, 1])
        >>> res.vif().round(2)
        array([6.5, 6.5])
        """
        covariance = self.cov_params("model")[self._first :, self._first :]
        kept = np.flatnonzero(np.isfinite(self.coefficients[self._first :]))
        place = {int(column): k for k, column in enumerate(kept)}
        groups = self._grouped(self.terms if terms is None else terms)
        inside = [[place[j] for j in group if j in place] for group in groups.values()]
        estimated = [group for group in inside if group]
        factors = np.full(len(inside), np.nan)
        if estimated:
            found = inflation(covariance[np.ix_(kept, kept)], estimated)
            factors[[bool(group) for group in inside]] = found
        return LabelledVector.of(factors, tuple(groups), "term")

    @property
    def condition_number(self) -> float:
        """Condition number of the columns weighted by p (1 - p), intercept included.

        Each column is scaled to unit length and none is centred: above 30 the data tell
        little about some combination of them (Belsley, Kuh and Welsch 1980).
        """
        kept = np.isfinite(self.coefficients)
        return scaled_condition(self.cov_params("model")[np.ix_(kept, kept)])

    @property
    def _first(self) -> int:
        return int(self.fit_intercept)

    def _no_effect(self) -> FloatArray:
        """Return the matrix which says that no column has an effect."""
        unity = np.eye(len(self.coefficients))[self._first :]
        rows = unity[np.isfinite(self.coefficients[self._first :])]
        if not len(rows):
            raise ValueError("the model has no column to test")
        return rows

    def _grouped(self, terms: Mapping[str, Sequence[str]]) -> dict[str, list[int]]:
        """Return the columns of every term, in the order of the first of them."""
        owner: dict[str, str] = {}
        for term, columns in terms.items():
            for name in columns:
                if name not in self.feature_names:
                    raise ValueError(f"term {term!r} has {name!r}, which is no column")
                if name in owner:
                    raise ValueError(f"column {name!r} stands in two terms")
                owner[name] = term
        groups: dict[str, list[int]] = {}
        for j, name in enumerate(self.feature_names):
            if name not in owner and name in terms:
                raise ValueError(f"the term {name!r} is called as a column beside it")
            groups.setdefault(owner.get(name, name), []).append(j)
        return groups
