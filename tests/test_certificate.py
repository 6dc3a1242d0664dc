"""error_bound holds against an optimum in extended precision."""

import numpy as np
import pytest

import dlogreg
from dlogreg.solvers.certificate import bound_after_step, distance, remainder
from tests.reference import exact_optimum, random_problem


def true_error(res, problem, strength=0.0):
    """Return the largest distance of a coefficient from the optimum, in its error."""
    params, bse, _ = exact_optimum(problem.X, problem.y, problem.weight, strength)
    return float(np.abs((np.asarray(res.params) - params) / bse).max())


@pytest.mark.parametrize("seed", range(100))
def test_default_tol_holds_its_bound_on_random_problems(seed):
    problem = random_problem(seed)
    res = dlogreg.fit(problem.X, problem.y, sample_weight=problem.weight)
    assert res.status is dlogreg.Status.CONVERGED
    assert res.error_bound <= 1e-4
    assert true_error(res, problem) <= res.error_bound


@pytest.mark.parametrize("seed", range(30))
def test_a_loose_bound_holds_and_is_not_vacuous(seed):
    problem = random_problem(1000 + seed)
    res = dlogreg.fit(
        problem.X,
        problem.y,
        sample_weight=problem.weight,
        tol=0.5,
        inference=False,
    )
    truth = true_error(res, problem)
    assert truth <= res.error_bound <= 0.5


@pytest.mark.parametrize("seed", range(20))
def test_a_tight_tol_is_reached_within_the_allowance_for_rounding(seed):
    problem = random_problem(2000 + seed)
    res = dlogreg.fit(problem.X, problem.y, sample_weight=problem.weight, tol=1e-10)
    assert res.status is dlogreg.Status.CONVERGED
    assert true_error(res, problem) <= res.error_bound <= 1e-9


def test_the_bound_holds_where_the_hessian_is_kept():
    kept = 0
    for seed in range(24):
        problem = random_problem(5000 + seed, n_rows=4000, n_features=5)
        weight, tol = problem.weight, 10.0 ** -(1 + seed % 3)
        res = dlogreg.fit(
            problem.X, problem.y, sample_weight=weight, tol=tol, inference=False
        )
        assert true_error(res, problem) <= res.error_bound <= tol
        kept += res.trace[-1].kind == "loss_gradient"
    assert kept >= 4


@pytest.mark.parametrize("seed", range(20))
def test_the_bound_holds_under_ridge(seed):
    problem = random_problem(3000 + seed)
    alpha = 10.0 ** -(seed % 6)
    weight = problem.weight
    strength = alpha * (len(problem.y) if weight is None else weight.sum())
    res = dlogreg.fit(problem.X, problem.y, sample_weight=weight, alpha=alpha)
    assert true_error(res, problem, strength) <= res.error_bound <= 1e-4


@pytest.mark.parametrize("limit", [2, 3, 4])
def test_a_fit_cut_short_says_how_far_it_may_be(limit):
    problem = random_problem(7, n_rows=3000, n_features=4)
    with pytest.warns(dlogreg.ConvergenceWarning, match="max_passes"):
        res = dlogreg.fit(
            problem.X,
            problem.y,
            sample_weight=problem.weight,
            max_passes=limit,
            inference=False,
            tol=1e-12,
        )
    assert res.n_passes <= limit
    assert res.status is dlogreg.Status.MAX_PASSES
    assert true_error(res, problem) <= res.error_bound


def test_the_error_of_standard_errors_is_within_its_bound():
    problem = random_problem(8, n_rows=3000, n_features=4)
    res = dlogreg.fit(problem.X, problem.y, sample_weight=problem.weight, tol=0.1)
    _, bse, _ = exact_optimum(problem.X, problem.y, problem.weight)
    relative = np.abs(np.asarray(res.bse) / bse - 1).max()
    assert relative <= res.bse_error_bound + 1e-12
    assert res.bse_error_bound < 1e-2


def test_remainder_is_exact_for_large_and_a_bound_for_small_steps():
    from mpmath import mp, mpf

    mp.dps = 50
    for reach in (1e-12, 1e-8, 9e-5, 1.1e-4, 1e-2, 1.0, 20.0):
        s = mpf(reach)
        truth = float((mp.e**s - 1 - s) / s)
        assert truth * (1 - 1e-9) <= remainder(reach) <= truth * (1 + 1e-4)


def test_distance_is_the_root_of_its_inequality():
    for kappa, decrement in ((0.5, 0.1), (3.0, 0.3), (10.0, 1e-9)):
        r = distance(kappa, decrement)
        assert -np.expm1(-kappa * r) == pytest.approx(kappa * decrement, rel=1e-9)
    assert distance(2.0, 0.5) == np.inf
    assert distance(np.inf, 0.5) == np.inf
    assert bound_after_step(1.0, 60.0, 1.0, 0.0) == np.inf
    assert bound_after_step(1e-6, 1e-6, 1.0, 1e-9) >= 1e-9
