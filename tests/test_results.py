"""The numbers of LogitResults, against statsmodels and by their definition."""

import copy
import pickle
import warnings

import numpy as np
import pytest
import statsmodels.api as sm
from scipy import stats

import dlogreg
from dlogreg import InferenceError
from tests.handmade import make_results

VECTORS = ("params", "bse", "zvalues", "tvalues", "pvalues")
SCALARS = ("llf", "llr", "prsquared", "aic", "bic", "df_model", "df_resid", "nobs")


def spector():
    data = sm.datasets.spector.load_pandas().data
    return data[["GPA", "TUCE", "PSI"]], data["GRADE"].astype(int)


def fair():
    data = sm.datasets.fair.load_pandas().data
    return data.drop(columns="affairs"), (data["affairs"] > 0).astype(int)


def statsmodels_fit(X, y):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = sm.Logit(np.asarray(y, float), sm.add_constant(np.asarray(X, float)))
        return model.fit(method="newton", tol=1e-14, maxiter=30, disp=False)


@pytest.fixture(scope="module", params=[spector, fair], ids=["spector", "fair"])
def pair(request):
    X, y = request.param()
    return dlogreg.fit(X, y, tol=1e-10, progress=False), statsmodels_fit(X, y)


@pytest.mark.parametrize("name", VECTORS)
def test_vectors_are_those_of_statsmodels(pair, name):
    ours, theirs = pair
    expected = np.asarray(getattr(theirs, name.replace("zvalues", "tvalues")))
    np.testing.assert_allclose(getattr(ours, name), expected, rtol=1e-8)


@pytest.mark.parametrize("name", SCALARS)
def test_scalars_are_those_of_statsmodels(pair, name):
    ours, theirs = pair
    # statsmodels finds the null model by a search; llr and prsquared inherit its digits
    tolerance = 1e-7 if name in ("llr", "prsquared") else 1e-10
    assert getattr(ours, name) == pytest.approx(getattr(theirs, name), rel=tolerance)


def test_the_null_model_is_the_share_of_events(pair):
    ours, theirs = pair
    y = theirs.model.endog
    exact = float(np.log(np.where(y == 1, y.mean(), 1 - y.mean())).sum())
    assert ours.llnull == pytest.approx(exact, rel=1e-12)
    assert ours.llnull == pytest.approx(theirs.llnull, rel=1e-7)
    expected = stats.chi2.sf(2 * (theirs.llf - exact), theirs.df_model)
    assert ours.llr_pvalue == pytest.approx(expected, rel=1e-8)
    assert ours.llr_pvalue == pytest.approx(theirs.llr_pvalue, rel=1e-5)


@pytest.mark.parametrize("alpha", [0.05, 0.5, 1e-12])
def test_intervals_and_covariance_are_those_of_statsmodels(pair, alpha):
    ours, theirs = pair
    np.testing.assert_allclose(ours.conf_int(alpha), theirs.conf_int(alpha), rtol=1e-5)
    half = -stats.norm.ppf(alpha / 2) * theirs.bse
    width = np.diff(ours.conf_int(alpha)).ravel()
    np.testing.assert_allclose(width, 2 * half, rtol=1e-8)
    np.testing.assert_allclose(ours.cov_params(), theirs.cov_params(), rtol=1e-7)


def test_pseudo_r2_and_odds_ratios_by_definition(pair):
    ours, theirs = pair
    n = theirs.nobs
    cox_snell = 1 - np.exp(2 / n * (ours.llnull - theirs.llf))
    largest = 1 - np.exp(2 / n * ours.llnull)
    assert ours.prsquared_cox_snell == pytest.approx(cox_snell, rel=1e-9)
    assert ours.prsquared_nagelkerke == pytest.approx(cox_snell / largest, rel=1e-9)
    ratios = np.exp(np.column_stack([theirs.params, theirs.conf_int(0.1)]))
    np.testing.assert_allclose(ours.odds_ratios(0.1), ratios, rtol=1e-7)
    assert ours.deviance == pytest.approx(-2 * theirs.llf, rel=1e-10)
    assert ours.null_deviance == -2 * ours.llnull


def test_frequency_weights_equal_repeated_rows():
    X, y = spector()
    times = np.random.default_rng(4).integers(0, 4, size=len(y))
    weighted = dlogreg.fit(X, y, sample_weight=times, tol=1e-10, progress=False)
    rows = np.repeat(np.arange(len(y)), times)
    repeated = statsmodels_fit(X.iloc[rows], y.iloc[rows])
    for name in ("params", "bse", "zvalues", "pvalues"):
        expected = np.asarray(getattr(repeated, name.replace("zvalues", "tvalues")))
        np.testing.assert_allclose(getattr(weighted, name), expected, rtol=1e-8)
    for name in ("llf", "nobs", "aic", "bic", "df_model", "df_resid"):
        assert getattr(weighted, name) == pytest.approx(getattr(repeated, name))
    assert weighted.n_rows == int((times > 0).sum())


def test_without_intercept():
    X, y = spector()
    ours = dlogreg.fit(X, y, fit_intercept=False, tol=1e-10, progress=False)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = sm.Logit(np.asarray(y), np.asarray(X)).fit(tol=1e-14, disp=False)
    np.testing.assert_allclose(ours.params, theirs.params, rtol=1e-8)
    np.testing.assert_allclose(ours.bse, theirs.bse, rtol=1e-8)
    assert ours.aic == pytest.approx(theirs.aic, rel=1e-10)
    assert ours.bic == pytest.approx(theirs.bic, rel=1e-10)
    assert ours.df_model == 3
    assert ours.df_resid == theirs.df_resid
    assert ours.names == ("GPA", "TUCE", "PSI")
    with pytest.raises(InferenceError, match="null model has an intercept"):
        _ = ours.llr_pvalue


