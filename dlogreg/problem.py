"""The optimization problem that the survey leaves: objective, start and geometry."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from dlogreg.checks import check_magnitudes, check_shape, find_aliased, find_separating
from dlogreg.evaluation import FloatArray, Label
from dlogreg.objective import Objective
from dlogreg.options import FitOptions
from dlogreg.passes import Passes
from dlogreg.penalty import Ridge
from dlogreg.solvers import (
    LBFGS,
    Certificate,
    Geometry,
    Newton,
    Point,
    Solution,
    Status,
)
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

    @property
    def n_params(self) -> int:
        """Number of coefficients, the intercept included."""
        return self.survey.standardization.n_params

    @property
    def geometry(self) -> Geometry:
        """How far rows reach."""
        survey = self.survey
        return Geometry(survey.reach, survey.radius, survey.column_squares())

    def newton(self, max_evaluations: int) -> Newton:
        """Return Newton's method for this problem."""
        return Newton(
            self.options.tol,
            max_evaluations,
            self.geometry,
            self.kept,
            finite=bool(self.options.penalty),
        )

    def null_point(self) -> Point:
        """Return the model without columns, evaluated by the survey."""
        theta = self.survey.null_theta()
        found = self.survey.null_evaluation()
        return Point(theta, self.objective.penalty.added(found, theta, []))

    def solve(self) -> Solution:
        """Minimize from the better of the null model and the start.

        Ctrl-C before the start is known returns the null model.
        """
        closing = int(self.options.inference)
        left = self.options.max_passes - self.passes.n_passes - closing
        try:
            start, cost = self._start()
        except KeyboardInterrupt:
            null = self.null_point()
            return Solution(null.theta, null, Status.INTERRUPTED, np.inf, 0)
        left = max(0, left - cost)
        if self.solver == "newton":
            return self.newton(left).minimize(self.objective, start, self._observe)
        curvature = self._curvature()
        return LBFGS(self.options.tol, left, curvature).minimize(self.objective, start)

    def _start(self) -> tuple[Point, int]:
        """Return the start and the passes spent on it."""
        null, guess = self.null_point(), self._guess()
        self.passes.annotate(loss=null.evaluation.loss)
        order, cost = 2 if self.solver == "newton" else 1, 0
        if guess is not None and self.passes.n_passes < self.options.max_passes:
            given = Point(guess, self.objective(guess, order))
            if given.evaluation.loss < null.evaluation.loss:
                return given, 1
            cost = 1
        if order == 2 and null.evaluation.hessian is None:
            return Point(null.theta, self.objective(null.theta)), cost + 1
        return null, cost

    def _guess(self) -> FloatArray | None:
        """Return the user's start, or what the survey has learned."""
        if self.options.start is None:
            return self.survey.learned_theta(self.kept)
        params = check_start(self.options.start, self.n_params)
        theta = self.survey.standardization.to_theta(params)
        theta[np.setdiff1d(np.arange(self.n_params), self.kept)] = 0.0
        return theta

    def _curvature(self) -> FloatArray:
        """Return the diagonal of the Hessian at the null model."""
        share = self.survey.event_share
        squares = self.survey.column_squares()
        return share * (1 - share) * squares + self.objective.penalty.curvature

    def _observe(self, certificate: Certificate) -> None:
        self.passes.annotate(
            error_bound=certificate.after, decrement=certificate.decrement
        )


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
    check_shape(survey.n_rows, std.n_params, penalized=penalized)
    dropped: Mapping[str, str] = {}
    separating: Mapping[str, str] = {}
    if not penalized:
        dropped = find_aliased(survey, feature_names, survey.gram)
        separating = find_separating(survey, feature_names)
    first = int(std.fit_intercept)
    kept = [j for j, name in enumerate(feature_names, first) if name not in dropped]
    return Problem(
        survey,
        passes,
        Objective(
            passes,
            std,
            Ridge.of(options.penalty, survey.weight_sum, std),
            survey.event,
            class_weight,
        ),
        options,
        options.solver_for(std.n_params),
        np.array([*range(first), *kept], dtype=np.intp),
        dropped,
        separating,
    )
