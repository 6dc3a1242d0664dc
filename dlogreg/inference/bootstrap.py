"""Bootstrap of a fit: all replicates together, from few passes over the rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from dlogreg.errors import ConvergenceWarning, InferenceError
from dlogreg.evaluation import FloatArray
from dlogreg.inference.batch import SEPARATED, batches, estimated, most_together
from dlogreg.inference.replicates import Replicates
from dlogreg.kernel.nearby import NearbyKernel, NearbySums
from dlogreg.kernel.resampling import PoissonDraws
from dlogreg.kernel.together import Sums, Together
from dlogreg.memory import ProjectedMemory, project_memory
from dlogreg.memory.many_models import ManyPasses, check_room, replicates_memory
from dlogreg.objective.many import ManyObjective
from dlogreg.options.values import byte_limit
from dlogreg.rows_again import RowsAgain, check_unchanged
from dlogreg.scalars import check_seed, is_number, is_whole
from dlogreg.scheduling import n_threads
from dlogreg.solvers import Status
from dlogreg.solvers.many import HESSIAN_VALUES
from dlogreg.solvers.replicates import Replicate, advance_replicates
from dlogreg.solvers.system import NewtonSystem
from dlogreg.user_warning import warn_user

if TYPE_CHECKING:
    from dlogreg.results import LogitResults

SINGLE_ROWS = 100_000
"""Rows from which arithmetic on changes is in float32."""
UNITS = ("rows", "groups")


def bootstrap(
    results: LogitResults,
    rows: RowsAgain,
    n_replicates: int,
    seed: int,
    by: str | None,
    tol: float,
    max_passes: int,
    memory_limit: int | str | None = None,
) -> Replicates:
    """Return the replicates; see ``LogitResults.bootstrap``."""
    check_bootstrap(results, n_replicates, tol, max_passes)
    seed = check_seed(seed)
    by = unit_of(results, rows, by)
    _check_room(results, rows, n_replicates, max_passes, memory_limit)
    coefficients = np.full((n_replicates, len(results.coefficients)), np.nan)
    worst = 0.0
    with rows.reading() as passes:
        for run in batches(n_replicates, len(results.coefficients)):
            batch = _Batch(results, rows, rows.objective(passes), by, seed, run)
            models = batch.fitted(tol, max_passes)
            for one, number in zip(models, run, strict=True):
                if not one.failed and one.error <= tol:
                    coefficients[number] = batch.params(one.trial)
                    worst = max(worst, one.error)
        n_passes = passes.n_passes
    found = Replicates(results.names, results.coefficients, coefficients, by)
    found = replace(found, seed=seed, n_passes=n_passes, error=worst)
    _tell_failed(found, n_replicates, max_passes)
    return found


def _tell_failed(found: Replicates, n_replicates: int, max_passes: int) -> None:
    """Warn of replicates without an optimum, or raise if none has one."""
    if found.n_failed == n_replicates:
        raise InferenceError(
            f"none of {n_replicates} bootstrap replicates has a finite optimum that "
            f"was found in {max_passes} passes; raise max_passes, or take fewer columns"
        )
    if found.n_failed:
        warn_user(
            f"{found.n_failed} of {n_replicates} bootstrap replicates have no finite "
            "optimum (a class was not drawn, its classes are separated, or columns are "
            f"aliased) or did not reach it in {max_passes} passes; they are left out, "
            "which makes intervals too short where these are many",
            ConvergenceWarning,
        )


def _check_room(
    results: LogitResults,
    rows: RowsAgain,
    n_replicates: int,
    max_passes: int,
    memory_limit: int | str | None,
) -> None:
    """Refuse more replicates than there is memory for."""
    source, n_params = rows.source, len(results.coefficients)
    threads = 1 if rows.inline else n_threads()
    one = project_memory(source, n_params, 2, threads)
    passes = ManyPasses.over(source, n_params)
    hessians = max(1, HESSIAN_VALUES // n_params**2)

    def memory_of(n: int) -> ProjectedMemory:
        together = min(n, most_together(n_params))
        rest = (n, together, hessians, max_passes)
        return replicates_memory(one, rows.partitions, passes, *rest)

    limit = None if memory_limit is None else byte_limit(memory_limit)
    check_room(memory_of, n_replicates, "replicates", limit, source, least=2)


@dataclass(frozen=True, slots=True, eq=False)
class _Batch:
    """Replicates that share their passes."""

    results: LogitResults
    rows: RowsAgain
    objective: ManyObjective
    by: str
    seed: int
    run: range
    """Numbers of the replicates."""

    def fitted(self, tol: float, max_passes: int) -> list[Replicate]:
        """Return every replicate as far as it was advanced."""
        hessian, weight, base = self._first_pass()
        alpha, std = self.results.alpha, self.rows.standardization
        unit = std.units**2
        unit[: int(std.fit_intercept)] = 0.0
        curvatures = alpha * base.totals[0][:, None] * unit
        theta, kept = self.theta, estimated(self.results)
        hessian = hessian + np.diag(alpha * weight * unit)
        inverse = np.zeros_like(hessian)
        inverse[np.ix_(kept, kept)] = NewtonSystem.of(hessian, kept).inverse()
        nothing = np.zeros_like(theta)
        models = [
            Replicate(b, inverse, nothing, nothing, nothing, curvatures[b])
            for b in range(len(self.run))
        ]
        total, events = base.totals
        for one in models:
            one.failed = not 0 < events[one.number] < total[one.number]
        gradients = base.gradients + curvatures.T * theta[:, None]
        rest = (models, base.gradients, gradients, theta, kept, tol, max_passes - 1)
        advance_replicates(self._evaluate, *rest)
        return models

    @property
    def theta(self) -> FloatArray:
        """The fit, dropped coefficients 0."""
        coefficients = np.nan_to_num(self.results.coefficients)
        return self.rows.standardization.to_theta(coefficients)

    def params(self, shift: FloatArray) -> FloatArray:
        """Return the coefficients of a replicate, NaN where the fit has none."""
        std = self.rows.standardization
        found = std.to_params(self.theta + shift)
        return np.where(np.isnan(self.results.coefficients), np.nan, found)

    def _first_pass(self) -> tuple[FloatArray, float, NearbySums]:
        """Count the rows, evaluate the fit, and every replicate at the fit.

        Returns the Hessian of the loss, the sum of weights, and the replicates' sums.
        """
        rows, results = self.rows, self.results
        objective, theta = self.objective, self.theta[:, None]
        fit = objective.kernel(theta, None, (0,))
        drawn = self._kernel(range(len(self.run)), None)
        sums: Sums = objective.passes.run(Together((rows.census, fit, drawn)))
        census, many, base = sums.parts
        origin = objective.scaled(many)
        loss = -results.llf if results.alpha else float(origin.losses[0])
        check_unchanged(results, census, loss)
        return origin.hessians[0], census.weight, base

    def _evaluate(
        self,
        replicates: Sequence[int],
        shifts: FloatArray | None,
        hessian_of: tuple[int, ...] = (),
    ) -> NearbySums:
        kernel = self._kernel(replicates, shifts, hessian_of)
        found: NearbySums = self.objective.passes.run(kernel)
        return found

    def _kernel(
        self,
        replicates: Sequence[int],
        shifts: FloatArray | None,
        hessian_of: tuple[int, ...] = (),
    ) -> NearbyKernel:
        rows, std = self.rows, self.rows.standardization
        draws = PoissonDraws(
            tuple(self.run[b] for b in replicates),
            self.seed,
            by_group=self.by == "groups",
            frequency=self.results.weight_kind == "frequency",
            class_weight=rows.class_weight,
        )
        return NearbyKernel(
            self.theta[:, None],
            (0,) * len(replicates),
            shifts,
            draws,
            std.mean,
            std.units,
            rows.classes[-1],
            std.fit_intercept,
            hessian_of,
            single=self.results.n_rows >= SINGLE_ROWS,
        )


def check_bootstrap(
    results: LogitResults, n_replicates: int, tol: float, max_passes: int
) -> None:
    """Refuse useless options, and fits that have no optimum to resample around.

    Raises
    ------
    ValueError, InferenceError
    """
    if not (is_whole(n_replicates) and n_replicates >= 2):
        raise ValueError(
            "bootstrap() needs B of at least 2, a whole number of replicates, not "
            f"{n_replicates!r}"
        )
    if not (is_number(tol) and tol > 0):
        raise ValueError(
            f"tol must be positive, a number of standard errors, not {tol!r}"
        )
    if not (is_whole(max_passes) and max_passes >= 2):
        raise ValueError(
            "bootstrap() needs at least 2 passes: max_passes must be a whole number, "
            f"not {max_passes!r}"
        )
    _check_fit(results)


def _check_fit(results: LogitResults) -> None:
    """Refuse fits that have no optimum to resample around."""
    if results.firth:
        raise InferenceError(
            "the bootstrap is made for maximum likelihood and ridge, and this fit has "
            "firth=True; take conf_int(method='profile'), or fit without it"
        )
    given = (
        ("l1_ratio > 0", results.l1_ratio > 0),
        ("bounds", results.bounded),
        ("penalty_factor", results.has_penalty_factor),
    )
    for option, is_given in given:
        if is_given:
            raise InferenceError(
                "the bootstrap is made for maximum likelihood and ridge, and this fit "
                f"has {option}; fit without it"
            )
    if results.status in SEPARATED:
        names = ", ".join(map(repr, results.separated[:5]))
        raise InferenceError(
            f"the bootstrap needs a finite optimum, but {names or 'columns'} separate "
            "the classes; leave these columns out, or merge the level with another"
        )
    if results.status in (Status.INTERRUPTED, Status.MAX_PASSES):
        reason = results.status.value
        raise InferenceError(
            f"the bootstrap needs a fit that converged ({reason}); fit again"
        )


def unit_of(results: LogitResults, rows: RowsAgain, by: str | None) -> str:
    """Return what is drawn: "rows" or "groups"."""
    has_groups = "groups" in rows.source.blocks.fields or "groups" in (
        rows.source.vectors
    )
    if by is None:
        return "groups" if has_groups else "rows"
    if by not in UNITS:
        raise ValueError(f"by must be 'rows' or 'groups', not {by!r}")
    if by == "groups" and not has_groups:
        raise ValueError(
            "by='groups' draws groups, and the rows have none; fit with groups=, or "
            "give them to bootstrap() with X and y"
        )
    return by
