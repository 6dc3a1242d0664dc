"""Quadratic functions plus lasso, ridge and bounds, against other ways to solve."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize
from sklearn.linear_model import ElasticNet

from dlogreg.solvers.penalized_quadratic import minimize_quadratic
from dlogreg.solvers.separable import Separable

INF = np.inf


def value(hessian, gradient, centre, penalty, theta):
    step = theta - centre
    return gradient @ step + step @ hessian @ step / 2 + penalty.value(theta)


def drawn(seed, k, n, common=0.0, spread=0.0):
    """Least squares of n rows and k columns: H, g, centre, and the columns' units."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, k)) + common * rng.normal(size=(n, 1))
    X *= 10 ** rng.uniform(-spread, spread, size=k)
    H = X.T @ X
    unit = 1 / np.sqrt(np.diagonal(H))
    centre = rng.normal(size=k) * unit
    y = X @ (rng.normal(size=k) * (rng.random(k) < 0.5) * unit) + 0.3 * rng.normal(
        size=n
    )
    return H, X.T @ (X @ centre - y), centre, unit, rng


def drawn_penalty(rng, k, H, g, centre, unit, *, bounded):
    """Some coefficients without lasso, some within bounds, some of them fixed."""
    slope = np.abs(g - H @ centre)
    l1 = slope * rng.uniform(0, 1.2, size=k) * (rng.random(k) < 0.8)
    l2 = rng.choice([0.0, 0.0, 0.5], size=k) / unit**2
    low, high = np.full(k, -INF), np.full(k, INF)
    if bounded:
        ends = np.sort(rng.choice([-0.5, 0.0, 0.2, 0.5], size=(k, 2)), axis=1)
        low = np.where(rng.random(k) < 0.5, ends[:, 0] * unit, -INF)
        high = np.where(rng.random(k) < 0.5, ends[:, 1] * unit, INF)
    return Separable(l1, l2, low, high)


def check_optimal(found, H, g, centre, penalty, share=1e-12):
    """Recompute the conditions of an optimum, relative to the terms of each slope."""
    theta, step = found.theta, found.theta - centre
    assert (theta >= penalty.low).all()
    assert (theta <= penalty.high).all()
    smooth = g + H @ step + penalty.l2 * theta
    size = np.abs(g) + np.abs(H) @ np.abs(step) + penalty.l1
    size += penalty.l2 * (np.abs(theta) + np.abs(centre))
    missing = []
    for j, (at, slope, l1) in enumerate(zip(theta, smooth, penalty.l1, strict=True)):
        signs = [np.sign(at)] if at else [-1.0, 1.0]
        ends = [slope + l1 * sign for sign in signs]
        rightward = max(ends) if at < penalty.high[j] else INF
        leftward = min(ends) if at > penalty.low[j] else -INF
        missing.append(max(0.0, -rightward, leftward))
    assert (np.array(missing) <= share * size).all()


@given(
    seed=st.integers(0, 10**6),
    k=st.integers(1, 30),
    n=st.integers(1, 60),
    common=st.sampled_from([0.0, 1.0, 30.0]),
    spread=st.sampled_from([0.0, 4.0]),
    bounded=st.booleans(),
)
def test_no_slope_is_left_at_the_minimum(seed, k, n, common, spread, bounded):
    H, g, centre, unit, rng = drawn(seed, k, n, common, spread)
    penalty = drawn_penalty(rng, k, H, g, centre, unit, bounded=bounded)
    found = minimize_quadratic(H, g, centre, penalty)
    assert found.solved
    check_optimal(found, H, g, centre, penalty)
    missing = penalty.subgradient(found.theta, found.smooth)
    np.testing.assert_array_equal(found.residual, missing)


@given(seed=st.integers(0, 10**6), k=st.integers(1, 4), bounded=st.booleans())
def test_it_is_the_least_over_all_signs_and_bounds(seed, k, bounded):
    H, g, centre, unit, rng = drawn(seed, k, 8)
    penalty = drawn_penalty(rng, k, H, g, centre, unit, bounded=bounded)
    found = minimize_quadratic(H, g, centre, penalty)
    least = INF
    for places in product(("low", "high", "zero", "minus", "plus"), repeat=k):
        held = {"low": penalty.low, "high": penalty.high, "zero": np.zeros(k)}
        theta = np.array([held.get(p, centre)[j] for j, p in enumerate(places)])
        if not np.isfinite(theta).all():
            continue
        free = np.array([p in ("minus", "plus") for p in places])
        sign = np.array([{"minus": -1.0, "plus": 1.0}.get(p, 0.0) for p in places])
        at = H + np.diag(penalty.l2)
        right = g - H @ centre + penalty.l1 * sign + at @ np.where(free, 0.0, theta)
        if free.any():
            theta[free] = -np.linalg.solve(at[np.ix_(free, free)], right[free])
        inside = (theta >= penalty.low).all() and (theta <= penalty.high).all()
        if inside:
            least = min(least, value(H, g, centre, penalty, theta))
    reached = value(H, g, centre, penalty, found.theta)
    assert reached == pytest.approx(least, rel=1e-9, abs=1e-9)


