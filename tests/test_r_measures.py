"""Measures of fit agree with pROC and with their definitions, computed in R."""

from __future__ import annotations

import numpy as np
import pytest

import dlogreg
from tests.r_cases import ALL, assert_covariance, close, fitted, load


def assert_measures(found, expected, *, balanced=True):
    assert found.exact
    for measure in ("brier", "log_loss", "tjur", "auc", "auc_bse"):
        assert getattr(found, measure) == close(expected[measure]), measure
    assert found.n_events == expected["events"]
    assert found.expected_events == close(expected["expected_events"])
    if balanced:
        assert found.expected_events == close(found.n_events, 1e-9)
    line = found.calibration_line
    assert line.slope == close(expected["calibration_slope"])
    # 0 without an offset
    assert line.intercept == pytest.approx(expected["calibration_intercept"], abs=1e-7)
    assert_groups(found.hosmer_lemeshow(), expected["hosmer_lemeshow"])


def assert_groups(test, expected):
    np.testing.assert_allclose(test.table.events, expected["observed"])
    np.testing.assert_allclose(test.table.expected, expected["expected"], rtol=1e-7)
    np.testing.assert_allclose(test.table.weight, expected["n"])
    assert test.statistic == close(expected["statistic"])
    assert test.df == expected["df"]
    assert test.pvalue == close(expected["pvalue"], 1e-6)


@pytest.mark.parametrize("name", ALL)
class TestMeasuresOfFit:
    def test_of_rows_given(self, name):
        case = load(name)
        found = dlogreg.evaluate(
            fitted(name),
            case.X,
            case.y,
            **case.options,
            in_sample=True,
            progress=False,
        )
        assert_measures(found, case.values["goodness"])

    def test_of_the_closing_pass(self, name):
        res, expected = fitted(name), load(name).values["goodness"]
        assert_measures(res.goodness_of_fit(), expected)
        assert_groups(res.hosmer_lemeshow(), expected["hosmer_lemeshow"])


def test_rows_that_the_fit_has_not_seen():
    case = load("pima")
    expected, rows = case.values["of_training"], case.data["training"]
    X, y = np.array(rows["X"], dtype=float).T, np.array(rows["y"])
    res = dlogreg.fit(X, y, tol=1e-9, progress=False)
    np.testing.assert_allclose(res.params, expected["params"], rtol=1e-7)
    np.testing.assert_allclose(res.predict(case.X), expected["predicted"], rtol=1e-7)
    found = dlogreg.evaluate(res, case.X, case.y, progress=False)
    assert_measures(found, expected["goodness"], balanced=False)


@pytest.mark.parametrize("at", ["overall", "mean"])
@pytest.mark.parametrize("name", ALL)
class TestMarginalEffects:
    def test_derivatives(self, name, at):
        expected = load(name).values["effects"][at]
        found = fitted(name).marginal_effects(at)
        np.testing.assert_allclose(found.effects, np.ravel(expected["dydx"]), rtol=1e-7)
        np.testing.assert_allclose(found.bse, np.ravel(expected["bse"]), rtol=1e-7)
        assert_covariance(found.covariance, expected["covariance"])

    def test_changes_of_indicators(self, name, at):
        expected = load(name).values["effects"][at].get("discrete")
        if expected is None:
            assert not fitted(name).marginal_effects(at, dummy=True).discrete
            return
        found = fitted(name).marginal_effects(at, dummy=True)
        columns = np.ravel(expected["columns"]).tolist()
        assert list(found.discrete) == columns
        effects = [found.effects[c] for c in columns]
        np.testing.assert_allclose(effects, np.ravel(expected["change"]), rtol=1e-7)
        bse = [found.bse[c] for c in columns]
        np.testing.assert_allclose(bse, np.ravel(expected["bse"]), rtol=1e-7)
