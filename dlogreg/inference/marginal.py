r"""Marginal effects: what a column does to the probability, by the delta method.

The effect of column j on a row is dp/dx_j = b_j p (1 - p). Its mean over the rows and
the derivatives of that in the coefficients are

.. math::
   E_j = b_j \, \overline{p'}, \qquad
   \frac{\partial E_j}{\partial b_k} =
   1\{j = k\} \, \overline{p'} + b_j \, \overline{p' (1 - 2p) x_k}, \quad p' = p(1 - p),

and at the mean of all columns the same of that single row. A 0/1 column may count by
what it changes instead, p(x_j = 1) - p(x_j = 0). With J the matrix of the derivatives
and C the covariance of the coefficients, that of the effects is J C J' (Bartus 2005,
The Stata Journal 5, 309-329; Greene, Econometric Analysis, section 17.3).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import expit, ndtr, ndtri

from dlogreg.display import Summary
from dlogreg.display.coefficients import CoefficientRow, shortened
from dlogreg.display.numerals import p_value, printable, significant, statistic
from dlogreg.evaluation import FloatArray
from dlogreg.inference.levels import check_level
from dlogreg.kernel.closing_sums import ColumnSums
from dlogreg.kernel.discrete import DiscreteSums
from dlogreg.labelled import LabelledVector

TITLES = {"overall": "averaged over rows", "mean": "at the mean of columns"}


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class MarginalEffects:
    """Effects on the event's probability with their standard errors; ``print`` it."""

    effects: LabelledVector
    """Of every column, the intercept apart; NaN for dropped ones."""
    covariance: FloatArray
    """Shape (n_features, n_features), by the delta method."""
    at: str
    """"overall" or "mean"."""
    discrete: tuple[str, ...]
    """0/1 columns of which the effect is that of a change from 0 to 1."""
    cov_type: str
    """Covariance of the coefficients that was used."""

    @property
    def bse(self) -> LabelledVector:
        """Standard errors."""
        return self._named(np.sqrt(np.diagonal(self.covariance)))

    @property
    def zvalues(self) -> LabelledVector:
        """Statistics effects / bse."""
        with np.errstate(invalid="ignore", divide="ignore"):
            return self._named(np.asarray(self.effects) / np.asarray(self.bse))

    @property
    def pvalues(self) -> LabelledVector:
        """Two-sided p-values, from the normal distribution."""
        return self._named(2 * ndtr(-np.abs(np.asarray(self.zvalues))))

    def conf_int(self, alpha: float = 0.05) -> FloatArray:
        """Return normal intervals at level 1 - alpha, shape (n_features, 2)."""
        check_level(alpha)
        half = -ndtri(alpha / 2) * np.asarray(self.bse)
        middle = np.asarray(self.effects)
        return np.column_stack([middle - half, middle + half])

    def summary(self, alpha: float = 0.05) -> Summary:
        """Return a table with intervals at level 1 - alpha."""
        notes = ["Effects are dp/dx"]
        if self.discrete:
            changed = ", ".join(map(printable, self.discrete[:8]))
            more = ", ..." if len(self.discrete) > 8 else ""
            notes[0] += f", and the change of p from 0 to 1 in {changed}{more}"
        interval = f"[{alpha / 2:.4g}", f"{1 - alpha / 2:.4g}]"
        return Summary(
            title="Marginal effects on the probability of the event",
            model=(("Effects", TITLES[self.at]),),
            quality=(("Standard errors", f"delta method, {self.cov_type}"),),
            status="",
            columns=("effect", "std err", "z", "P>|z|", *interval),
            rows=tuple(shortened(self._rows(alpha))),
            notes=tuple(notes),
            ratios=False,
        )

    def _rows(self, alpha: float) -> list[CoefficientRow]:
        """Return a line for every column, with intervals at level 1 - alpha."""
        ends = self.conf_int(alpha)
        errors, z, p = self.bse.tolist(), self.zvalues.tolist(), self.pvalues.tolist()
        return [
            CoefficientRow(
                printable(name),
                (
                    significant(float(self.effects[j]), 6),
                    significant(errors[j], 5),
                    statistic(z[j]),
                    p_value(p[j]),
                    significant(float(ends[j, 0]), 5),
                    significant(float(ends[j, 1]), 5),
                ),
                interval=(float(ends[j, 0]), float(self.effects[j]), float(ends[j, 1])),
            )
            for j, name in enumerate(self.effects.names or ())
        ]

    def __repr__(self) -> str:
        """Return the table as text."""
        return str(self.summary())

    def _repr_html_(self) -> str:
        """Return the table, as a notebook shows it."""
        return self.summary()._repr_html_()

    def to_frame(self, alpha: float = 0.05) -> object:
        """Return a pandas DataFrame, indexed by column (pandas is an extra)."""
        import pandas as pd

        ends = self.conf_int(alpha)
        columns = {
            "effect": np.asarray(self.effects),
            "bse": np.asarray(self.bse),
            "z": np.asarray(self.zvalues),
            "pvalue": np.asarray(self.pvalues),
            "low": ends[:, 0],
            "high": ends[:, 1],
        }
        return pd.DataFrame(columns, index=list(self.effects.names or ()))

    def _named(self, values: FloatArray) -> LabelledVector:
        return LabelledVector.of(values, self.effects.names or ())


