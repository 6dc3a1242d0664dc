"""Profile-likelihood intervals against a root finder over minimizations by scipy."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from scipy.optimize import brentq, minimize
from scipy.special import expit
from scipy.stats import chi2

import dlogreg
from dlogreg.solvers import bracketing, profile
from tests.counting import counted_array, forget, reads
from tests.reference import random_problem
from tests.test_likelihood_ratio import easy
from tests.test_results import fair, spector


def least_loss(Z, y, weight, offset):
    """Return the least loss over the columns of Z by a trust region method."""

    def loss(b):
        return weight @ np.logaddexp(0, -(2 * y - 1) * (offset + Z @ b))

    def gradient(b):
        return Z.T @ (weight * (expit(offset + Z @ b) - y))

    def hessian(b):
        p = expit(offset + Z @ b)
        return (Z * (weight * p * (1 - p))[:, None]).T @ Z

    start = np.zeros(Z.shape[1])
    options = {"gtol": 1e-9}
    found = minimize(
        loss, start, jac=gradient, hess=hessian, method="trust-exact", options=options
    )
    last = np.linalg.lstsq(hessian(found.x), gradient(found.x))[0]
    return min(found.fun, loss(found.x - last))


def by_root_finding(X, y, j, alpha=0.05, weight=None, near=None, intercept=True):
    """Return both ends for column j of the slopes, from around a Wald interval."""
    weight = np.ones(len(y)) if weight is None else weight
    center, unit = (X.mean(axis=0) if intercept else 0), X.std(axis=0)
    Z = (X - center) / unit
    Z = np.column_stack([np.ones(len(X)), Z]) if intercept else Z
    first = int(intercept)
    level = least_loss(Z, y, weight, 0.0) + chi2.ppf(1 - alpha, 1) / 2
    rest, own = np.delete(Z, j + first, axis=1), Z[:, j + first]
    middle, half = near
    ends = []
    for sign in (-1, 1):

        def excess(v):
            return least_loss(rest, y, weight, own * v * unit[j]) - level

        far = middle + sign * half
        while excess(far) < 0:
            far += sign * half
        ends.append(brentq(excess, middle, far, xtol=1e-12 * half, rtol=1e-14))
    return np.array(ends)


def wald(res, j):
    return res.params[j + 1], 2.5 * res.bse[j + 1]


@pytest.fixture(scope="module", params=[spector, fair], ids=["spector", "fair"])
def data(request):
    X, y = request.param()
    return X.to_numpy(float), y.to_numpy(float)


@pytest.mark.parametrize("alpha", [0.05, 0.3])
def test_intervals_are_those_of_a_root_finder(data, alpha):
    X, y = data
    res = dlogreg.fit(X, y, tol=1e-8, progress=False)
    found = res.conf_int(alpha, method="profile")
    assert found.shape == (X.shape[1] + 1, 2)
    for j in range(X.shape[1])[::3]:
        expected = by_root_finding(X, y, j, alpha, near=wald(res, j))
        np.testing.assert_allclose(found[j + 1], expected, rtol=1e-6)


def test_the_default_tolerance_is_kept(data):
    X, y = data
    exact = dlogreg.fit(X, y, tol=1e-9, progress=False).conf_int(method="profile")
    res = dlogreg.fit(X, y, progress=False)
    error = np.abs(res.conf_int(method="profile") - exact) / res.bse[:, None]
    assert (error < 1e-4).all()


def test_the_interval_of_the_intercept(data):
    X, y = data
    res = dlogreg.fit(X, y, tol=1e-9, progress=False)
    # the intercept is the coefficient of a column of ones in a model without one
    Z = np.column_stack([np.ones(len(X)), X])
    plain = dlogreg.fit(Z, y, fit_intercept=False, tol=1e-9, progress=False)
    ours = res.conf_int(method="profile", names=["const"])
    theirs = plain.conf_int(method="profile", names=["x1"])
    np.testing.assert_allclose(ours, theirs, rtol=1e-6)


def test_intervals_lean_as_profiles_do():
    X, y = spector()
    res = dlogreg.fit(X, y, tol=1e-8, progress=False)
    low, high = res.conf_int(method="profile", names=["GPA"])[0]
    assert high - res.params["GPA"] > res.params["GPA"] - low > 0


def test_named_coefficients_and_weights(binary_data):
    X, y, weight = (values[:1200] for values in binary_data)
    res = dlogreg.fit(X, y, sample_weight=weight, tol=1e-8, progress=False)
    everything = res.conf_int(method="profile")
    some = res.conf_int(method="profile", names=["x4", "const", "x2"])
    np.testing.assert_allclose(some, everything[[4, 0, 2]], rtol=1e-7)
    np.testing.assert_array_equal(
        res.conf_int(names=["x4", "const"]), res.conf_int()[[4, 0]]
    )
    expected = by_root_finding(X, y, 1, weight=weight, near=wald(res, 1))
    np.testing.assert_allclose(some[2], expected, rtol=1e-6)


def test_many_rows_take_two_or_three_passes():
    X, y = easy(n=8000, d=8)
    blocks = counted_array("profiled", X, 500)
    res = dlogreg.fit(blocks, y)
    forget("profiled")
    res.conf_int(method="profile")
    counts = reads("profiled")
    assert len(set(counts)) == 1
    assert counts[0] <= 3
    forget("profiled")
    res.conf_int(method="profile", names=["x1"])
    assert set(reads("profiled")) <= {2, 3}


def test_few_rows_take_about_five_passes():
    X, y = spector()
    blocks = counted_array("few", X.to_numpy(float), 16)
    res = dlogreg.fit(blocks, y.to_numpy())
    forget("few")
    res.conf_int(method="profile")
    assert set(reads("few")) <= {4, 5, 6}


@settings(max_examples=15)
@example(seed=3545)  # trial points so far out that no curvature is left
@given(seed=st.integers(0, 10_000))
def test_small_and_skew_data(seed):
    rng = np.random.default_rng(seed)
    problem = random_problem(seed, int(rng.integers(30, 90)), int(rng.integers(1, 5)))
    X, y = problem.X, problem.y
    assume(0 < y.mean() < 1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", dlogreg.SeparationWarning)
        res = dlogreg.fit(X, y, tol=1e-9, progress=False)
    assume(res.status is dlogreg.Status.CONVERGED)
    found = res.conf_int(method="profile")
    j = int(rng.integers(X.shape[1]))
    expected = by_root_finding(X, y, j, near=wald(res, j))
    np.testing.assert_allclose(found[j + 1], expected, atol=1e-6 * res.bse[j + 1])


def test_the_bracket_alone_finds_the_same(data, monkeypatch):
    X, y = data
    res = dlogreg.fit(X, y, tol=1e-8, progress=False)
    expected = res.conf_int(method="profile")
    monkeypatch.setattr(profile, "FAILURES", 0)
    found = res.conf_int(method="profile")
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_an_end_that_is_not_found_is_nan_and_said(monkeypatch):
    X, y = spector()
    res = dlogreg.fit(X, y, progress=False)
    monkeypatch.setattr(profile, "FAILURES", 0)
    monkeypatch.setattr(bracketing, "MOST_VALUES", 1)
    with pytest.warns(dlogreg.ConvergenceWarning, match="lower end of 'GPA'"):
        found = res.conf_int(method="profile", names=["GPA"])
    assert np.isnan(found).all()


def test_aliased_columns_have_no_interval():
    X, y = easy(n=500, d=3)
    X = np.column_stack([X, X[:, 0] - X[:, 1]])
    with pytest.warns(dlogreg.CollinearityWarning):
        res = dlogreg.fit(X, y, tol=1e-8)
    found = res.conf_int(method="profile")
    assert np.isnan(found[4]).all()
    clean = dlogreg.fit(X[:, :3], y, tol=1e-8).conf_int(method="profile")
    np.testing.assert_allclose(found[:4], clean, rtol=1e-7)
    assert np.isnan(res.conf_int(method="profile", names=["x4"])).all()


def test_bad_methods_and_names():
    X, y = easy(n=500, d=2)
    res = dlogreg.fit(X, y)
    with pytest.raises(ValueError, match="'wald' or 'profile', not 'exact'"):
        res.conf_int(method="exact")
    with pytest.raises(ValueError, match="no coefficient is named 'x7'"):
        res.conf_int(method="profile", names=["x7"])
    with pytest.raises(ValueError, match="alpha must lie between"):
        res.conf_int(1.5, method="profile")


def quasi_separated(n=600):
    """Return data in which every row of one 0/1 column has the event."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n, 3))
    X[:, 2] = rng.random(n) < 0.1
    y = (rng.random(n) < expit(X @ [1.0, 0.5, 0.0])).astype(float)
    y[X[:, 2] == 1] = 1
    return X, y


