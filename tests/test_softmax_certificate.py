"""error_bound of softmax fits holds against an optimum in extended precision."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

import dlogreg
from dlogreg.evaluation import Evaluation
from dlogreg.solvers import Geometry, NewtonSystem, SoftmaxGeometry
from dlogreg.solvers.certificate import certify
from dlogreg.solvers.softmax_certificate import certify_softmax
from tests.softmax_reference import exact_softmax, softmax_problem, symmetric


def true_errors(res, problem):
    """Return the largest error of a coefficient, and of any linear combination."""
    params, covariance, _ = exact_softmax(problem.X, problem.y, problem.weight)
    away = (np.asarray(res.params).T - params).ravel()
    largest = np.abs(away / np.sqrt(np.diag(covariance))).max()
    return float(largest), float(np.sqrt(away @ np.linalg.solve(covariance, away)))


@pytest.mark.parametrize("seed", range(40))
def test_default_tol_holds_its_bound_on_random_problems(seed):
    problem = softmax_problem(seed)
    res = dlogreg.fit(problem.X, problem.y, sample_weight=problem.weight)
    assert res.status is dlogreg.Status.CONVERGED
    assert res.error_bound <= 1e-4
    largest, combined = true_errors(res, problem)
    assert largest <= combined * (1 + 1e-6) + 1e-12
    assert combined <= res.error_bound * (1 + 1e-6) + 1e-9


@pytest.mark.parametrize("seed", range(15))
def test_a_loose_bound_holds_and_is_not_vacuous(seed):
    problem = softmax_problem(1000 + seed)
    res = dlogreg.fit(
        problem.X, problem.y, sample_weight=problem.weight, tol=0.5, inference=False
    )
    largest, combined = true_errors(res, problem)
    assert max(largest, combined) <= res.error_bound <= 0.5


@pytest.mark.parametrize("seed", range(10))
def test_a_tight_tol_is_reached_within_the_allowance_for_rounding(seed):
    problem = softmax_problem(2000 + seed)
    res = dlogreg.fit(problem.X, problem.y, sample_weight=problem.weight, tol=1e-10)
    assert res.status is dlogreg.Status.CONVERGED
    assert true_errors(res, problem)[0] <= res.error_bound <= 1e-9


@pytest.mark.parametrize("seed", range(10))
def test_the_bound_holds_under_ridge_for_symmetric_coefficients(seed):
    problem = softmax_problem(3000 + seed)
    alpha, weight = 10.0 ** -(seed % 5), problem.weight
    strength = alpha * (len(problem.y) if weight is None else weight.sum())
    res = dlogreg.fit(problem.X, problem.y, sample_weight=weight, alpha=alpha)
    params, covariance, _ = exact_softmax(problem.X, problem.y, weight, strength)
    E, m = params.shape
    to_symmetric = np.vstack([np.zeros(E), np.eye(E)]) - 1 / (E + 1)
    to_symmetric = np.kron(to_symmetric, np.eye(m))
    bse = np.sqrt(np.diag(to_symmetric @ covariance @ to_symmetric.T))
    away = (np.asarray(res.params).T - symmetric(params)).ravel()
    assert np.abs(away / bse).max() <= res.error_bound <= 1e-4


@pytest.mark.parametrize("limit", [1, 2, 3])
def test_a_fit_cut_short_says_how_far_it_may_be(limit):
    problem = softmax_problem(7, n_rows=3000, n_features=3, n_classes=4)
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
    assert true_errors(res, problem)[1] <= res.error_bound


def test_the_error_of_standard_errors_is_within_its_bound():
    problem = softmax_problem(8, n_rows=4000, n_features=3, n_classes=3)
    res = dlogreg.fit(problem.X, problem.y, sample_weight=problem.weight, tol=0.1)
    _, covariance, _ = exact_softmax(problem.X, problem.y, problem.weight)
    bse = np.sqrt(np.diag(covariance)).reshape(2, -1).T
    relative = np.abs(np.asarray(res.bse) / bse - 1).max()
    assert relative <= res.bse_error_bound + 1e-12
    assert res.bse_error_bound < 1e-2


@given(
    arrays(float, 4, elements=st.floats(-5, 5)),
    arrays(float, 4, elements=st.floats(-3, 3)),
    arrays(float, 4, elements=st.floats(-3, 3)),
)
def test_the_second_derivative_changes_by_at_most_the_range(eta, u, h):
    """The inequality on which the certificate rests, at a finite distance."""

    def variance(at):
        p = np.exp(at - at.max())
        p /= p.sum()
        return p @ (u - p @ u) ** 2

    ratio_bound = np.exp(np.ptp(h))
    here, there = variance(eta), variance(eta + h)
    assert there <= ratio_bound * here * (1 + 1e-9) + 1e-12
    assert here <= ratio_bound * there * (1 + 1e-9) + 1e-12


def test_reach_and_kappa_bound_the_range_over_all_rows():
    rng = np.random.default_rng(5)
    Z = np.column_stack([np.ones(300), rng.normal(size=(300, 3))])
    norms = np.linalg.norm(Z, axis=1)
    single = Geometry(np.abs(Z).max(axis=0), norms.max(), (Z**2).sum(axis=0))
    geometry = SoftmaxGeometry(single, 3)
    root = rng.normal(size=(12, 12))
    inverse = root @ root.T / 50
    kappa = geometry.kappa(inverse, np.arange(12))
    for _ in range(200):
        step = np.linalg.cholesky(inverse) @ rng.normal(size=12)
        eta = np.column_stack([np.zeros(300), Z @ step.reshape(3, 4).T])
        length = np.sqrt(step @ np.linalg.solve(inverse, step))
        assert np.ptp(eta, axis=1).max() <= geometry.moved(step) * (1 + 1e-12)
        assert np.ptp(eta, axis=1).max() <= kappa * length * (1 + 1e-9)
        assert np.abs(eta).max() <= geometry.largest_predictor(step)


def test_one_equation_has_the_binary_certificate():
    rng = np.random.default_rng(6)
    Z = np.column_stack([np.ones(200), rng.normal(size=(200, 2))])
    p = rng.random(200)
    hessian = Z.T @ ((p * (1 - p))[:, None] * Z)
    evaluation = Evaluation(100.0, 0.1 * rng.normal(size=3), hessian)
    norms = np.linalg.norm(Z, axis=1)
    single = Geometry(np.abs(Z).max(axis=0), norms.max(), (Z**2).sum(axis=0))
    system, theta = NewtonSystem.of(hessian, np.arange(3)), np.ones(3)
    binary = certify(evaluation, system, theta, single)
    found = certify_softmax(evaluation, system, theta, SoftmaxGeometry(single, 1))
    for name in ("decrement", "step_reach", "kappa", "here", "after", "rounding"):
        assert getattr(found, name) == pytest.approx(getattr(binary, name), rel=1e-12)


def test_a_wide_equation_uses_row_sums_instead_of_eigenvalues(monkeypatch):
    rng = np.random.default_rng(7)
    root = rng.normal(size=(8, 8))
    geometry = SoftmaxGeometry(Geometry(np.ones(4), 0.1, np.ones(4)), 2)
    exact = geometry.kappa(root @ root.T, np.arange(8))
    module = "dlogreg.solvers.softmax_certificate.EXACT_EIGENVALUE_SIZE"
    monkeypatch.setattr(module, 3)
    assert exact <= geometry.kappa(root @ root.T, np.arange(8)) <= 2 * exact
