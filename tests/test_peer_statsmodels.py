"""What statsmodels' own tests check, against the values of Stata, SAS and R they hold.

The values are read from the modules that statsmodels installs beside its tests. Taken
from ``discrete/tests/test_discrete.py``, ``genmod/tests/test_glm.py``,
``genmod/tests/test_glm_weights.py`` and ``stats/tests/test_influence.py`` (BSD-3).
"""

from __future__ import annotations

from pathlib import Path

import dask.array as da
import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
import statsmodels.genmod.tests.results as glm_folder
import statsmodels.stats.tests.results as influence_folder
from scipy.stats import chi2
from statsmodels.discrete.tests.results.results_discrete import Anes, Spector
from statsmodels.genmod.tests.results import glmnet_r_results
from statsmodels.genmod.tests.results.results_glm import Lbw, Star98

import dlogreg

FOLDERS = {
    "glm": Path(next(iter(glm_folder.__path__))),
    "influence": Path(next(iter(influence_folder.__path__))),
}


def last(values):
    """Return what belongs to the intercept at the end, as these tests have it."""
    return np.roll(np.asarray(values), -1, axis=0)


@pytest.fixture(scope="module")
def spector():
    data = sm.datasets.spector.load_pandas()
    return dlogreg.fit(data.exog, data.endog, tol=1e-9), data


class TestSpector:
    """Stata's ``logit`` of 32 students; all values to their printed digits."""

    def test_table(self, spector):
        res, stata = spector[0], Spector.logit
        np.testing.assert_allclose(last(res.params), stata.params, atol=1e-5)
        np.testing.assert_allclose(last(res.bse), stata.bse, atol=1e-5)
        np.testing.assert_allclose(last(res.tvalues), stata.z, atol=1e-4)
        np.testing.assert_allclose(last(res.pvalues), stata.pvalues, atol=1e-4)
        np.testing.assert_allclose(last(res.conf_int()), stata.conf_int, rtol=8e-5)
        covariance = np.roll(res.cov_params(), (-1, -1), axis=(0, 1))
        np.testing.assert_allclose(covariance, stata.cov_params, atol=5e-5)

    def test_likelihoods(self, spector):
        res, stata = spector[0], Spector.logit
        for name in ("llf", "llnull", "llr", "llr_pvalue", "aic", "bic"):
            assert getattr(res, name) == pytest.approx(getattr(stata, name), abs=5e-4)
        assert (res.df_model, res.df_resid) == (stata.df_model, stata.df_resid)

    def test_rows(self, spector):
        (res, data), stata = spector, Spector.logit
        np.testing.assert_allclose(res.predict(data.exog), stata.phat, atol=1e-5)
        predictor = res.decision_function(data.exog)
        np.testing.assert_allclose(predictor, stata.yhat, atol=1e-4)
        for kind, name in (
            ("deviance", "resid_dev"),
            ("pearson", "resid_pearson"),
            ("response", "resid_generalized"),
        ):
            found = res.residuals(kind=kind)
            np.testing.assert_allclose(found, getattr(stata, name), atol=5e-5)

    def test_prediction_table(self, spector):
        table = spector[0].goodness_of_fit().classification_table()
        found = [
            [table.true_negatives, table.false_positives],
            [table.false_negatives, table.true_positives],
        ]
        np.testing.assert_array_equal(found, Spector.logit.pred_table)

    @pytest.mark.parametrize(
        ("at", "dummy", "name"),
        [
            ("overall", False, "margeff_nodummy_dydx"),
            ("mean", False, "margeff_nodummy_dydxmean"),
            ("overall", True, "margeff_dummy_dydx"),
            ("mean", True, "margeff_dummy_dydxmean"),
        ],
    )
    def test_marginal_effects(self, spector, at, dummy, name):
        found = spector[0].marginal_effects(at, dummy=dummy)
        stata = Spector.logit
        np.testing.assert_allclose(found.effects, getattr(stata, name), atol=1e-4)
        np.testing.assert_allclose(found.bse, getattr(stata, f"{name}_se"), atol=1e-4)


@pytest.fixture(scope="module")
def births():
    stata = Lbw()
    X = stata.exog.drop(columns="const")
    return dlogreg.fit(X, stata.endog, tol=1e-9), stata, X