def limit_ends(X, y, inside, columns, j, near):
    """Return ends of a coefficient that stays finite: in the rows that are left."""
    return by_root_finding(X[inside][:, columns], y[inside], j, near=near)


def test_a_level_with_one_outcome_has_an_infinite_end():
    X, y = quasi_separated()
    blocks = counted_array("quasi", X, 100)
    with pytest.warns(dlogreg.SeparationWarning):
        res = dlogreg.fit(blocks, y)
    forget("quasi")
    found = res.conf_int(method="profile")
    assert max(reads("quasi")) <= 28
    left = X[:, 2] == 0
    for j in (0, 1):
        expected = limit_ends(X, y, left, [0, 1], j, wald(res, j))
        np.testing.assert_allclose(found[j + 1], expected, rtol=1e-5)
    Z = (X - X.mean(axis=0)) / X.std(axis=0)
    Z = np.column_stack([np.ones(len(X)), Z])
    limit = least_loss(Z[left][:, :3], y[left], np.ones(left.sum()), 0.0)
    level = limit + chi2.ppf(0.95, 1) / 2

    def excess(v):
        return least_loss(Z[:, :3], y, np.ones(len(y)), X[:, 2] * v) - level

    assert found[3, 0] == pytest.approx(brentq(excess, -2, 20, xtol=1e-12), rel=1e-5)
    assert found[3, 1] == np.inf
    flipped = X * [1, 1, -1]
    with pytest.warns(dlogreg.SeparationWarning):
        res = dlogreg.fit(flipped, y)
    mirrored = res.conf_int(method="profile", names=["x3"])[0]
    np.testing.assert_allclose(mirrored, -found[3, ::-1], rtol=1e-5)


