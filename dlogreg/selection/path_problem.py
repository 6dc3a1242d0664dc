"""The rows of a path, and its models in the solver's coordinates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from dlogreg.checks import check_magnitudes
from dlogreg.covariances import PENALISED
from dlogreg.errors import DataError
from dlogreg.evaluation import FloatArray
from dlogreg.first_pass import take_survey
from dlogreg.layout import Layout
from dlogreg.objective.many import ManyObjective
from dlogreg.options import FitOptions
from dlogreg.passes import Passes
from dlogreg.penalty import PenaltyRule
from dlogreg.penalty_columns import within_bounds
from dlogreg.results import LogitResults
from dlogreg.rows_again import RowsAgain
from dlogreg.selection.alphas import AlphaGrid
from dlogreg.selection.largest import Resting, start_model
from dlogreg.selection.path_results import PathResults
from dlogreg.solvers import Geometry, Status
from dlogreg.solvers.many import HESSIAN_VALUES
from dlogreg.solvers.penalized_models import (
    Expansion,
    PenalizedModel,
    advance_models,
)
from dlogreg.survey import Survey

ALPHAS_PER_HESSIAN = 10
"""Penalties that are advanced together for every Hessian that a pass has room for."""


@dataclass(frozen=True, slots=True, eq=False)
class PathProblem:
    """The rows, and what the first pass has told of them."""

    layout: Layout
    survey: Survey
    passes: Passes
    options: FitOptions
    objective: ManyObjective
    geometry: Geometry

    @classmethod
    def posed(cls, layout: Layout, passes: Passes, options: FitOptions) -> PathProblem:
        """Make the first pass, which learns without a penalty."""
        survey = take_survey(
            layout, passes, replace(options, penalty=PenaltyRule()), ()
        )
        options.check_n_classes(len(survey.classes))
        if len(survey.classes) > 2:
            raise DataError(
                f"path() is for two classes only so far, and there are "
                f"{len(survey.classes)}; fit one class against the others, y == label"
            )
        check_magnitudes(survey, layout.source.feature_names)
        objective = ManyObjective(passes, survey.standardization, survey.classes[-1])
        geometry = Geometry(survey.reach, survey.radius, survey.column_squares())
        return cls(layout, survey, passes, options, objective, geometry)

    @property
    def rule(self) -> PenaltyRule:
        """The penalty of alpha = 1."""
        return self.options.penalty

    @property
    def resting(self) -> Resting:
        """Return the model in which all that is penalised is at rest."""
        return Resting(self.rule, self.survey, self.objective, self.geometry)

    def left(self) -> int:
        """Return the passes that may still be made, or raise if there are none."""
        most = self.options.max_passes
        if self.passes.n_passes >= most:
            raise ValueError(
                f"max_passes={most} are used up, and some models of the path have not "
                "been evaluated at all; give max_passes of at least "
                f"{self.passes.n_passes + 1}, rather more"
            )
        return most - self.passes.n_passes

    def solved(self, grid: AlphaGrid) -> PathResults:
        """Return the models of all penalties."""
        anchors = self.anchors()
        largest = 0.0
        if grid.values is None:
            resting = self.resting
            place = resting.found(anchors, self.left())
            anchors = [*anchors, place]
            largest = resting.largest(place)
        survey = self.survey
        n_features = len(survey.standardization.scale)
        alphas = grid.descending(largest, survey.n_rows, n_features)
        size = HESSIAN_VALUES // survey.standardization.n_params**2
        run = max(1, ALPHAS_PER_HESSIAN * size)
        models: list[PenalizedModel] = []
        for first in range(0, len(alphas), run):
            some = [self.model(a, anchors) for a in alphas[first : first + run]]
            advance_models(self.objective, some, self.left())
            anchors = [*anchors, some[-1].metric]
            models += some
        return self.results(alphas, models)

    def anchors(self) -> list[Expansion]:
        """Return the models from which the others start, with their Hessians.

        The one without columns, and that without a penalty, as far as it was learned.
        """
        survey = self.survey
        null = survey.null_theta()
        known = survey.null_evaluation()
        if known.hessian is not None and np.isfinite(known.gradient).all():
            return [Expansion(null, known.gradient, known.hessian)]
        learned = survey.learned_theta(np.arange(len(null)))
        thetas = np.column_stack([null] if learned is None else [null, learned])
        found = self.objective(thetas, None, tuple(range(thetas.shape[1])))
        return [
            Expansion(thetas[:, i], found.gradients[:, i], hessian)
            for i, hessian in enumerate(found.hessians)
        ]

    def model(self, alpha: float, anchors: Sequence[Expansion]) -> PenalizedModel:
        """Return a model, where the nearest of the anchors says its optimum is."""
        return start_model(
            self.resting.penalty(alpha), self.geometry, self.options.tol, anchors
        )

    def results(
        self, alphas: FloatArray, models: Sequence[PenalizedModel]
    ) -> PathResults:
        """Return the models in the user's coordinates."""
        std, bounds = self.survey.standardization, self.rule.bounds
        lines = [within_bounds(std.to_params(m.theta), bounds) for m in models]
        self.passes.close_record()
        return PathResults(
            alphas=alphas,
            params=np.column_stack(lines),
            llf=np.array([-model.loss for model in models]),
            error_bounds=np.array([model.error_bound for model in models]),
            statuses=tuple(model.status or Status.MAX_PASSES for model in models),
            first=self._first(lines[0], float(alphas[0]), models[0]),
        )

    def _first(
        self, params: FloatArray, alpha: float, model: PenalizedModel
    ) -> LogitResults:
        """Return the first model as of a fit; the others differ in a few fields."""
        survey, passes, layout = self.survey, self.passes, self.layout
        return LogitResults(
            feature_names=layout.source.feature_names,
            classes=survey.classes,
            class_counts=survey.class_counts,
            fit_intercept=survey.standardization.fit_intercept,
            coefficients=params,
            covariance=None,
            llf=-model.loss,
            llnull=survey.null_loglikelihood(),
            nobs=survey.weight_sum,
            n_rows=survey.n_rows,
            alpha=alpha,
            status=model.status or Status.MAX_PASSES,
            error_bound=model.error_bound,
            bse_error_bound=float("nan"),
            solver="newton",
            trace=tuple(passes.trace),
            why_no_inference=PENALISED,
            n_dropped=survey.sums.n_dropped,
            rows=RowsAgain.of(layout, survey),
            **self.options.kept,
            **passes.costs,
        )
