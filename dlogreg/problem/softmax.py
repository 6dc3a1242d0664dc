"""The optimization problem of three or more classes.

The solver works on the equations of all classes against the first, with or without a
penalty (see penalty.py); a penalised fit is reported in the symmetric parametrization.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.linalg import eigh

from dlogreg.checks import check_magnitudes, check_shape, find_aliased
from dlogreg.evaluation import FloatArray, Label
from dlogreg.layout import Layout
from dlogreg.objective import Objective
from dlogreg.options import FitOptions
from dlogreg.passes import Passes
from dlogreg.penalty import SymmetricRidge, symmetric_coupling
from dlogreg.problem import Problem
from dlogreg.separation.class_ranges import find_splitting
from dlogreg.solvers import Metric, Newton, Point, SoftmaxGeometry, SoftmaxNewton
from dlogreg.standardization import StackedStandardization
from dlogreg.survey import Survey, null_curvature, null_loglikelihood, null_point


@dataclass(frozen=True, slots=True, eq=False)
class SoftmaxProblem(Problem):
    """What a solver needs for three or more classes, in its own coordinates."""

    @property
    def n_equations(self) -> int:
        """Number of classes without the reference."""
        return len(self.survey.classes) - 1

    @property
    def softmax_geometry(self) -> SoftmaxGeometry:
        """How far rows reach in all equations."""
        mixing = self.stacked.mixing
        return SoftmaxGeometry(self.geometry, self.n_equations, mixing)

    @property
    def stacked(self) -> StackedStandardization:
        """The map between params and the solver's coordinates."""
        assert isinstance(self.standardization, StackedStandardization)
        return self.standardization

    def newton(self, max_evaluations: int) -> Newton:
        """Return Newton's method for this problem."""
        penalized = bool(self.options.penalty)
        return SoftmaxNewton(
            self.options.tol,
            max_evaluations,
            self.geometry,
            self.kept,
            finite=penalized,
            closing=self.options.inference and not penalized,
            softmax=self.softmax_geometry,
        )

    def null_loglikelihood(self) -> float:
        """Return the log-likelihood of the model with intercepts alone."""
        return null_loglikelihood(self.survey)

    def null_point(self) -> Point:
        """Return the model without columns, evaluated by the survey."""
        order = 2 if self.solver == "newton" else 1
        equations, sums = null_point(self.survey, order)
        theta, found = self.stacked.mixed(equations), self.stacked.scaled(sums)
        return Point(theta, self.objective.penalty.added(found, theta, []))

    def range_moved(self, move: FloatArray, inverse: FloatArray, rest: float) -> float:
        """Bound the range by which any row's predictors move, as ``Problem`` does."""
        geometry = self.softmax_geometry
        return geometry.moved(move) + geometry.kappa(inverse, self.kept) * rest

    def reach_of_step(self, step: FloatArray) -> FloatArray:
        """Return how far a step of any class moves some row's predictor by a column."""
        lines = np.abs(self.stacked.equations(step))
        return np.asarray(lines.max(axis=0) * self.geometry.reach)

    def reported(self, params: FloatArray) -> FloatArray:
        """Return a line of coefficients per class, symmetric under a penalty."""
        lines = params.reshape(self.n_equations, -1)
        if not self.options.penalty:
            return lines
        full = np.vstack([np.zeros(lines.shape[1]), lines])
        return np.asarray(full - full.mean(axis=0))

    def guess(self) -> FloatArray | None:
        """Return the user's start."""
        if self.options.start is None:
            return None
        shape = (self.n_equations, self.survey.standardization.n_params)
        lines = check_starts(self.options.start, shape)
        theta = self.standardization.to_theta(lines.ravel())
        theta[np.setdiff1d(np.arange(self.n_params), self.kept)] = 0.0
        return theta

    def _convexity(self) -> None:
        """Return nothing: the bound is made for one intercept without a penalty."""
        return

    def _metric(self) -> Metric:
        """Return the diagonal of the Hessian at the null model."""
        bend, mixing = null_curvature(self.survey), self.stacked.mixing
        if mixing is not None:
            bend = mixing.T @ bend @ mixing
        squares = self.survey.column_squares()
        outer = np.outer(np.diagonal(bend), squares).ravel()
        return Metric.of_diagonal(outer + self.objective.penalty.curvature)


def check_starts(start: object, shape: tuple[int, int]) -> FloatArray:
    """Return the start as a line per class but the reference, or raise."""
    n_equations, n_names = shape
    values = np.array(start, dtype=np.float64)
    fits = values.shape in ((n_names, n_equations), (n_names, n_equations + 1))
    if not fits or not np.isfinite(values).all():
        raise ValueError(
            f"start must be finite numbers in the layout of params, {n_names} lines "
            f"(intercept first) by {n_equations} columns, one for every class but the "
            f"first, or by {n_equations + 1}, but has shape {values.shape}"
        )
    if values.shape[1] > n_equations:
        values = values[:, 1:] - values[:, :1]
    return values.T


def pose_softmax(
    survey: Survey,
    passes: Passes,
    options: FitOptions,
    layout: Layout,
    class_weight: tuple[tuple[Label, float], ...],
) -> SoftmaxProblem:
    """Judge what the survey found and set up the objective."""
    single, names = survey.standardization, layout.source.feature_names
    penalized, n_equations = bool(options.penalty), len(survey.classes) - 1
    check_magnitudes(survey, names)
    check_shape(survey.n_rows, single.n_params, penalized=penalized)
    dropped: Mapping[str, str] = {}
    separating: Mapping[str, str] = {}
    if not penalized:
        gram = survey.gram if options.solver == "newton" else None
        dropped = find_aliased(survey, names, gram)
        separating = find_splitting(survey, names)
    mixing = independent_lines(survey) if options.solver == "lbfgs" else None
    stacked = StackedStandardization(single, n_equations, mixing)
    objective = Objective(
        passes,
        stacked,
        SymmetricRidge.of(options.penalty, survey.weight_sum, stacked),
        survey.classes,
        class_weight,
        layout.partitions,
        squares_weight=options.weight_kind != "frequency",
    )
    kept = _kept(single.n_params, n_equations, names, dropped)
    judged = (kept, dropped, separating, np.empty(0, dtype=np.intp))
    return SoftmaxProblem(survey, passes, objective, options, options.solver, *judged)


def independent_lines(survey: Survey) -> FloatArray:
    """Return V by which the equations V theta are uncoupled at the null model.

    There the Hessian is W x Z'SZ, with W = diag(p) - pp' of the shares p, and the
    penalty S x diag(c), S = I - 11'/K. The solutions of W v = mu S v make V'SV = I and
    V'WV diagonal, so that a diagonal is all there is to know of both; against a rare
    reference they are coupled strongly, which costs L-BFGS many passes.
    """
    coupling = symmetric_coupling(len(survey.classes) - 1)
    return np.asarray(eigh(null_curvature(survey), coupling)[1])


def _kept(
    n_params: int, n_equations: int, names: Sequence[str], dropped: Mapping[str, str]
) -> npt.NDArray[np.intp]:
    """Return the positions of all coefficients of columns that are not dropped."""
    first = n_params - len(names)
    aliased = [j for j, name in enumerate(names, first) if name in dropped]
    single = np.setdiff1d(np.arange(n_params, dtype=np.intp), aliased)
    offsets = n_params * np.arange(n_equations, dtype=np.intp)
    return np.ravel(offsets[:, None] + single)
