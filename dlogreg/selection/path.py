"""path(): one model for every penalty, from the largest down, in shared passes."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from dlogreg.checks import check_magnitudes
from dlogreg.choice import hessian_fits
from dlogreg.closing import PENALISED
from dlogreg.errors import ConvergenceWarning, DataError
from dlogreg.evaluation import FloatArray, Label
from dlogreg.first_pass import take_survey
from dlogreg.layout import Layout, lay_out
from dlogreg.many_objective import ManyObjective
from dlogreg.memory import check_memory
from dlogreg.options import FitOptions, check_options
from dlogreg.passes import Passes, Progress
from dlogreg.penalty import PenaltyRule, penalty_rule, separable_of
from dlogreg.penalty_columns import within_bounds
from dlogreg.pipeline import open_source
from dlogreg.progress import progress_for
from dlogreg.reduction import Reduction, single_threaded_blas
from dlogreg.results import LogitResults
from dlogreg.rows_again import RowsAgain
from dlogreg.selection.alphas import (
    LEAST_L1_RATIO,
    AlphaGrid,
    check_grid,
    largest_alpha,
    resting,
)
from dlogreg.selection.path_results import PathResults
from dlogreg.solvers import Geometry, Separable, Status
from dlogreg.solvers.many import HESSIAN_VALUES
from dlogreg.solvers.penalized_models import (
    Expansion,
    PenalizedModel,
    advance_models,
)
from dlogreg.survey import Survey

ROUND_UP = 1 + 1e-9
"""So that the first model rests in spite of rounding."""
REST_TOL = 1e-8
"""Of the model in which all that is penalised rests, whose slopes give alpha."""
ALPHAS_PER_HESSIAN = 10
"""Penalties that are advanced together for every Hessian that a pass has room for."""


def path(
    X: Any,
    y: Any,
    *,
    l1_ratio: float = 1.0,
    n_alphas: int = 100,
    alphas: Any = None,
    alpha_min_ratio: float | None = None,
    penalty_factor: Any = None,
    bounds: Any = None,
    sample_weight: Any = None,
    offset: Any = None,
    classes: Sequence[Label] | None = None,
    fit_intercept: bool = True,
    feature_names: Sequence[str] | None = None,
    missing: str = "raise",
    tol: float = 1e-4,
    max_passes: int = 100,
    memory_limit: int | str | None = None,
    progress: bool | Progress | None = None,
) -> PathResults:
    """Fit a model for every penalty of a path, all of them in shared passes.

    The first pass is that of ``fit``. Where it learns, one more finds Hessians at the
    model without columns and at the one without a penalty; then all models are advanced
    together, a gradient of its own for each, and a Hessian for a few, which neighbours
    share (see ``solvers/penalized_models``). That takes about 4 to 8 passes for 100
    penalties, each with the arithmetic of so many gradients. Wide data, of which a pass
    has no room for enough Hessians, are taken in several runs of penalties.

    Parameters
    ----------
    X, y, penalty_factor, bounds, sample_weight, offset, classes, fit_intercept, \
