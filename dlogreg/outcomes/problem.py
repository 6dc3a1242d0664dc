"""The models of several outcomes, advanced in shared passes, and their results."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from dlogreg.checks import find_aliased, find_separating
from dlogreg.closing import build_results
from dlogreg.errors import CollinearityWarning, SeparationWarning
from dlogreg.evaluation import FloatArray, ManyEvaluation
from dlogreg.kernel.outcomes import OutcomeKernel
from dlogreg.kernel.together import Sums, Together
from dlogreg.objective.many import ManyObjective
from dlogreg.options import FitOptions
from dlogreg.outcomes.first_look import FirstLook
from dlogreg.outcomes.pilot import EVENTS
from dlogreg.passes import Passes
from dlogreg.problem import Problem, kept_params, pose
from dlogreg.results import LogitResults
from dlogreg.solvers import Status
from dlogreg.solvers.newton_model import NewtonModel, advance_newton, take
from dlogreg.solvers.system import combination
from dlogreg.survey import Survey
from dlogreg.survey.outcome_ranges import OutcomeRangesKernel
from dlogreg.survey.ranges import Ranges
from dlogreg.user_warning import warn_user

SEPARATION_PASS = 3
"""Pass from which models without a proven optimum have ranges by outcome followed."""
CONSTANT = 1e-12
"""Share of a column's weighted square, in the solver's coordinates, that is rounding if
it is all that varies."""
NAMED = 5
"""Outcomes that a warning names."""


@dataclass(eq=False)
class OutcomesProblem:
    """One problem and one model for every outcome, over the same rows."""

    look: FirstLook
    passes: Passes
    options: FitOptions
    problems: list[Problem]
    models: list[NewtonModel]
    ranged: set[int] = field(default_factory=set)
    """Outcomes whose ranges are known."""

    @classmethod
    def posed(
        cls, look: FirstLook, passes: Passes, options: FitOptions
    ) -> OutcomesProblem:
        """Set up the models, and give them what the first pass has found."""
        options = replace(options, solver="newton")
        assert options.feature_names is not None
        names = options.feature_names
        problems = [pose(survey, passes, options, names, ()) for survey in look.surveys]
        for i, place in enumerate(look.evaluated):
            if look.n_missing[place] and not options.penalty:
                hessian = look.found.hessians[i]
                problems[place] = _without_aliased(problems[place], names, hessian)
        models = [_model(problem, options) for problem in problems]
        posed = cls(look, passes, options, problems, models)
        posed._take_first()
        return posed

    def _take_first(self) -> None:
        """Give the models that were evaluated what the first pass found.

        A start that used aliased columns is rewritten in those that are kept, which
        changes no row's predictor.
        """
        look, thetas = self.look, self.look.thetas.copy()
        for i, place in enumerate(look.evaluated):
            problem, hessian = self.problems[place], look.found.hessians[i]
            gram = hessian if look.n_missing[place] else problem.survey.gram
            assert gram is not None
            thetas[:, i] = _on_kept(thetas[:, i], gram, problem.kept)
            self.models[place].trial = thetas[:, i]
        some = [self.models[place] for place in look.evaluated]
        take(some, thetas, look.found, tuple(range(len(some))))
        self._observe()

    def solve(self) -> None:
        """Advance all models to their ends."""
        left = self.options.max_passes - self.passes.n_passes
        advance_newton(self._evaluate, self.models, max(0, left), self._observe)

    def _evaluate(
        self,
        active: Sequence[int],
        thetas: FloatArray,
        moves: FloatArray,
        hessian_of: tuple[int, ...],
    ) -> ManyEvaluation:
        """Read the data once for the models that are left."""
        std = self.look.surveys[0].standardization
        objective = ManyObjective(self.passes, std, EVENTS[-1])
        outcomes = tuple(self.look.outcomes[i] for i in active)
        robust = self.options.cov_type != "model"
        many = objective.kernel(thetas, moves, hessian_of, outcomes, meats=robust)
        looked = [i for i in active if self._looks_at(i)]
        kernel = OutcomeRangesKernel(len(std.scale))
        ranges = [OutcomeKernel(kernel, self.look.outcomes[i]) for i in looked]
        sums: Sums = self.passes.run(Together((*ranges, many)))
        for i, found in zip(looked, sums.parts, strict=False):
            self._judge_ranges(i, found)
        return objective.scaled(sums.parts[-1])

    def _looks_at(self, i: int) -> bool:
        """Tell whether to follow the ranges of a model's outcome in the next pass."""
        late = self.passes.n_passes + 1 >= SEPARATION_PASS
        open_ = self.models[i].unproven and i not in self.ranged
        return late and open_ and not self.options.penalty

    def _judge_ranges(self, i: int, ranges: Ranges) -> None:
        """End a model of which single columns separate the classes."""
        self.ranged.add(i)
        problem, names = self.problems[i], self.options.feature_names
        assert names is not None
        sums = replace(problem.survey.sums, ranges=ranges)
        found = find_separating(replace(problem.survey, sums=sums), names)
        if found:
            self.problems[i] = replace(problem, separating=found)
            self.models[i].end(Status.SEPARATED)

    def _observe(self) -> None:
        """Note how far the last of the models is."""
        known = [m.certificate for m in self.models if m.certificate is not None]
        if known:
            self.passes.annotate(
                error_bound=max(one.after for one in known),
                decrement=max(one.decrement for one in known),
            )

    def results(self) -> tuple[LogitResults, ...]:
        """Return those of every outcome, and warn of what they have to say."""
        found: list[LogitResults] = []
        told: dict[type[Warning], list[tuple[str, str]]] = {}
        for label, problem, model in zip(
            self.look.labels, self.problems, self.models, strict=True
        ):
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                one = build_results(problem, model.solution())
            assert isinstance(one, LogitResults)
            found.append(one)
            for warning in caught:
                line = (repr(label), str(warning.message))
                told.setdefault(warning.category, []).append(line)
        for category, lines in told.items():
            warn_user(_warning(category, lines, len(found)), category)
        return tuple(found)