@dataclass(frozen=True, slots=True, eq=False)
class Derivatives:
    """Effects of all columns, and their derivatives in the coefficients."""

    effects: FloatArray
    """Shape (n_features,)."""
    jacobian: FloatArray
    """Shape (n_features, n_params)."""

    def covariance(self, of_params: FloatArray) -> FloatArray:
        """Return J C J'; lines of coefficients that are NaN stay so."""
        kept = np.isfinite(np.diagonal(of_params))
        known = kept[len(kept) - len(self.effects) :]
        J = self.jacobian[np.ix_(known, kept)]
        covariance = np.full((len(known), len(known)), np.nan)
        inside = J @ of_params[np.ix_(kept, kept)] @ J.T
        covariance[np.ix_(known, known)] = inside
        return covariance


def average(params: FloatArray, first: int, sums: ColumnSums, n: float) -> Derivatives:
    """Return the effects averaged over rows whose weights sum to n."""
    slopes = params[first:]
    jacobian = np.outer(slopes, sums.bend / n)
    jacobian[:, first:] += np.eye(len(slopes)) * (sums.curvature / n)
    return Derivatives(slopes * (sums.curvature / n), jacobian)


def at_row(params: FloatArray, first: int, row: FloatArray, eta: float) -> Derivatives:
    """Return the effects on one row, its 1 first where there is an intercept.

    ``eta`` is its linear predictor, any offset included.
    """
    slopes, p = params[first:], float(expit(eta))
    curvature = p * float(expit(-eta))
    jacobian = np.outer(slopes, curvature * (1 - 2 * p) * row)
    jacobian[:, first:] += np.eye(len(slopes)) * curvature
    return Derivatives(slopes * curvature, jacobian)


def changes_at_row(
    params: FloatArray,
    first: int,
    row: FloatArray,
    eta: float,
    columns: npt.NDArray[np.intp],
) -> Derivatives:
    """Return what setting columns of one row to 1 instead of 0 changes."""
    places = columns + first
    set_to = np.repeat(row[None], len(columns), axis=0)
    effects, jacobian = np.zeros(len(columns)), np.zeros((len(columns), len(params)))
    for value, sign in ((1.0, 1.0), (0.0, -1.0)):
        set_to[np.arange(len(columns)), places] = value
        moved = eta + params[places] * (value - row[places])
        effects += sign * expit(moved)
        jacobian += sign * (expit(moved) * expit(-moved))[:, None] * set_to
    return Derivatives(effects, jacobian)


def changes_of(sums: DiscreteSums, n: float) -> Derivatives:
    """Return the same averaged over rows whose weights sum to n."""
    return Derivatives(sums.gains / n, sums.slopes.T / n)


def replaced(
    whole: Derivatives, columns: npt.NDArray[np.intp], part: Derivatives
) -> Derivatives:
    """Return the effects with those of some columns in place of their own."""
    effects, jacobian = whole.effects.copy(), whole.jacobian.copy()
    effects[columns], jacobian[columns] = part.effects, part.jacobian
    return Derivatives(effects, jacobian)