def test_two_columns_that_separate_together():
    rng = np.random.default_rng(0)
    X = rng.integers(0, 2, size=(400, 3)).astype(float)
    y = (rng.random(400) < 0.5).astype(float)
    y[(X[:, 0] == 1) & (X[:, 1] == 0)] = 1
    X = np.column_stack([X, X[:, 0] * X[:, 1]])
    with pytest.warns(dlogreg.SeparationWarning):
        res = dlogreg.fit(X, y)
    found = res.conf_int(method="profile")
    left = ~((X[:, 0] == 1) & (X[:, 1] == 0))
    Z, ones = np.column_stack([np.ones(400), X]), np.ones(400)
    limit = least_loss(Z[left][:, :4], y[left], ones[left], 0.0)
    level = limit + chi2.ppf(0.95, 1) / 2

    def end(j, low, high):
        rest = np.delete(Z, j, axis=1)
        return brentq(
            lambda v: least_loss(rest, y, ones, Z[:, j] * v) - level, low, high
        )

    assert found[1, 1] == np.inf
    assert found[4, 0] == -np.inf
    assert found[1, 0] == pytest.approx(end(1, 0.0, 9.0), rel=1e-5)
    assert found[4, 1] == pytest.approx(end(4, -9.0, 1.0), rel=1e-5)
    expected = limit_ends(X, y, left, [0, 1, 2], 2, wald(res, 2))
    np.testing.assert_allclose(found[3], expected, rtol=1e-5)


def test_complete_separation_is_refused():
    rng = np.random.default_rng(1)
    X = rng.normal(size=(60, 2))
    y = (X @ [1.0, 1.0] > 0).astype(int)
    with pytest.warns(dlogreg.SeparationWarning):
        res = dlogreg.fit(X, y)
    with pytest.raises(dlogreg.InferenceError, match="separated completely"):
        res.conf_int(method="profile")