class TestBirthWeight:
    """Stata's and R's ``glm`` of 189 births (``stata_lbw_glm.csv``)."""

    def test_estimates_and_deviances(self, births):
        res, stata, _ = births
        np.testing.assert_allclose(last(res.params), stata.params, atol=1e-6)
        np.testing.assert_allclose(last(res.bse), stata.bse, rtol=2e-5)
        assert res.llf == pytest.approx(stata.llf, rel=1e-9)
        assert res.deviance == pytest.approx(stata.deviance, rel=1e-9)
        assert res.null_deviance == pytest.approx(stata.null_deviance, rel=1e-9)
        assert res.aic == pytest.approx(stata.aic_R, rel=1e-9)
        assert res.llr == pytest.approx(stata.null_deviance - stata.deviance, rel=1e-9)
        assert (res.df_model, res.df_resid) == (stata.df_model, stata.df_resid)

    def test_rows(self, births):
        res, stata, X = births
        np.testing.assert_allclose(res.predict(X), stata.fittedvalues, atol=1e-6)
        places = {"pearson": 0, "deviance": 1, "response": 4}
        for kind, place in places.items():
            values = np.asarray(stata.resids)[:, place]
            np.testing.assert_allclose(res.residuals(kind=kind), values, atol=5e-4)
        squares = (res.residuals(kind="pearson") ** 2).sum()
        assert squares == pytest.approx(stata.pearson_chi2, rel=1e-5)

    def test_score_tests_of_r(self, births):
        """Of R's ``statmod::glm.scoretest`` and ``anova(test = "Rao")``."""
        res, stata, X = births
        squares = X[["lwt", "age"]].to_numpy() ** 2
        found = res.score_test(squares)
        expected = [0.2837680293459376, 0.6713492821514992]
        np.testing.assert_allclose(found.statistics, expected, rtol=1e-4)
        without = dlogreg.fit(X.drop(columns="ui"), stata.endog, tol=1e-9)
        found = without.score_test(X[["ui"]])
        np.testing.assert_allclose(found.statistics, [2.7864148487452], rtol=1e-4)
        np.testing.assert_allclose(found.pvalues, [0.0950667], rtol=2e-4)


@pytest.mark.parametrize("chunks", [None, 37])
def test_counts_of_schools(chunks):
    """R's ``glm`` of successes among trials in 303 school districts (star98)."""
    data, exact = sm.datasets.star98.load_pandas(), Star98()
    above, trials = data.endog.iloc[:, 0], data.endog.sum(axis=1)
    X = data.exog.to_numpy()
    rows = X if chunks is None else da.from_array(X, chunks=(chunks, 20))
    res = dlogreg.fit(rows, above.to_numpy(), trials=trials.to_numpy(), tol=1e-9)
    np.testing.assert_allclose(last(res.params), exact.params, rtol=1e-6)
    np.testing.assert_allclose(last(res.bse), exact.bse, rtol=1e-5)
    np.testing.assert_allclose(res.predict(X), exact.fittedvalues, atol=1e-6)
    drop = exact.null_deviance - exact.deviance
    assert res.llr == pytest.approx(drop, rel=1e-9)


def test_influence_as_in_sas():
    """Finney's vaso-constriction data, as in Pregibon (1981); to printed digits."""
    folder = FOLDERS["influence"]
    rows = pd.read_csv(folder / "binary_constrict.csv")
    sas = pd.read_csv(folder / "results_influence_logit.csv")
    X, y = rows[["log_rate", "log_volumne"]], rows["constrict"]
    res = dlogreg.fit(X, y, tol=1e-9)
    leverage = res.residuals(kind="leverage")
    np.testing.assert_allclose(leverage, sas["hat_matrix_diagonal"], atol=6e-5)
    for kind, name in (("pearson", "resid_pearson"), ("deviance", "resid_deviance")):
        np.testing.assert_allclose(res.residuals(kind=kind), sas[name], atol=6e-5)
    found = res.influence(k=3)
    distances = np.asarray(found.cooks_distance)
    np.testing.assert_allclose(3 * distances, sas["Cooks C"], atol=6e-5)
    np.testing.assert_array_equal(found.rows, sas["Cooks C"].argsort()[::-1][:3])


