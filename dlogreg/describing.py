"""What a fit's last passes tell of its rows, beside coefficients and covariances."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from dlogreg.evaluation import FloatArray
from dlogreg.kernel.closing_sums import ClosingSums, ColumnSums
from dlogreg.problem import Problem
from dlogreg.solvers import Solution
from dlogreg.standardization import Standardization
from dlogreg.survey import Survey

ROUNDED = 1e-5
"""Of sum x: moments of a first pass in float32 tell 0/1 columns up to this."""


def closing_sums(problem: Problem, solution: Solution) -> ClosingSums | None:
    """Return those of the last pass, unless it left out rows that are separated."""
    limiting = problem.limit is not None
    return None if limiting else solution.point.evaluation.closing


def column_sums(problem: Problem, solution: Solution) -> ColumnSums | None:
    """Return those of the last pass, of the columns as they were given.

    The first sums are moved along the step that was taken from there, to first order;
    of the events expected this leaves what the certificate's remainder bounds.
    """
    evaluation, std = solution.point.evaluation, problem.standardization
    described = closing_sums(problem, solution)
    if described is None or not isinstance(std, Standardization):
        return None
    found = described.columns
    if evaluation.hessian is not None:
        step = solution.theta - solution.point.theta
        centred = std.centred(step)
        found = replace(
            found,
            expected=found.expected + evaluation.hessian @ step / std.units,
            curvature=found.curvature + float(found.bend @ centred),
            predictor=found.predictor + float(found.total @ centred),
        )
    return found.uncentred(std.centre)


def find_indicators(
    problem: Problem, found: ColumnSums | None, names: tuple[str, ...]
) -> tuple[str, ...] | None:
    """Return the columns that hold nothing but 0 and 1; None if that is not known.

    A column within 0 and 1 holds nothing else if sum x^2 = sum x.
    """
    survey = problem.survey
    total = _column_sums(survey) if found is None else found.total
    if total is None:
        return None
    std = survey.standardization
    first = int(std.fit_intercept)
    moments = survey.sums.second_moments
    squares = moments if moments.ndim == 1 else np.diagonal(moments)
    centre, weight = std.centre, survey.weight_sum
    squares = squares + 2 * centre * (total - centre * weight) + centre**2 * weight
    low, high = survey.ranges
    sums = total[first:]
    binary = (low == 0) & (high == 1)
    binary &= np.abs(squares[first:] - sums) <= ROUNDED * np.abs(sums)
    return tuple(names[j] for j in np.flatnonzero(binary))


def _column_sums(survey: Survey) -> FloatArray | None:
    """Return sum s x, if the survey has made it."""
    groups = [survey.sums.groups[label].z_sum for label in survey.classes]
    known = [group for group in groups if group is not None]
    if len(known) < len(groups):
        return None
    centre = survey.standardization.centre
    return np.asarray(sum(known) + centre * survey.weight_sum)
