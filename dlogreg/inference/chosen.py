"""Standard errors of some coefficients where the Hessian is too large to form."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import ndtr, ndtri

from dlogreg.errors import ConvergenceWarning, DataError, InferenceError
from dlogreg.evaluation import FloatArray, HessianProducts, Label
from dlogreg.kernel import HessianProductsKernel
from dlogreg.labelled import LabelledVector
from dlogreg.partition import pick_blocks
from dlogreg.passes import Passes
from dlogreg.reduction import Reduction
from dlogreg.rows_again import RowsAgain
from dlogreg.sample import pilot_shape, root_weights, standardized_sample
from dlogreg.solvers import InverseColumns, Metric, invert_columns, sample_metric
from dlogreg.standardization import Standardization
from dlogreg.survey import PilotKernel, PilotRows

if TYPE_CHECKING:
    from dlogreg.results import LogitResults

FAR = 1.0
"""Estimated standard errors from the optimum, beyond which the rows are others."""


@dataclass(frozen=True, slots=True, eq=False)
class ChosenErrors:
    """Standard errors of some coefficients, and what they cost.

    The words are those of ``LogitResults``; all refer to the chosen coefficients.
    """

    params: LabelledVector
    covariance: FloatArray
    """Shape (n_chosen, n_chosen)."""
    bse_error: LabelledVector
    """Estimated relative error of ``bse``, which are never too large."""
    residuals: LabelledVector
    """Relative residuals of the linear systems behind ``bse``."""
    n_passes: int
    bytes_read: int

    @property
    def bse(self) -> LabelledVector:
        """Standard errors."""
        return self._named(np.sqrt(np.diagonal(self.covariance)))

    @property
    def zvalues(self) -> LabelledVector:
        """Wald statistics params / bse."""
        return self._named(np.asarray(self.params) / np.asarray(self.bse))

    @property
    def pvalues(self) -> LabelledVector:
        """Two-sided p-values of the Wald tests, from the normal distribution."""
        return self._named(2 * ndtr(-np.abs(np.asarray(self.zvalues))))

    def cov_params(self) -> FloatArray:
        """Return the covariance of the chosen coefficients."""
        return self.covariance

    def conf_int(self, alpha: float = 0.05) -> FloatArray:
        """Return Wald intervals at level 1 - alpha, shape (n_chosen, 2)."""
        if not 0 < alpha < 1:
            raise ValueError(f"alpha must lie between 0 and 1, not {alpha}")
        half = -ndtri(alpha / 2) * np.asarray(self.bse)
        middle = np.asarray(self.params)
        return np.column_stack([middle - half, middle + half])

    def __repr__(self) -> str:
        """Return a line for every coefficient, and one for the cost."""
        width = max(map(len, self.params.names or ()), default=0)
        lines = [
            f"{name:<{width}}  {value: .6g}  standard error {error:.6g}  p {p:.3g}"
            for name, value, error, p in zip(
                self.params.names or (),
                self.params.tolist(),
                self.bse.tolist(),
                self.pvalues.tolist(),
                strict=True,
            )
        ]
        error = float(np.asarray(self.bse_error).max())
        return "\n".join(
            [*lines, f"{self.n_passes} passes; relative error about {error:.1g}"]
        )

    def _named(self, values: FloatArray) -> LabelledVector:
        return LabelledVector.of(values, self.params.names or ())


def errors_of(
    results: LogitResults,
    rows: RowsAgain,
    names: Sequence[str],
    tol: float,
    max_passes: int,
) -> ChosenErrors:
    """Return standard errors; see ``LogitResults.errors_of``."""
    chosen = _positions(results, names)
    if not (np.isfinite(tol) and tol > 0):
        raise ValueError(f"tol must be a positive number, not {tol!r}")
    if max_passes < 1:
        raise ValueError(f"max_passes must be at least 1, not {max_passes!r}")
    with rows.reading() as passes:
        hessian = _Hessian(results, rows, passes)
        metric = hessian.metric()
        columns = hessian.columns(chosen)
        found = invert_columns(
            lambda vectors: hessian.times(vectors, metric),
            metric,
            columns,
            2 * tol,
            max_passes,
        )
    if not found.converged:
        message = f"standard errors are not yet exact to a relative {tol:g}"
        worst = found.missing.max() / 2
        advice = "raise max_passes or tol"
        warnings.warn(
            f"{message}, but to about {worst:.2g}; {advice}",
            ConvergenceWarning,
            stacklevel=3,
        )
    return _collect(results, chosen, columns, found, passes)


def _collect(
    results: LogitResults,
    chosen: list[int],
    columns: FloatArray,
    found: InverseColumns,
    passes: Passes,
) -> ChosenErrors:
    picked = [results.names[i] for i in chosen]
    covariance = columns.T @ found.solved
    return ChosenErrors(
        LabelledVector.of(results.coefficients[chosen], picked),
        (covariance + covariance.T) / 2,
        LabelledVector.of(found.missing / 2, picked),
        LabelledVector.of(found.residuals, picked),
        passes.n_passes,
        passes.tally.n_bytes,
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Hessian:
    """The Hessian of a fit, as something to multiply with; one product is one pass."""

    results: LogitResults
    rows: RowsAgain
    passes: Passes

    @property
    def standardization(self) -> Standardization:
        """The coordinates of the products."""
        return self.rows.standardization

    @property
    def theta(self) -> FloatArray:
        """The coefficients in these coordinates, zero where there is none."""
        return self.standardization.to_theta(np.nan_to_num(self.results.coefficients))

    @property
    def _kept(self) -> FloatArray:
        return np.isfinite(self.results.coefficients).astype(float)

    def columns(self, chosen: list[int]) -> FloatArray:
        """Return c with c'theta the coefficient, for each of the chosen ones."""
        std = self.standardization
        columns = np.zeros((std.n_params, len(chosen)))
        for b, j in enumerate(chosen):
            columns[j, b] = std.units[j]
            if std.fit_intercept and j == 0:
                columns[1:, b] = -std.mean * std.units[1:]
        return columns * self._kept[:, None]

    def metric(self) -> Metric:
        """Return the Hessian of a sample of rows, its noise shrunk away."""
        std, source, weights = self.standardization, self.rows.source, self._weights
        n_blocks, n_rows = pilot_shape(source, std.n_params)
        blocks = pick_blocks(source, n_blocks)
        reduction = Reduction(blocks, self.rows.inline)
        pilot: PilotRows = self.passes.run_pilot(PilotKernel(n_rows), reduction)
        pooled = pilot.pooled()
        sample = standardized_sample(pooled, std, weights)
        sample *= self._kept.astype(np.float32)
        root = root_weights(pooled, weights)[:, None]
        eta = (sample / root.astype(np.float32)) @ self.theta.astype(np.float32)
        if pooled.offset is not None:
            eta += pooled.offset.astype(np.float32)
        small = np.exp(-np.abs(eta))
        sample *= (np.sqrt(small) / (1 + small))[:, None].astype(np.float32)
        squares = np.einsum("ij,ij->j", sample, sample).astype(float)
        share = self.results.nobs / max(1, len(sample))
        return sample_metric(sample, share * squares, np.zeros(std.n_params))

    @property
    def _weights(self) -> tuple[tuple[Label, float], ...]:
        return self.rows.class_weight

    def times(self, vectors: FloatArray, metric: Metric) -> FloatArray:
        """Return Hessian times vectors, from one pass that also checks the rows."""
        std, unit = self.standardization, self.standardization.units
        kernel = HessianProductsKernel(
            std.centred(self.theta),
            vectors * unit[:, None],
            std.mean,
            self.results.classes[-1],
            std.fit_intercept,
            self._weights,
            std.sparse,
        )
        sums: HessianProducts = self.passes.run(kernel)
        far = metric.norm(sums.gradient * unit * self._kept)
        if not far <= FAR:
            raise DataError(
                f"the fit is not an optimum of these rows, but about {far:.2g} "
                "standard errors from it; give the rows, labels and weights of the "
                "fit, and a fit that has converged"
            )
        return sums.products * unit[:, None] * self._kept[:, None]


def _positions(results: LogitResults, names: Sequence[str]) -> list[int]:
    """Return where the chosen coefficients stand, or raise."""
    if results.penalized:
        raise InferenceError(results.why_no_inference)
    wanted = [names] if isinstance(names, str) else list(dict.fromkeys(names))
    if not wanted:
        raise ValueError("names is empty; give the names of some coefficients")
    known = {name: i for i, name in enumerate(results.names)}
    for name in wanted:
        _ = results.params[name]  # names what there is instead
        if np.isnan(results.coefficients[known[name]]):
            reason = results.dropped.get(name, "it was dropped")
            raise InferenceError(f"{name!r} has no standard error: {reason}")
    return [known[name] for name in wanted]
