"""The optimization problem that the survey leaves: objective, start and geometry."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace

import numpy as np
import numpy.typing as npt

from dlogreg.checks import (
    check_clusters,
    check_magnitudes,
    check_shape,
    find_aliased,
    find_separating,
    find_suspects,
)
from dlogreg.evaluation import FloatArray, Label
from dlogreg.inference.limit import Limit
from dlogreg.kernel.row_slab import MIXED_FROM
from dlogreg.objective import Objective
from dlogreg.objective.working import WorkingObjective
from dlogreg.options import FitOptions
from dlogreg.passes import Passes
from dlogreg.penalty import ElasticNet, penalty_of
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
    minimize_quadratic,
    sample_metric,
)
from dlogreg.standardization import StackedStandardization, Standardization
from dlogreg.survey import Survey


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
        if (kinks := self._kinks) is None:
            return newton
        given = {f.name: getattr(newton, f.name) for f in fields(newton)}
        return ProximalNewton(**given, penalty=kinks)

    @property
    def _kinks(self) -> Separable | None:
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
        kappa = self.geometry.kappa(inverse, self.kept)
        return float(self.geometry.reach @ np.abs(move) + kappa * rest)

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
            start, spent = self._start()
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
            newton = self.newton(left)
            if watch is None:
                return newton.minimize(self.objective, self.start, self._observe)

            def observe(certificate: Certificate) -> None:
                self._observe(certificate)
                watch.observe(certificate)

            newton = replace(newton, watch=watch)
            return newton.minimize(watch, self.start, observe)
        if (kinks := self._kinks) is not None:
            some = WorkingSet(self.options.tol, left, self.geometry, kinks)
            return some.minimize(
                WorkingObjective(self.objective), self.start, self._observe
            )
        return self._lbfgs(left).minimize(
            self.objective.points, self.start, self._observe_distance
        )

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
        )

    def _convexity(self) -> StrongConvexity | None:
        """Return what a penalty on every slope proves."""
        penalty = self.objective.penalty.curvature
        first = int(self.survey.standardization.fit_intercept)
        if not (penalty[first:] > 0).all():
            return None
        return StrongConvexity(penalty, bool(first), self.geometry)

    def _start(self) -> tuple[Point, int]:
        """Return the start and the passes spent on it."""
        null, guess = self.null_point(), self.guess()
        if (kinks := self._kinks) is not None:
            guess = None if guess is None else kinks.nearest(guess)
            if (kinks.nearest(null.theta) != null.theta).any():
                inside = kinks.nearest(null.theta) if guess is None else guess
                order = 2 if self.solver == "newton" else 1
                return Point(inside, self.objective(inside, order)), 1
        self.passes.annotate(loss=null.evaluation.loss)
        order, cost = 2 if self.solver == "newton" else 1, 0
        if guess is not None and self.passes.n_passes < self.options.max_passes:
            precision = self._start_precision()
            given = Point(guess, self.objective(guess, order, precision=precision))
            if given.evaluation.loss < null.evaluation.loss:
                return given, 1
            cost = 1
        known = order == 1 or null.evaluation.hessian is not None
        if not (known and np.isfinite(null.evaluation.gradient).all()):
            return Point(null.theta, self.objective(null.theta, order)), cost + 1
        return null, cost

    def _start_precision(self) -> str:
        """Return how the start is evaluated: in float64 if nothing else would do."""
        gram = self.survey.gram
        if self.solver != "newton" or gram is None or len(self.suspects):
            return "double"
        return self.newton(0).first_precision(gram)

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
            return learned if learned is None else self._shrunk(learned)
        params = check_start(self.options.start, self.n_params)
        theta = self.standardization.to_theta(params)
        theta[np.setdiff1d(np.arange(self.n_params), self.kept)] = 0.0
        return theta

    def _shrunk(self, learned: FloatArray) -> FloatArray:
        """Return the optimum with kinks and bounds, by what the chains know.

        They have learned the optimum without these, and the Hessian there.
        """
        kinks, gram = self._kinks, self.survey.gram
        if kinks is None or gram is None:
            return learned
        information = gram + np.diag(self.objective.penalty.curvature)
        zero = np.zeros(len(learned))
        return minimize_quadratic(information, zero, learned, kinks).theta

    def _metric(self) -> Metric:
        """Return the Hessian at the null model, as far as it is known."""
        survey, penalty = self.survey, self.objective.penalty.curvature
        curvature = survey.null_curvature() * survey.column_squares()
        if survey.sample is None:
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


def check_start(start: object, n_params: int) -> FloatArray:
    """Return the start as a vector, or raise if it does not fit the model."""
    values = np.array(start, dtype=np.float64)
    if values.shape != (n_params,) or not np.isfinite(values).all():
        raise ValueError(
            f"start must be {n_params} finite numbers, intercept first, but is "
            f"{values!r}"
        )
    return values


def pose(
    survey: Survey,
    passes: Passes,
    options: FitOptions,
    feature_names: tuple[str, ...],
    class_weight: tuple[tuple[Label, float], ...],
) -> Problem:
    """Judge what the survey found and set up the objective."""
    std = survey.standardization
    penalized = bool(options.penalty)
    check_magnitudes(survey, feature_names)
    check_clusters(survey)
    check_shape(survey.n_rows, std.n_params, penalized=penalized)
    dropped: Mapping[str, str] = {}
    separating: Mapping[str, str] = {}
    suspects = np.empty(0, dtype=np.intp)
    if not penalized:
        exact = survey.gram if survey.exact_gram else None
        dropped = find_aliased(survey, feature_names, exact)
        if not options.firth:
            separating = find_separating(survey, feature_names)
    kept = kept_params(survey, feature_names, dropped)
    if not penalized and not survey.exact_gram:
        suspects = find_suspects(survey, kept)
    penalty = penalty_of(options.penalty, survey.weight_sum, std)
    clusters = survey.sums.clusters
    return Problem(
        survey,
        passes,
        Objective(
            passes,
            std,
            penalty,
            survey.classes,
            class_weight,
            squares_weight=options.weight_kind != "frequency",
            most_groups=0 if clusters is None else clusters.most,
        ),
        options,
        options.solver,
        kept,
        dropped,
        separating,
        suspects,
    )


def kept_params(
    survey: Survey, names: tuple[str, ...], dropped: Mapping[str, str]
) -> npt.NDArray[np.intp]:
    """Return the params that are estimated, the intercept among them."""
    first = int(survey.standardization.fit_intercept)
    if not dropped:
        return np.arange(first + len(names))
    kept = [j for j, name in enumerate(names, first) if name not in dropped]
    return np.array([*range(first), *kept], dtype=np.intp)
