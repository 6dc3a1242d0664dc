"""The loss of a row against mpmath, at extremes, and its derivatives."""

import numpy as np
import pytest
from mpmath import mp, mpf

from dlogreg.loss import loss_residual_rows, loss_residual_weight_rows, loss_rows

MARGINS = [0.0, 1e-9, 0.3, 5.0, 36.7, 37.0, 100.0, 232.8, 700.0, 1e3, 1e20]


@pytest.mark.parametrize("sign", [1, -1])
def test_values_agree_with_mpmath(sign):
    mp.dps = 60
    margins = sign * np.array(MARGINS)
    loss, miss, weight = loss_residual_weight_rows(margins.copy())
    for i, margin in enumerate(margins):
        m = mpf(float(margin))
        up = mp.e**m if m < 1e4 else mpf("inf")
        exact_miss = 1 / (1 + up)
        exact = (mp.log1p(mp.e ** (-m)) if m > -1e4 else -m, exact_miss)
        exact_weight = exact_miss * (1 - exact_miss) if m > -1e4 else mpf(0)
        if abs(m) > 50:
            exact_weight = mp.e ** (-abs(m))
        found = (loss[i], miss[i], weight[i])
        for value, truth in zip(found, (*exact, exact_weight), strict=True):
            expected = float(truth)
            assert value == pytest.approx(expected, rel=4e-16, abs=1e-320), margin


def test_loss_rows_agrees_with_the_joint_function():
    margins = np.linspace(-900, 900, 4001)
    loss, _, _ = loss_residual_weight_rows(margins.copy())
    np.testing.assert_array_equal(loss_rows(margins), loss)


@pytest.mark.parametrize("largest", [5.0, 900.0])
def test_what_is_wanted_of_some_lines_is_that_of_all(largest):
    margins = np.linspace(-largest, largest, 600).reshape(4, 150)
    loss, miss, weight = loss_residual_weight_rows(margins.copy())
    found = loss_residual_weight_rows(margins.copy(), (3, 1))
    for value, truth in zip(found, (loss, miss, weight[[3, 1]]), strict=True):
        np.testing.assert_array_equal(value, truth)
    found = loss_residual_rows(margins.copy(), 1)
    for value, truth in zip(found, (loss, miss[1:]), strict=True):
        np.testing.assert_array_equal(value, truth)


def test_derivatives_by_finite_differences():
    margins = np.linspace(-20, 20, 401)
    _, miss, weight = loss_residual_weight_rows(margins.copy())
    h = 1e-5
    slope = (loss_rows(margins + h) - loss_rows(margins - h)) / (2 * h)
    np.testing.assert_allclose(-miss, slope, rtol=1e-7, atol=1e-9)
    _, up, _ = loss_residual_weight_rows(margins + h)
    _, down, _ = loss_residual_weight_rows(margins - h)
    np.testing.assert_allclose(weight, (down - up) / (2 * h), rtol=1e-6, atol=1e-9)


def test_nothing_overflows_or_warns():
    with np.errstate(all="raise", under="ignore"):
        loss, miss, weight = loss_residual_weight_rows(np.array([1e308, -1e308]))
    assert loss.tolist() == [0.0, 1e308]
    assert miss.tolist() == [0.0, 1.0]
    assert weight.tolist() == [0.0, 0.0]