def test_penalized_results_refuse_inference():
    X, y = spector()
    res = dlogreg.fit(X, y, alpha=0.1, progress=False)
    for name in ("bse", "zvalues", "pvalues", "llr_pvalue"):
        with pytest.raises(InferenceError, match="alpha=0"):
            getattr(res, name)
    with pytest.raises(InferenceError, match="alpha=0"):
        res.cov_params()
    with pytest.raises(InferenceError, match="alpha=0"):
        res.conf_int()
    assert np.isnan([res.aic, res.bic]).all()
    ratios = res.odds_ratios()
    np.testing.assert_array_equal(ratios[:, 0], np.exp(res.coefficients))
    assert np.isnan(ratios[:, 1:]).all()


def test_a_fit_without_closing_pass_says_why_there_are_no_errors():
    X, y = spector()
    res = dlogreg.fit(X, y, inference=False, progress=False)
    with pytest.raises(InferenceError, match="inference=True"):
        _ = res.bse
    theirs = statsmodels_fit(X, y)
    assert res.llf == pytest.approx(theirs.llf, rel=1e-6)
    assert res.llr_pvalue == pytest.approx(theirs.llr_pvalue, rel=1e-4)


def test_aliased_columns_are_not_counted():
    X, y = spector()
    X = X.assign(double=2 * X["GPA"], same=1.0)
    with pytest.warns(dlogreg.CollinearityWarning):
        res = dlogreg.fit(X, y, tol=1e-10, progress=False)
    theirs = statsmodels_fit(X[["GPA", "TUCE", "PSI"]], y)
    assert res.df_model == 3
    assert res.df_resid == theirs.df_resid
    assert res.aic == pytest.approx(theirs.aic, rel=1e-10)
    assert res.bic == pytest.approx(theirs.bic, rel=1e-10)
    assert res.llr_pvalue == pytest.approx(theirs.llr_pvalue, rel=1e-5)
    np.testing.assert_allclose(res.bse[:4], theirs.bse, rtol=1e-8)
    assert np.isnan(res.bse[["double", "same"]]).all()


def test_a_model_of_the_intercept_alone():
    y = np.array([0, 0, 0, 1, 1, 0, 0, 1])
    with pytest.warns(dlogreg.CollinearityWarning):
        res = dlogreg.fit(np.ones((8, 1)), y, tol=1e-12, progress=False)
    assert res.params["const"] == pytest.approx(np.log(3 / 5), rel=1e-12)
    assert res.bse["const"] == pytest.approx(np.sqrt(1 / 3 + 1 / 5), rel=1e-9)
    assert res.df_model == 0
    assert res.llr == pytest.approx(0, abs=1e-12)
    assert np.isnan(res.llr_pvalue)
    assert res.prsquared == pytest.approx(0, abs=1e-13)
    assert res.prsquared_nagelkerke == pytest.approx(0, abs=1e-13)


def test_far_tails():
    res = make_results((-1.0, 7.4, 600.0, 800.0), llf=-1e-3, llnull=-5000.0)
    expected = 2 * stats.norm.sf(np.array([5.0, 37.0, 3000.0, 4000.0]))
    np.testing.assert_allclose(res.pvalues, expected, rtol=1e-12)
    assert 0 < res.pvalues["x1"] < 1e-298
    assert res.odds_ratios()[3, 0] == np.inf
    assert res.llr_pvalue == 0.0
    assert res.prsquared == pytest.approx(1 - 2e-7)


def test_a_tiny_negative_ratio_is_no_evidence():
    assert make_results(llf=-67.301166701).llr_pvalue == 1.0
    assert np.isnan(make_results((-1.0,), llf=-67.3011667).llr_pvalue)


@pytest.mark.parametrize("alpha", [0, 1, -0.1, 5, float("nan")])
def test_levels_are_checked(alpha):
    res = make_results()
    for method in (res.conf_int, res.odds_ratios, res.summary):
        with pytest.raises(ValueError, match="alpha must lie between 0 and 1"):
            method(alpha)


def test_a_column_may_be_called_const():
    res = make_results(feature_names=("const", "x"))
    assert res.names == ("(const)", "const", "x")
    assert res.params["const"] == 0.5
    assert res.params["(const)"] == -1.0


def test_results_do_not_change():
    mine = np.array([-1.0, 0.5, 2.0])
    uneven = 0.04 * np.eye(3)
    uneven[0, 1], uneven[1, 0] = 0.01, np.nextafter(0.01, 1)
    res = make_results(coefficients=mine, covariance=uneven)
    mine[:] = 7
    assert res.params["x2"] == 2.0
    with pytest.raises(ValueError, match="read-only"):
        res.cov_params()[0, 0] = 1
    with pytest.raises(ValueError, match="read-only"):
        res.coefficients[0] = 1
    with pytest.raises(AttributeError):
        res.llf = 0
    np.testing.assert_array_equal(res.cov_params(), res.cov_params().T)


@pytest.mark.parametrize(
    "again", [copy.deepcopy, lambda r: pickle.loads(pickle.dumps(r))]
)
def test_results_travel(again):
    res = make_results(dropped={"x1": "it is constant"})
    back = again(res)
    assert str(back.summary()) == str(res.summary())
    np.testing.assert_array_equal(back.covariance, res.covariance)
