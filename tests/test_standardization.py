"""Coordinates: eta is the same in both, and so are gradients and covariances."""

import numpy as np
import pytest

from dlogreg.evaluation import Evaluation
from dlogreg.standardization import Standardization


@pytest.fixture
def std():
    rng = np.random.default_rng(0)
    return Standardization(rng.normal(size=4) * 5, rng.uniform(0.1, 9, 4), True)


def test_eta_is_the_same_in_both_coordinates(std):
    rng = np.random.default_rng(1)
    x, theta = rng.normal(size=4), rng.normal(size=5)
    params = std.to_params(theta)
    eta = theta[0] + theta[1:] @ ((x - std.mean) / std.scale)
    assert params[0] + params[1:] @ x == pytest.approx(eta, rel=1e-13)
    np.testing.assert_allclose(std.to_theta(params), theta, rtol=1e-12)


def test_covariance_is_a_c_a_transposed(std):
    rng = np.random.default_rng(2)
    root = rng.normal(size=(5, 5))
    covariance = root @ root.T
    to_params = np.column_stack([std.to_params(column) for column in np.eye(5)])
    expected = to_params @ covariance @ to_params.T
    np.testing.assert_allclose(std.covariance(covariance), expected, rtol=1e-12)


def test_scaling_the_sums_is_the_chain_rule(std):
    rng = np.random.default_rng(3)
    z = rng.normal(size=(7, 4))
    raw = np.column_stack([np.ones(7), z])
    scaled = raw * std.units
    sums = Evaluation(1.0, raw.sum(axis=0), raw.T @ raw)
    found = std.scaled(sums)
    np.testing.assert_allclose(found.gradient, scaled.sum(axis=0), rtol=1e-13)
    np.testing.assert_allclose(found.hessian, scaled.T @ scaled, rtol=1e-13)


def test_without_intercept_nothing_is_centred():
    std = Standardization.from_moments(
        np.array([3.0, 0.0]), np.array([16.0, 4.0]), fit_intercept=False
    )
    assert std.mean.tolist() == [0.0, 0.0]
    assert std.scale.tolist() == [5.0, 2.0]
    assert std.n_params == 2


@pytest.mark.parametrize("bad", [0.0, np.nan, np.inf, 1e-320])
def test_unfit_moments_are_mended(bad):
    std = Standardization.from_moments(
        np.array([np.nan, 1.0]), np.array([1.0, bad]), fit_intercept=True
    )
    assert std.mean[0] == 0.0
    assert std.scale[1] == 1.0
