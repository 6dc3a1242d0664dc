"""Coefficients of bootstrap replicates, and what they tell of those of the fit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from dlogreg.display.coefficients import CoefficientRow, shortened
from dlogreg.display.numerals import statistic
from dlogreg.display.summary import Summary
from dlogreg.evaluation import FloatArray
from dlogreg.inference.levels import check_level
from dlogreg.labelled import LabelledVector

METHODS = ("percentile", "basic")


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class Replicates:
    """Bootstrap replicates of a fit; what is told of them leaves out those that failed.

    Coefficients that the fit dropped as aliased are NaN everywhere.
    """

    names: tuple[str, ...]
    estimate: FloatArray
    """Coefficients of the fit, shape (n_params,)."""
    params: FloatArray
    """Coefficients of every replicate, NaN where it failed, shape (B, n_params)."""
    by: str
    """What was drawn: "rows" or "groups"."""
    seed: int = 0
    n_passes: int = 0
    """Passes over the data that the replicates took, all together."""
    error: float = 0.0
    """Largest estimated distance of a replicate to its optimum, in standard errors."""

    @property
    def n_replicates(self) -> int:
        """Number of replicates B."""
        return len(self.params)

    @property
    def n_failed(self) -> int:
        """Replicates without an optimum that was found."""
        return self.n_replicates - len(self._found)

    @property
    def se(self) -> LabelledVector:
        """Standard errors: standard deviations over the replicates, n - 1 below."""
        return self._labelled(self._found.std(axis=0, ddof=1))

    @property
    def bias(self) -> LabelledVector:
        """Mean of the replicates less the estimate."""
        return self._labelled(self._found.mean(axis=0) - self.estimate)

    @property
    def covariance(self) -> FloatArray:
        """Covariance over the replicates, n - 1 below, shape (n_params, n_params)."""
        away = self._found - self._found.mean(axis=0)
        return np.asarray(away.T @ away / (len(away) - 1))

    def conf_int(
        self,
        alpha: float = 0.05,
        *,
        method: str = "percentile",
        names: Sequence[str] | None = None,
    ) -> FloatArray:
        """Return intervals at level 1 - alpha, shape (n_params, 2) or (n_names, 2).

        "percentile": the quantiles alpha/2 and 1 - alpha/2 of the replicates, between
        neighbours by interpolation. "basic": these reflected at the estimate.
        """
        check_level(alpha)
        if method not in METHODS:
            raise ValueError(
                f"method must be 'percentile' or 'basic', not {method!r}; profile "
                "intervals come from conf_int() of the result"
            )
        ends = np.quantile(self._found, [alpha / 2, 1 - alpha / 2], axis=0).T
        if method == "basic":
            ends = 2 * self.estimate[:, None] - ends[:, ::-1]
        ends = np.ascontiguousarray(ends)
        if names is None:
            return ends
        labelled = self._labelled(self.estimate)
        return ends[[labelled.position(name) for name in names]]

    def summary(self, alpha: float = 0.05, *, method: str = "percentile") -> Summary:
        """Return the table of estimates, standard errors, bias and intervals."""
        ends = self.conf_int(alpha, method=method)
        table = np.column_stack([self.estimate, self.se, self.bias, ends])
        lines = [
            CoefficientRow(name, tuple(statistic(value) for value in line))
            for name, line in zip(self.names, table.tolist(), strict=True)
        ]
        failed = f", {self.n_failed} of them failed" if self.n_failed else ""
        return Summary(
            title="Bootstrap of a logistic regression",
            model=(("Replicates", f"{self.n_replicates:,}{failed}"),),
            quality=(("Drawn", self.by), ("Passes", str(self.n_passes))),
            status="",
            columns=(
                "coef",
                "std err",
                "bias",
                f"[{alpha / 2:.4g}",
                f"{1 - alpha / 2:.4g}]",
            ),
            rows=tuple(shortened(lines)),
            notes=(),
        )

    def __repr__(self) -> str:
        """Return the table as text."""
        return str(self.summary())

    def _repr_html_(self) -> str:
        """Return the table, as a notebook shows it."""
        return self.summary()._repr_html_()

    def to_frame(self, alpha: float = 0.05, *, method: str = "percentile") -> Any:
        """Return a pandas DataFrame, indexed by coefficient (pandas is an extra)."""
        import pandas as pd

        ends = self.conf_int(alpha, method=method)
        columns = {
            "coef": self.estimate,
            "bse": np.asarray(self.se),
            "bias": np.asarray(self.bias),
            "low": ends[:, 0],
            "high": ends[:, 1],
        }
        return pd.DataFrame(columns, index=list(self.names))

    @property
    def _found(self) -> FloatArray:
        """The replicates that did not fail."""
        some = ~np.isnan(self.estimate)
        good = np.isfinite(self.params[:, some]).all(axis=1)
        return np.asarray(self.params[good])

    def _labelled(self, values: Any) -> LabelledVector:
        return LabelledVector.of(np.asarray(values, dtype=float), self.names)
