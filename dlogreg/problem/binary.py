"""The problem of two classes: objective, start and geometry, and how it is solved."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace

import numpy as np
import numpy.typing as npt

from dlogreg.checks import (
    find_aliased,
)
from dlogreg.evaluation import FloatArray
from dlogreg.inference.limit import Limit
from dlogreg.kernel.row_slab import MIXED_FROM
from dlogreg.objective import Objective
from dlogreg.objective.working import WorkingObjective
from dlogreg.options import FitOptions
from dlogreg.passes import Passes
from dlogreg.penalty import ElasticNet
from dlogreg.problem.start import check_start, first_point, shrunk
from dlogreg.row_kind import RowKind
from dlogreg.sample import standardized_sample
from dlogreg.separation.watch import SeparationWatch
from dlogreg.solvers import (
    LBFGS,
    Certificate,
    Geometry,
    Metric,
    Newton,
    Point,
    ProximalNewton,
    Separable,
    Solution,
    Status,
    StrongConvexity,
    WorkingSet,
    sample_metric,
)
from dlogreg.standardization import StackedStandardization, Standardization
from dlogreg.survey import Survey

ROWS_PER_COEFFICIENT = 8
"""Rows below which a weak penalty may decide about many coefficients."""


@dataclass(frozen=True, slots=True, eq=False)
class Problem:
    """What a solver needs, in its own coordinates."""

    survey: Survey
    passes: Passes
    objective: Objective
    options: FitOptions
    solver: str
    kept: npt.NDArray[np.intp]
    dropped: Mapping[str, str]
    separating: Mapping[str, str]
    suspects: npt.NDArray[np.intp]
    """Columns of which float32 sums cannot tell whether they are aliased."""
    start: Point | None = None
    spent: int = 0
    """Passes spent on the start."""
    limit: Limit | None = None
    """Where the classes are separated, and this is the limiting problem: of what."""

    @property
    def standardization(self) -> Standardization | StackedStandardization:
        """The map between params and the solver's coordinates."""
        return self.objective.standardization

    @property
    def n_params(self) -> int:
        """Number of coefficients, the intercept included."""
        return self.standardization.n_params

    @property
    def geometry(self) -> Geometry:
        """How far rows reach."""
        survey = self.survey
        return Geometry(survey.reach, survey.radius, survey.column_squares())

    def newton(self, max_evaluations: int) -> Newton:
        """Return Newton's method for this problem."""
        rule = self.options.penalty
        newton = Newton(
            self.options.tol,
            max_evaluations,
            self.geometry,
            self.kept,
            finite=rule.coercive,
            rounds=self._fits_single(),
            closing=self.options.inference and not rule,
        )
        if (kinks := self.kinks) is None:
            return newton
        given = {f.name: getattr(newton, f.name) for f in fields(newton)}
        return ProximalNewton(**given, penalty=kinks)

    @property
    def kinks(self) -> Separable | None:
        """The absolute values and bounds of the penalty, if there are any."""
        penalty = self.objective.penalty
        return penalty.kinks if isinstance(penalty, ElasticNet) else None

    def _fits_single(self) -> bool:
        """Tell whether products may be made in float32 without leaving its range."""
        if self.options.firth:
            return False
        survey, std = self.survey, self.survey.standardization
        if std.sparse or std.n_params - std.fit_intercept < MIXED_FROM:
            return False
        reach = survey.reach[std.n_params - len(std.scale) :] * std.scale
        weight = survey.weight_sum
        largest = weight * float(reach.max()) ** 2
        smallest = weight / survey.n_rows * float(std.scale.min()) ** 2
        return largest < 1e30 and smallest > 1e-25

    def null_loglikelihood(self) -> float:
        """Return the log-likelihood of the model with an intercept alone."""
        return self.survey.null_loglikelihood()

    def range_moved(self, move: FloatArray, inverse: FloatArray, rest: float) -> float:
        """Bound the change of any row's predictor by a move and what is left of it.

        ``rest`` is what is left in the norm of H, whose inverse on the kept columns
        is given.
        """
        geometry = self.geometry
        kappa = geometry.kappa(inverse, self.kept)
        return float(geometry.reach @ np.abs(move) + kappa * rest)

    def reach_of_step(self, step: FloatArray) -> FloatArray:
        """Return how far a step of every coefficient moves some row's predictor."""
        return np.abs(step) * self.geometry.reach

    def reported(self, params: FloatArray) -> FloatArray:
        """Return the coefficients as the results show them."""
        return params

    def null_point(self) -> Point:
        """Return the model without columns, evaluated by the survey."""
        theta = self.survey.null_theta()
        found = self.survey.null_evaluation()
        return Point(theta, self.objective.penalty.added(found, theta, []))

    def begun(self) -> Problem:
        """Evaluate the start, which also shows aliased columns if they are not known.

        The start is the better of the null model and what the user gave or the survey
        has learned. Ctrl-C before it is known leaves ``start`` empty.
        """
        try:
            start, spent = first_point(self)
        except KeyboardInterrupt:
            return self
        self.passes.annotate(loss=start.evaluation.loss)
        begun = replace(self, start=start, spent=spent)
        return begun._without_aliased(start.evaluation.hessian)

    def solve(self, watch: SeparationWatch | None = None) -> Solution:
        """Minimize from the start; without one, return the null model.

        Newton's method evaluates through the watch, if there is one.
        """
        if self.start is None:
            null = self.null_point()
            return Solution(null.theta, null, Status.INTERRUPTED, np.inf, 0)
        closing = int(self.options.inference)
        left = max(0, self.options.max_passes - self.passes.n_passes - closing)
        if self.solver == "newton":
            return self.by_newton(self.start, left, watch)
        if (kinks := self.kinks) is not None:
            some = WorkingSet(self.options.tol, left, self.geometry, kinks)
            return some.minimize(
                WorkingObjective(self.objective), self.start, self._observe
            )
        return self._lbfgs(left).minimize(
            self.objective.points, self.start, self._observe_distance
        )

    def by_newton(
        self, start: Point, max_evaluations: int, watch: SeparationWatch | None = None
    ) -> Solution:
        """Minimize from an evaluated point, whose Hessian is known."""
        newton = self.newton(max_evaluations)
        if watch is None:
            return newton.minimize(self.objective, start, self._observe)

        def observe(certificate: Certificate) -> None:
            self._observe(certificate)
            watch.observe(certificate)

        return replace(newton, watch=watch).minimize(watch, start, observe)

    def _lbfgs(self, max_evaluations: int) -> LBFGS:
        """Return L-BFGS for this problem."""
        convexity = self._convexity()
        even = self.survey.weight_sum == self.survey.n_rows
        unlike = convexity or self.options.penalty
        # with an offset, rows may be on their right side without the columns
        known = even and not unlike and not self.options.has_offset
        lightest = 1.0 if known else 0.0  # other weights: not known
        return LBFGS(
            self.options.tol,
            max_evaluations,
            self._metric(),
            convexity,
            lightest * math.log(2),
            few_lengths=self.standardization.sparse == RowKind.COMPRESSED,
            last_word=not self.options.may_go_on(self.solver, self.n_params),
            scarce=self.survey.n_rows < ROWS_PER_COEFFICIENT * self.n_params,
        )

    def _convexity(self) -> StrongConvexity | None:
        """Return what a penalty on every slope proves."""
        penalty = self.objective.penalty.curvature
        first = int(self.survey.standardization.fit_intercept)
        if not (penalty[first:] > 0).all():
            return None
        return StrongConvexity(penalty, bool(first), self.geometry)

    def _without_aliased(self, hessian: FloatArray | None) -> Problem:
        """Drop the suspects that the Hessian at the start shows to be aliased."""
        if not len(self.suspects) or hessian is None:
            return self
        names = self.options.feature_names
        assert names is not None
        dropped = find_aliased(self.survey, names, hessian)
        return replace(
            self, dropped=dropped, kept=kept_params(self.survey, names, dropped)
        )

    def guess(self) -> FloatArray | None:
        """Return the user's start, or what the survey has learned."""
        if self.options.start is None:
            if self.survey.chain is None:
                return None
            learned = self.survey.learned_theta(np.setdiff1d(self.kept, self.suspects))
            return learned if learned is None else shrunk(self, learned)
        params = check_start(self.options.start, self.n_params)
        theta = self.standardization.to_theta(params)
        theta[np.setdiff1d(np.arange(self.n_params), self.kept)] = 0.0
        return theta

    def _metric(self) -> Metric:
        """Return the Hessian at the null model, as far as it is known."""
        survey, penalty = self.survey, self.objective.penalty.curvature
        curvature = survey.null_curvature() * survey.column_squares()
        if survey.sample is None or survey.standardization.sparse:
            return Metric.of_diagonal(curvature + penalty)
        std, weights = survey.standardization, self.objective.class_weight
        sample = standardized_sample(survey.sample, std, weights)
        return sample_metric(sample, curvature, penalty)

    def _observe(self, certificate: Certificate) -> None:
        self.passes.annotate(
            error_bound=certificate.after, decrement=certificate.decrement
        )

    def _observe_distance(self, distance: float, bound: float) -> None:
        learned = {"decrement": distance} if np.isfinite(distance) else {}
        if np.isfinite(bound):
            learned["error_bound"] = bound
        self.passes.annotate(**learned)


def kept_params(
    survey: Survey, names: tuple[str, ...], dropped: Mapping[str, str]
) -> npt.NDArray[np.intp]:
    """Return the params that are estimated, the intercept among them."""
    first = int(survey.standardization.fit_intercept)
    if not dropped:
        return np.arange(first + len(names))
    kept = [j for j, name in enumerate(names, first) if name not in dropped]
    return np.array([*range(first), *kept], dtype=np.intp)