def _warning(
    category: type[Warning], lines: Sequence[tuple[str, str]], n_outcomes: int
) -> str:
    """Say once what several outcomes have to say."""
    first, message = lines[0]
    alike = all(text == message for _, text in lines)
    if category is CollinearityWarning and alike and len(lines) == n_outcomes:
        return message
    others = [name for name, _ in lines[1:NAMED]]
    more = ", ..." if len(lines) > NAMED else ""
    listed = f" ({', '.join(others)}{more})" if others else ""
    too = f"; {len(lines) - 1} other outcomes too{listed}" if others else ""
    advice = ""
    if category is SeparationWarning:
        advice = "; dlogreg.fit of that outcome alone gives the limiting fit"
    return f"outcome {first}: {message}{too}{advice}"


def _without_aliased(
    problem: Problem, names: tuple[str, ...], hessian: FloatArray
) -> Problem:
    """Drop what is aliased in the rows of which the outcome is known."""
    survey = _of_known_rows(problem.survey, hessian)
    dropped = find_aliased(survey, names, hessian)
    kept = kept_params(survey, names, dropped)
    return replace(problem, dropped=dropped, kept=kept)


def _of_known_rows(survey: Survey, hessian: FloatArray) -> Survey:
    """Return the survey with the ranges of columns that are constant in these rows.

    Ranges are those of all rows; the Hessian, of these alone, tells such a column by
    a variance that is nothing but rounding.
    """
    std = survey.standardization
    if not std.fit_intercept:
        return survey
    mean = hessian[0, 1:] / hessian[0, 0]
    square = np.diagonal(hessian)[1:]
    constant = square - mean * hessian[0, 1:] <= CONSTANT * square
    low, high = survey.ranges
    value = std.mean + std.scale * mean
    ranges = replace(
        survey.sums.ranges,
        low=np.where(constant, value, low),
        high=np.where(constant, value, high),
    )
    return replace(survey, sums=replace(survey.sums, ranges=ranges))


def _on_kept(
    theta: FloatArray, gram: FloatArray, kept: npt.NDArray[np.intp]
) -> FloatArray:
    """Return the coefficients of the kept columns that give the same predictors."""
    moved = theta.copy()
    for j in np.setdiff1d(np.arange(len(theta)), kept).tolist():
        moved += theta[j] * combination(gram, kept, j)
        moved[j] = 0.0
    return moved


def _model(problem: Problem, options: FitOptions) -> NewtonModel:
    """Return a model that begins without columns, unless it is given a point."""
    null = problem.null_point()
    return NewtonModel(
        problem.geometry,
        problem.kept,
        problem.objective.penalty.curvature,
        options.tol,
        null.theta,
        null.theta,
        null.evaluation.loss,
        finite=options.penalty.coercive,
        closing=options.inference and not options.penalty,
    )
