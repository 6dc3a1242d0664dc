"""What a fit has to say where the classes are separated, or seem to be."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from dlogreg.evaluation import FloatArray
from dlogreg.inference.limit import Limit
from dlogreg.problem import Problem
from dlogreg.solvers import Solution, Status

ADVICE = (
    "Leave these columns out, merge the level with another, or give a penalty, "
    "alpha > 0"
)
STOPPED = (
    "the named coefficients have no finite optimum; the values returned only show "
    "where the fit stopped"
)
COMPLETE = (
    "together these columns predict every row for certain, so that their coefficients "
    "are infinite and nothing is left to estimate the others from"
)
QUASI = (
    "the coefficients of these columns are infinite; the others, and their standard "
    "errors, are those of the rows that these columns do not predict for certain"
)


@dataclass(frozen=True, slots=True, eq=False)
class SeparationReport:
    """What is to be said; nothing without separation."""

    status: Status = Status.CONVERGED
    columns: tuple[str, ...] = ()
    """Those without a finite optimum."""
    message: str = ""
    verdict: str = ""
    """"complete", "quasi-complete", or nothing that is proven."""
    signs: FloatArray | None = None
    """+-1 for coefficients that are infinite, NaN where only that is known."""
    limit: FloatArray | None = None
    direction: FloatArray | None = None
    error_bound: float = np.nan
    unbounded: npt.NDArray[np.bool_] | None = None
    """Coefficients of which no covariance is known, shape (n_params,)."""

    def with_infinite(self, params: FloatArray) -> FloatArray:
        """Return coefficients with those infinite that are."""
        if self.signs is None:
            return params
        with np.errstate(invalid="ignore"):
            return np.where(self.signs != 0, np.inf * self.signs, params)

    def masked(self, covariance: FloatArray | None) -> FloatArray | None:
        """Return a covariance without lines of coefficients that are not finite."""
        out = self.unbounded
        if covariance is None or out is None:
            return covariance
        return np.where(out | out[:, None], np.nan, covariance)


def report_separation(problem: Problem, solution: Solution) -> SeparationReport:
    """Return what is known of separation at the end of a fit."""
    status, names = solution.status, problem.options.feature_names
    assert names is not None
    if problem.limit is not None:
        return _proven(problem, solution, problem.limit, names)
    if problem.separating and status is not Status.INTERRUPTED:
        return _stopped(Status.SEPARATED, problem.separating, problem, proven=True)
    suspected = status in (Status.SEPARATION_SUSPECTED, Status.UNDECIDED)
    if suspected and solution.step is not None:
        growing = moving_columns(problem.reach_of_step(solution.step), names)
        return _stopped(status, growing, problem, proven=False)
    return SeparationReport()


def _stopped(
    status: Status, reasons: Mapping[str, str], problem: Problem, *, proven: bool
) -> SeparationReport:
    """Return what is to be said where the fit stopped on its way.

    Of more than two classes a column may separate some, and be finite for the others.
    """
    names, unbounded = problem.options.feature_names or (), None
    if len(problem.survey.classes) == 2:
        unbounded = np.zeros(problem.n_params, dtype=bool)
        own = unbounded[problem.n_params - len(names) :]
        own[:] = [name in reasons for name in names]
    message = separation_message(reasons, STOPPED, proven=proven)
    return SeparationReport(status, tuple(reasons), message, unbounded=unbounded)


def _proven(
    problem: Problem, solution: Solution, limit: Limit, names: Sequence[str]
) -> SeparationReport:
    std = problem.survey.standardization
    signs = limit.infinite(std, _not_dropped(problem, names))
    columns = _infinite_columns(limit, signs, names)
    interrupted = solution.status is Status.INTERRUPTED
    reasons = {name: limit.reasons.get(name) or _growth(s) for name, s in columns}
    text = COMPLETE if limit.complete else QUASI
    if not (limit.complete or solution.status.converged or interrupted):
        text = f"{text}; but that fit {solution.status.value}"
    direction = limit.combined(problem.geometry.reach)
    return SeparationReport(
        Status.INTERRUPTED if interrupted else Status.SEPARATED,
        tuple(name for name, _ in columns),
        separation_message(reasons, text, proven=True),
        "complete" if limit.complete else "quasi-complete",
        signs,
        std.to_params(solution.theta),
        std.to_params(direction),
        np.inf if limit.complete else solution.error_bound,
        signs != 0,
    )


def _infinite_columns(
    limit: Limit, signs: FloatArray, names: Sequence[str]
) -> list[tuple[str, float]]:
    """Return the columns to be named, with the sign of their coefficients."""
    own = zip(names, signs[len(signs) - len(names) :].tolist(), strict=True)
    if limit.complete:
        return [(name, sign) for name, sign in own if sign in (1.0, -1.0)]
    return [(name, sign) for name, sign in own if sign != 0]


def _not_dropped(problem: Problem, names: Sequence[str]) -> npt.NDArray[np.intp]:
    first = problem.n_params - len(names)
    kept = [j for j, name in enumerate(names, first) if name not in problem.dropped]
    return np.array([*range(first), *kept], dtype=np.intp)


def _growth(sign: float) -> str:
    if np.isnan(sign):
        return "its coefficient has no limit"
    return f"its coefficient tends to {'+' if sign > 0 else '-'}infinity"


def separation_message(reasons: Mapping[str, str], text: str, *, proven: bool) -> str:
    """Say which columns separate the classes and what to do."""
    shown = "; ".join(f"{name!r}: {text}" for name, text in list(reasons.items())[:5])
    more = f"; and {len(reasons) - 5} more" if len(reasons) > 5 else ""
    verdict = "the data are separated" if proven else "the data look separated"
    return f"{verdict} ({shown}{more}): {text}. {ADVICE}"


def moving_columns(share: FloatArray, names: Sequence[str]) -> dict[str, str]:
    """Return the columns that carry the last step, when coefficients grow endlessly.

    ``share`` is how far the step of every coefficient moves some row's predictor.
    """
    first = len(share) - len(names)
    large = np.flatnonzero(share[first:] >= 0.1 * share.max())
    return {names[j]: "its coefficient keeps growing" for j in large.tolist()}
