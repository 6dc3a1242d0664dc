"""error_bound holds against an optimum in extended precision."""

import numpy as np
import pytest

import dlogreg
from dlogreg.evaluation import Evaluation
from dlogreg.solvers import Geometry, NewtonSystem
from dlogreg.solvers.certificate import (
    bound_after_step,
    certify,
    distance,
    remainder,
)
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


def certified(Z, y, theta, weight):
    """Return the certificate of a point by the sums of all rows, and max abs(z'd)."""
    sign = np.where(y, 1.0, -1.0)
    margin = sign * (Z @ theta)
    miss = np.exp(-np.logaddexp(0, margin))
    curvature = weight * miss * np.exp(-np.logaddexp(0, -margin))
    evaluation = Evaluation(
        float(weight @ np.logaddexp(0, -margin)),
        -Z.T @ (weight * sign * miss),
        Z.T @ (Z * curvature[:, None]),
    )
    radius = float(np.sqrt((Z**2).sum(axis=1).max()))
    geometry = Geometry(np.abs(Z).max(axis=0), radius, weight @ Z**2)
    system = NewtonSystem.of(evaluation.hessian, np.arange(Z.shape[1]))
    found = certify(evaluation, system, theta, geometry)
    return found, np.abs(Z @ found.step).max()


@pytest.mark.parametrize("seed", range(200))
def test_on_separated_data_no_step_is_short(seed):
    """Levels of one outcome, wherever Newton's method has come with them."""
    rng = np.random.default_rng(seed)
    n, d = int(rng.integers(20, 200)), int(rng.integers(1, 4))
    level = rng.random(n) < rng.uniform(0.1, 0.6)
    level[:2] = True, False
    Z = np.column_stack([np.ones(n), level, rng.normal(size=(n, d))])
    y = rng.random(n) < 0.5
    y[level] = True
    theta = np.append([0.0, rng.uniform(0, 12)], rng.normal(size=d))
    found, moved = certified(Z, y, theta, rng.uniform(0.5, 2, size=n))
    assert moved >= 1
    assert found.unproven
    assert not found.short


def test_a_short_step_proves_an_optimum_where_nothing_else_does_yet():
    rng = np.random.default_rng(0)
    Z = np.column_stack([np.ones(2000), rng.normal(size=(2000, 5))])
    y = rng.random(2000) < 1 / (1 + np.exp(-1.2 * Z[:, 1]))
    ones, found = np.ones(2000), []
    theta = np.zeros(6)
    for _ in range(3):
        known, moved = certified(Z, y, theta, ones)
        assert moved <= known.step_reach
        found.append((known.short, known.kappa * known.decrement < 0.9))
        theta = theta + known.step
    assert found == [(False, False), (True, False), (True, True)]


@pytest.mark.parametrize("apart", [0.0, 1e-6])
def test_a_short_step_by_a_singular_hessian_proves_nothing(apart):
    rng = np.random.default_rng(2)
    Z = np.column_stack([np.ones(200), rng.normal(size=(200, 2))])
    y, ones, theta = rng.random(200) < 0.5, np.ones(200), np.zeros(4)
    assert certified(Z, y, np.zeros(3), ones)[0].short
    same = np.column_stack([Z, Z[:, 2] * (1 + apart * rng.normal(size=200))])
    for _ in range(6):
        found = certified(same, y, theta, ones)[0]
        theta = theta + found.step
    assert found.step_reach < 0.5
    assert not found.short
