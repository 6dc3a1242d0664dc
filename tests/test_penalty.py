"""Ridge: value, gradient and curvature, in the coordinates of the solver."""

import numpy as np
import pytest

from dlogreg.evaluation import Evaluation
from dlogreg.penalty import PenaltyRule, Ridge
from dlogreg.standardization import Standardization

STD = Standardization(np.array([1.0, -2.0]), np.array([0.5, 4.0]), True)


def test_strength_per_mean_and_per_sum():
    assert PenaltyRule(0.25).strength(8.0) == 2.0
    assert PenaltyRule(0.25, per="sum").strength(8.0) == 0.25
    assert not PenaltyRule(0.0)
    assert PenaltyRule(1e-9)


def test_value_is_that_of_the_params_and_leaves_the_intercept_free():
    ridge = Ridge.of(PenaltyRule(0.3), 10.0, STD)
    theta = np.array([5.0, 1.0, -2.0])
    params = STD.to_params(theta)
    assert ridge.value(theta) == pytest.approx(0.5 * 3.0 * (params[1:] ** 2).sum())
    assert ridge.curvature[0] == 0.0


def test_derivatives_are_those_of_the_value():
    ridge = Ridge.of(PenaltyRule(0.3), 10.0, STD)
    theta = np.array([5.0, 1.0, -2.0])
    zero = Evaluation(0.0, np.zeros(3), np.zeros((3, 3)), np.zeros(1))
    found = ridge.added(zero, theta, [theta + 1])
    h = 1e-6
    for j in range(3):
        shift = h * np.eye(3)[j]
        slope = (ridge.value(theta + shift) - ridge.value(theta - shift)) / (2 * h)
        assert found.gradient[j] == pytest.approx(slope, abs=1e-6)
    np.testing.assert_array_equal(found.hessian, np.diag(ridge.curvature))
    assert found.trial_losses[0] == ridge.value(theta + 1)