@pytest.mark.parametrize("number", range(9))
def test_penalties_as_in_glmnet(number):
    """As R's program there has it: the first row is a header, columns are scaled."""
    table = np.loadtxt(FOLDERS["glm"] / "enet_binomial.csv", delimiter=",", skiprows=1)
    y, X = table[:, 0], table[:, 1:]
    X = (X - X.mean(axis=0)) / X.std(axis=0, ddof=1)
    l1_ratio, alpha, *theirs = getattr(glmnet_r_results, f"rslt_binomial_{number}")
    res = dlogreg.fit(
        X, y, alpha=alpha, l1_ratio=l1_ratio, fit_intercept=False, tol=1e-8
    )
    found, theirs = np.asarray(res.params), np.asarray(theirs)
    np.testing.assert_allclose(found, theirs, rtol=3e-3, atol=1e-4)
    np.testing.assert_array_equal(found == 0, theirs == 0)

    def objective(b):
        loss = (np.logaddexp(0, X @ b) - y * (X @ b)).mean()
        size = l1_ratio * np.abs(b).sum() + (1 - l1_ratio) * (b @ b) / 2
        return loss + alpha * size

    assert objective(found) <= objective(theirs)


@pytest.fixture(scope="module")
def anes():
    data = sm.datasets.anes96.load_pandas()
    return dlogreg.fit(data.exog, data.endog, tol=1e-9), data


class TestPartyIdentification:
    """Stata's ``mlogit`` of seven classes (anes96); all values to printed digits."""

    def test_table(self, anes):
        res, stata = anes[0], Anes.mnlogit_basezero
        for name, theirs in (
            ("params", "params"),
            ("bse", "bse"),
            ("tvalues", "z"),
            ("pvalues", "pvalues"),
        ):
            found = last(getattr(res, name))
            np.testing.assert_allclose(found, getattr(stata, theirs), atol=1e-4)
        found = np.roll(res.conf_int(), -1, axis=1)
        np.testing.assert_allclose(found, stata.conf_int, rtol=8e-5, atol=1e-6)

    def test_likelihoods(self, anes):
        res, stata = anes[0], Anes.mnlogit_basezero
        for name in ("llf", "llnull", "llr", "llr_pvalue", "aic", "bic"):
            assert getattr(res, name) == pytest.approx(getattr(stata, name), abs=5e-4)
        assert (res.df_model, res.df_resid) == (stata.df_model, stata.df_resid)

    def test_rows(self, anes):
        (res, data), stata = anes, Anes.mnlogit_basezero
        p = np.asarray(res.predict(data.exog))
        np.testing.assert_allclose(p, stata.phat, atol=1e-5)
        called = np.asarray(res.classify(data.exog))
        np.testing.assert_array_equal(called != data.endog, stata.resid)


def test_a_single_row_is_predicted(anes):
    """Statsmodels' issue 341: of one row there is one line of probabilities."""
    res, data = anes
    assert res.predict(data.exog.iloc[:1]).shape == (1, 7)


def test_shares_and_repeated_rows_are_the_same_model():
    """As ``TestBinomial0RepeatedvsAverage``: counts, their shares, and single rows."""
    rng = np.random.default_rng(0)
    X, trials = rng.normal(size=(60, 3)), rng.integers(1, 9, 60)
    hits = rng.binomial(trials, 1 / (1 + np.exp(-X[:, 0])))
    single = np.repeat(np.arange(60), trials)
    y = np.concatenate([np.arange(n) < k for n, k in zip(trials, hits, strict=True)])
    of_rows = dlogreg.fit(X[single], y.astype(int), tol=1e-10)
    for counts in (hits, hits / trials):
        found = dlogreg.fit(X, counts, trials=trials, tol=1e-10)
        np.testing.assert_allclose(found.params, of_rows.params, rtol=1e-8)
        np.testing.assert_allclose(found.bse, of_rows.bse, rtol=1e-8)
        assert found.llr_pvalue == pytest.approx(of_rows.llr_pvalue, rel=1e-7)
        assert found.llr_pvalue == pytest.approx(chi2.sf(found.llr, 3), rel=1e-9)