@pytest.mark.parametrize("l1_ratio", [1.0, 0.3])
def test_elastic_net_is_that_of_scikit_learn(l1_ratio):
    rng = np.random.default_rng(3)
    X = rng.normal(size=(200, 40)) + rng.normal(size=(200, 1))
    y = X[:, :5] @ np.array([1.0, -1, 2, 0.5, 0]) + rng.normal(size=200)
    alpha, n = 0.2, len(y)
    peer = ElasticNet(alpha=alpha, l1_ratio=l1_ratio, fit_intercept=False)
    peer.set_params(tol=1e-14, max_iter=10**6).fit(X, y)
    penalty = Separable.of(40, n * alpha * l1_ratio, n * alpha * (1 - l1_ratio))
    found = minimize_quadratic(X.T @ X, -X.T @ y, np.zeros(40), penalty)
    assert found.solved
    np.testing.assert_allclose(found.theta, peer.coef_, rtol=1e-9, atol=1e-11)
    assert (found.theta == 0).sum() == (peer.coef_ == 0).sum() > 10


def test_boxes_are_those_of_scipy():
    H, g, centre, unit, rng = drawn(5, 12, 40, common=1.0)
    low, high = -0.3 * unit, 0.2 * unit * rng.random(12)
    penalty = Separable.of(12, 0.0, 0.0, low, high)

    def smooth(theta):
        step = theta - centre
        return g @ step + step @ H @ step / 2, g + H @ step

    options = {"maxiter": 10**4, "ftol": 0, "gtol": 1e-10}
    peer = minimize(
        smooth,
        np.zeros(12),
        jac=True,
        bounds=list(zip(low, high, strict=True)),
        options=options,
    )
    found = minimize_quadratic(H, g, centre, penalty)
    np.testing.assert_allclose(found.theta, peer.x, atol=1e-7)
    assert ((found.theta == low) | (found.theta == high)).sum() > 3


def test_without_any_penalty_it_solves_the_system():
    H, g, centre, _, _ = drawn(8, 10, 50)
    found = minimize_quadratic(H, g, centre, Separable.of(10))
    np.testing.assert_allclose(found.theta - centre, -np.linalg.solve(H, g), rtol=1e-9)
    assert found.free.all()
    assert found.n_systems == 1


@given(seed=st.integers(0, 10**6), power=st.integers(-12, 12))
def test_units_of_the_columns_do_not_matter(seed, power):
    H, g, centre, unit, rng = drawn(seed, 8, 20)
    penalty = drawn_penalty(rng, 8, H, g, centre, unit, bounded=True)
    found = minimize_quadratic(H, g, centre, penalty)
    scale = 2.0 ** (power * rng.integers(-1, 2, size=8))
    other = Separable(
        penalty.l1 / scale,
        penalty.l2 / scale**2,
        penalty.low * scale,
        penalty.high * scale,
    )
    scaled = H / scale / scale[:, None]
    again = minimize_quadratic(scaled, g / scale, centre * scale, other)
    np.testing.assert_allclose(again.theta / scale, found.theta, rtol=1e-9, atol=1e-12)


def test_a_near_start_takes_few_systems():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(500, 50)) + rng.normal(size=(500, 1))
    y = X[:, :10] @ rng.normal(size=10) + rng.normal(size=500)
    H, g, zero = X.T @ X, -X.T @ y, np.zeros(50)
    theta, systems = zero, []
    for strength in np.abs(g).max() * np.geomspace(1, 1e-3, 50):
        found = minimize_quadratic(H, g, zero, Separable.of(50, strength), theta)
        assert found.solved
        theta = found.theta
        systems.append(found.n_systems)
    assert np.mean(systems) <= 4


def test_columns_that_say_nothing_stay_where_the_penalty_has_them():
    H = np.diag([0.0, 2.0, 0.0])
    found = minimize_quadratic(
        H, np.array([0.0, -2.0, 0.0]), np.zeros(3), Separable.of(3, [1.0, 0.5, 0.0])
    )
    assert found.solved
    np.testing.assert_allclose(found.theta, [0.0, 0.75, 0.0])


def test_equal_columns_share_no_more_than_one_of_them_needs():
    x = np.random.default_rng(1).normal(size=(30, 1))
    X, y = np.hstack([x, x, x]), 2 * x[:, 0]
    H, g, penalty = X.T @ X, -X.T @ y, Separable.of(3, 1.0)
    found = minimize_quadratic(H, g, np.zeros(3), penalty)
    one = minimize_quadratic(H[:1, :1], g[:1], np.zeros(1), penalty.at(np.array([0])))
    assert found.solved
    assert found.theta.sum() == pytest.approx(one.theta[0], rel=1e-10)
    assert (found.theta >= 0).all()


def test_a_penalty_of_numbers_counts_for_all_coefficients():
    penalty = Separable.of(3, 2.0, 4.0, -1.0, [1.0, 2.0, 3.0])
    assert penalty.value(np.array([1.0, -1.0, 0.0])) == 2 * 2 + 4 / 2 * 2
    shrunk = penalty.proximal(np.array([9.0, 0.5, -0.8]), np.array([4.0, 2.0, 8.0]))
    np.testing.assert_array_equal(shrunk, [1.0, 0.0, -0.55])
