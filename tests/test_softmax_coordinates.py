"""Coordinates, penalty and column splits of three and more classes."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import linprog

import dlogreg
from dlogreg import Status
from dlogreg.evaluation import Evaluation, TrialPoints
from dlogreg.penalty import PenaltyRule, SymmetricRidge
from dlogreg.separation.class_ranges import _splits
from dlogreg.solvers import Geometry, SoftmaxGeometry
from dlogreg.standardization import StackedStandardization, Standardization
from tests.softmax_reference import exact_softmax, softmax_problem, symmetric
from tests.test_softmax_certificate import true_errors


@pytest.fixture(params=[True, False], ids=["mixed", "plain"])
def stacked(request):
    rng = np.random.default_rng(1)
    single = Standardization(rng.normal(size=2), rng.random(2) + 0.5, True)
    mixing = rng.normal(size=(3, 3)) + 2 * np.eye(3) if request.param else None
    return StackedStandardization(single, 3, mixing)


def test_params_and_theta_give_the_same_predictors(stacked):
    rng = np.random.default_rng(2)
    theta, X = rng.normal(size=9), rng.normal(size=(5, 2))
    std = stacked.single
    Z = np.column_stack([np.ones(5), (X - std.mean) / std.scale])
    params = stacked.to_params(theta).reshape(3, 3)
    eta = params[:, :1] + params[:, 1:] @ X.T
    np.testing.assert_allclose(eta, stacked.equations(theta) @ Z.T, rtol=1e-12)
    np.testing.assert_allclose(stacked.to_theta(params.ravel()), theta, rtol=1e-10)
    np.testing.assert_allclose(stacked.mixed(stacked.equations(theta)), theta)
    centred = stacked.centred(theta).reshape(3, 3)
    np.testing.assert_allclose(
        eta, centred[:, :1] + centred[:, 1:] @ (X - std.mean).T, rtol=1e-12
    )


def test_sums_and_covariances_change_with_the_coordinates(stacked):
    rng = np.random.default_rng(3)
    root = rng.normal(size=(9, 9))
    jacobian = np.column_stack([stacked.centred(unit) for unit in np.eye(9)])
    sums = Evaluation(1.0, rng.normal(size=9), root @ root.T)
    found = stacked.scaled(sums)
    np.testing.assert_allclose(found.gradient, jacobian.T @ sums.gradient)
    np.testing.assert_allclose(found.hessian, jacobian.T @ sums.hessian @ jacobian)
    assert stacked.scaled(Evaluation(1.0, sums.gradient)).hessian is None
    to_params = np.column_stack([stacked.to_params(unit) for unit in np.eye(9)])
    np.testing.assert_allclose(
        stacked.covariance(root @ root.T), to_params @ root @ root.T @ to_params.T
    )


def test_several_points_change_like_single_ones(stacked):
    rng = np.random.default_rng(5)
    thetas, losses, gradients = (
        rng.normal(size=(9, 4)),
        np.arange(4.0),
        np.eye(9)[:, :4],
    )
    penalty = SymmetricRidge.of(PenaltyRule(0.3), 10.0, stacked)
    centred = stacked.centred_points(thetas)
    scaled = stacked.scaled_points(TrialPoints(losses, gradients))
    found = penalty.added_to_points(scaled, thetas.T)
    for i, theta in enumerate(thetas.T):
        np.testing.assert_array_equal(centred[:, i], stacked.centred(theta))
        sums = stacked.scaled(Evaluation(losses[i], gradients[:, i]))
        expected = penalty.added(sums, theta, [])
        assert found.losses[i] == pytest.approx(expected.loss, rel=1e-14)
        np.testing.assert_allclose(found.gradients[:, i], expected.gradient, rtol=1e-13)


def test_the_penalty_is_that_of_the_symmetric_coefficients(stacked):
    penalty = SymmetricRidge.of(PenaltyRule(0.3), 10.0, stacked)
    rng = np.random.default_rng(4)
    theta = rng.normal(size=9)

    def value(at):
        params = stacked.to_params(at).reshape(3, 3)
        return 3.0 * (symmetric(params)[:, 1:] ** 2).sum() / 2

    assert penalty.value(theta) == pytest.approx(value(theta), rel=1e-12)
    slopes = [(value(theta + h) - value(theta - h)) / 2e-4 for h in 1e-4 * np.eye(9)]
    np.testing.assert_allclose(penalty.gradient(theta), slopes, rtol=1e-7, atol=1e-9)
    np.testing.assert_allclose(penalty.hessian() @ theta, penalty.gradient(theta))
    np.testing.assert_allclose(np.diag(penalty.hessian()), penalty.curvature)
    trial = theta + 1
    found = penalty.added(
        Evaluation(1.0, np.zeros(9), np.zeros((9, 9)), np.zeros(1)), theta, [trial]
    )
    assert found.loss == 1 + penalty.value(theta)
    assert found.trial_losses.tolist() == [penalty.value(trial)]
    sums = Evaluation(1.0, np.ones(9))
    assert SymmetricRidge.of(PenaltyRule(), 1.0, stacked).added(sums, theta, []) is sums


def test_the_geometry_does_not_depend_on_the_coordinates():
    rng = np.random.default_rng(5)
    single = Geometry(rng.random(3), 1.2, rng.random(3))
    mixing, root = rng.normal(size=(2, 2)), rng.normal(size=(6, 6))
    plain, mixed = SoftmaxGeometry(single, 2), SoftmaxGeometry(single, 2, mixing)
    wide = np.kron(mixing, np.eye(3))
    step, inverse, kept = rng.normal(size=6), root @ root.T, np.arange(6)
    assert mixed.moved(step) == pytest.approx(plain.moved(wide @ step))
    back = wide @ inverse @ wide.T
    assert mixed.kappa(inverse, kept) == pytest.approx(plain.kappa(back, kept))
    assert mixed.largest_predictor(step) == pytest.approx(
        plain.largest_predictor(wide @ step)
    )


@pytest.mark.parametrize("seed", range(5))
def test_the_closing_pass_after_lbfgs_proves_its_bound(seed):
    problem = softmax_problem(4000 + seed)
    res = dlogreg.fit(
        problem.X, problem.y, sample_weight=problem.weight, solver="lbfgs", tol=1e-3
    )
    assert res.status is Status.CONVERGED
    assert res.error_bound <= 1e-3
    assert true_errors(res, problem)[1] <= res.error_bound + 1e-9
    _, covariance, _ = exact_softmax(problem.X, problem.y, problem.weight)
    np.testing.assert_allclose(
        np.sqrt(np.diag(res.cov_params())), np.sqrt(np.diag(covariance)), rtol=1e-3
    )


def test_a_rare_reference_costs_lbfgs_no_passes():
    rng = np.random.default_rng(6)
    X = rng.normal(size=(8000, 6))
    eta = X @ rng.normal(size=(8, 6)).T / 3
    eta[:, 0] -= 4
    y = (eta + rng.gumbel(size=(8000, 8))).argmax(axis=1)
    rare, common = (
        dlogreg.fit(X, y, classes=classes, solver="lbfgs", inference=False, tol=1e-3)
        for classes in (range(8), [1, 0, *range(2, 8)])
    )
    assert max(rare.n_passes, common.n_passes) <= 40
    np.testing.assert_allclose(
        rare.predict(X)[:, 0], common.predict(X)[:, 1], rtol=1e-3
    )


@given(st.data(), st.booleans())
def test_splits_are_all_separations_by_one_column(data, intercept):
    """Against linear programming: is there a direction that no row objects to?"""
    n_classes = data.draw(st.integers(2, 4))
    more = data.draw(st.lists(st.integers(0, n_classes - 1), max_size=5))
    y = np.array([*range(n_classes), *more])
    values = st.integers(-1, data.draw(st.integers(0, 3)))
    x = np.array(data.draw(st.lists(values, min_size=len(y), max_size=len(y))), float)
    if x.min() == x.max():
        return  # then the column is aliased, and not looked at
    low, high = (
        np.array([[side(x[y == k])] for k in range(n_classes)]) for side in (min, max)
    )
    rows = np.column_stack([np.ones(len(x)), x]) if intercept else x[:, None]
    gains = []
    for row, own in zip(rows, y.tolist(), strict=True):
        for other in set(range(n_classes)) - {own}:
            gain = np.zeros((n_classes, rows.shape[1]))
            gain[own], gain[other] = row, -row
            gains.append(gain[1:].ravel())
    gains = np.array(gains)
    most = linprog(
        -gains.sum(axis=0),
        A_ub=-gains,
        b_ub=np.zeros(len(gains)),
        bounds=[(-1, 1)] * gains.shape[1],
    )
    assert bool(_splits(low, high, intercept=intercept)) == (-most.fun > 1e-7)