feature_names, missing, tol, max_passes, memory_limit, progress
        As in ``fit``, for two classes. Up to about 2,900 columns.
    l1_ratio : float
        As in ``fit``: 1 lasso, 0 ridge.
    n_alphas : int
        Number of penalties, evenly spread on the scale of logarithms.
    alphas : array, optional
        The penalties themselves, positive and in any order.
    alpha_min_ratio : float, optional
        Smallest penalty by the largest, which is the least that leaves all penalised
        coefficients at 0; default 1e-4, or 1e-2 with fewer rows than columns.

    Returns
    -------
    PathResults
        Coefficients, degrees of freedom, deviance ratios and criteria along the path;
        ``at(alpha)`` and ``[i]`` are results as of ``fit``.

    Raises
    ------
    ValueError, DataError, MemoryLimitError
        As in ``fit``.

    Warns
    -----
    ConvergenceWarning
        If some models have not come within ``tol``.

    Examples
    --------
    >>> import numpy as np, dlogreg
    >>> x = np.random.default_rng(0).normal(size=(200, 3))
    >>> found = dlogreg.path(x, x[:, 0] + x[:, 1] > 0.3, n_alphas=5)
    >>> found.df.tolist()
    [0, 2, 2, 2, 3]
    """
    grid = check_grid(alphas, n_alphas, alpha_min_ratio)
    options = check_options(
        classes=classes,
        penalty=penalty_rule(1.0, l1_ratio, penalty_factor, bounds),
        fit_intercept=fit_intercept,
        feature_names=feature_names,
        solver="newton",
        tol=tol,
        max_passes=max_passes,
        start=None,
        inference=False,
        memory_limit=memory_limit,
        has_offset=offset is not None,
        missing=missing,
    )
    source = open_source(X, y, sample_weight, options, offset=offset)
    options = options.for_columns(source.feature_names)
    _check_width(source.n_features + options.fit_intercept)
    layout = lay_out(source, options)
    check_memory(layout.memory, options.memory_limit, source)
    passes = Passes(Reduction(layout.partitions, layout.inline), progress_for(progress))
    try:
        with single_threaded_blas():
            problem = _Path.posed(layout, passes, options)
            found = problem.solved(grid)
            passes.close_record()
    finally:
        passes.progress.close()
    _warn(found)
    return found


def _check_width(n_params: int) -> None:
    if not hessian_fits(n_params):
        raise ValueError(
            f"path() needs the Hessian of {n_params:,} coefficients, which is too "
            "large to be formed; leave columns out, or fit single penalties, with "
            "l1_ratio=0"
        )


def _warn(found: PathResults) -> None:
    late = [
        a for a, s in zip(found.alphas, found.statuses, strict=True) if not s.converged
    ]
    if late:
        warnings.warn(
            f"{len(late)} of {len(found.alphas)} models have not come within tol = "
            f"{found.tol:g} standard errors, that of alpha = {late[0]:.6g} among them; "
            "raise max_passes or tol, or leave out the smallest alphas",
            ConvergenceWarning,
            stacklevel=3,
        )


@dataclass(frozen=True, slots=True, eq=False)
class _Path:
    """The rows, and what the first pass has told of them."""

    layout: Layout
    survey: Survey
    passes: Passes
    options: FitOptions
    objective: ManyObjective
    geometry: Geometry

    @classmethod
    def posed(cls, layout: Layout, passes: Passes, options: FitOptions) -> _Path:
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

    def penalty(self, alpha: float) -> Separable:
        """Return the penalty in the solver's coordinates."""
        survey = self.survey
        rule = replace(self.rule, alpha=alpha)
        return separable_of(rule, survey.weight_sum, survey.standardization)

    def left(self) -> int:
        """Return the passes that may still be made."""
        return max(0, self.options.max_passes - self.passes.n_passes)

    def solved(self, grid: AlphaGrid) -> PathResults:
        """Return the models of all penalties."""
        anchors = self.anchors()
        largest = 0.0
        if grid.values is None:
            resting_place = self.at_rest(anchors)
            anchors = [*anchors, resting_place]
            largest = self.largest(resting_place)
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
            self.penalty(alpha), self.geometry, self.options.tol, anchors
        )

    def at_rest(self, anchors: Sequence[Expansion]) -> Expansion:
        """Return the model in which all that is penalised is at rest."""
        penalty, factors = self.penalty(1.0), self._pull()
        held = resting(penalty, factors)
        free = factors == 0
        free[: int(self.options.fit_intercept)] = False
        null = anchors[0]
        if not free.any() and (held.nearest(null.theta) == null.theta).all():
            return null
        one = start_model(held, self.geometry, REST_TOL, anchors)
        advance_models(self.objective, [one], self.left())
        assert one.best is not None
        step = one.theta - one.best.theta
        hessian = one.metric.hessian
        return Expansion(one.theta, one.best.gradient + hessian @ step, hessian)

    def _pull(self) -> FloatArray:
        """Return what alpha = 1 weighs absolute values with, shape (n_params,)."""
        ratio = max(self.rule.l1_ratio, LEAST_L1_RATIO)
        rule = replace(self.rule, alpha=1.0, l1_ratio=ratio)
        survey = self.survey
        return separable_of(rule, survey.weight_sum, survey.standardization).l1

    def largest(self, place: Expansion) -> float:
        """Return the least alpha that leaves everything at rest."""
        pull = self._pull()
        found = largest_alpha(place.gradient, place.theta, self.penalty(1.0), pull)
        if not found > 0:
            raise ValueError(
                "no penalised column would leave its place under any penalty, so that "
                "there is no largest alpha to begin with; give alphas"
            )
        return found * ROUND_UP

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
        rule, std = self.rule, survey.standardization
        tally = passes.tally
        return LogitResults(
            feature_names=layout.source.feature_names,
            classes=survey.classes,
            class_counts=survey.class_counts,
            fit_intercept=std.fit_intercept,
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
            tol=self.options.tol,
            solver="newton",
            n_passes=passes.n_passes,
            bytes_read=tally.n_bytes,
            peak_memory=tally.peak_memory,
            trace=tuple(passes.trace),
            why_no_inference=PENALISED,
            has_offset=self.options.has_offset,
            n_dropped=survey.sums.n_dropped,
            l1_ratio=rule.l1_ratio,
            bounded=rule.bounds is not None,
            has_penalty_factor=rule.factor is not None,
            rows=RowsAgain(
                layout.source, layout.partitions, layout.inline, std, survey.classes
            ),
        )


def start_model(
    penalty: Separable,
    geometry: Geometry,
    tol: float,
    anchors: Sequence[Expansion],
    family: int = 0,
) -> PenalizedModel:
    """Return a model at the optimum that the nearest of the anchors expects."""
    optima = [anchor.optimum(penalty) for anchor in anchors]
    nearest = int(np.argmin([distance for _, distance in optima]))
    trial = optima[nearest][0]
    return PenalizedModel(penalty, geometry, tol, anchors[nearest], trial, family)
