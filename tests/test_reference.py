"""Fits of public data agree with statsmodels and scikit-learn, recomputed here."""

import numpy as np
import pytest
import statsmodels.api as sm
from sklearn.linear_model import LogisticRegression

import dlogreg
from tests.reference import exact_optimum


def public_data(name):
    data = getattr(sm.datasets, name).load_pandas()
    y = data.endog
    if name == "fair":
        y = y > 0
    X = data.exog
    return X, y.astype(int)


def newton_logit(y, X):
    """statsmodels' Logit, iterated until its coefficients stop changing."""
    return sm.Logit(y, sm.add_constant(X)).fit(disp=0, method="newton", tol=1e-14)


@pytest.mark.parametrize("name", ["spector", "fair"])
def test_public_data_agree_with_statsmodels(name):
    X, y = public_data(name)
    res = dlogreg.fit(X, y, tol=1e-10)
    reference = newton_logit(y, X)
    assert list(res.params.names) == list(reference.params.index)
    np.testing.assert_allclose(res.params, reference.params, rtol=1e-8)
    np.testing.assert_allclose(res.bse, reference.bse, rtol=1e-8)
    np.testing.assert_allclose(res.llf, reference.llf, rtol=1e-10)
    np.testing.assert_allclose(res.llnull, reference.llnull, rtol=1e-8)
    np.testing.assert_allclose(
        res.cov_params(), reference.cov_params(), rtol=1e-7, atol=1e-12
    )


def test_no_intercept_agrees_with_statsmodels():
    X, y = public_data("fair")
    res = dlogreg.fit(X, y, tol=1e-10, fit_intercept=False)
    reference = sm.Logit(y, X).fit(disp=0, tol=1e-14)
    np.testing.assert_allclose(res.params, reference.params, rtol=1e-8)
    np.testing.assert_allclose(res.bse, reference.bse, rtol=1e-8)
    np.testing.assert_allclose(res.llf, reference.llf, rtol=1e-10)


def test_frequency_weights_agree_with_statsmodels():
    X, y = public_data("fair")
    weight = np.random.default_rng(0).integers(1, 5, len(y)).astype(float)
    res = dlogreg.fit(X, y, sample_weight=weight, tol=1e-10)
    model = sm.GLM(
        y, sm.add_constant(X), family=sm.families.Binomial(), freq_weights=weight
    )
    reference = model.fit(tol=1e-14, tol_criterion="params")
    np.testing.assert_allclose(res.params, reference.params, rtol=1e-8)
    np.testing.assert_allclose(res.bse, reference.bse, rtol=1e-8)
    np.testing.assert_allclose(res.deviance, reference.deviance, rtol=1e-10)
    np.testing.assert_allclose(res.null_deviance, reference.null_deviance, rtol=1e-10)
    assert res.nobs == weight.sum()
    assert res.n_rows == len(y)


@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("alpha", [1e-4, 1e-2, 1.0])
def test_ridge_agrees_with_scikit_learn(alpha, fit_intercept):
    X, y = public_data("fair")
    weight = np.random.default_rng(1).uniform(0.1, 3, len(y))
    res = dlogreg.fit(
        X,
        y,
        sample_weight=weight,
        alpha=alpha,
        tol=1e-10,
        fit_intercept=fit_intercept,
        feature_names=[f"v{j}" for j in range(X.shape[1])],
    )
    reference = LogisticRegression(
        C=1 / (alpha * weight.sum()),
        solver="newton-cholesky",
        tol=1e-12,
        max_iter=1000,
        fit_intercept=fit_intercept,
    ).fit(X, y, weight)
    np.testing.assert_allclose(
        np.asarray(res.params)[int(fit_intercept) :], reference.coef_[0], atol=1e-7
    )
    if fit_intercept:
        assert res.params["const"] == pytest.approx(reference.intercept_[0], abs=1e-7)
    with pytest.raises(dlogreg.InferenceError, match="penalised"):
        _ = res.bse


@pytest.mark.parametrize("solver", ["newton", "lbfgs"])
def test_both_solvers_find_the_same_optimum(solver):
    X, y = public_data("fair")
    res = dlogreg.fit(X, y, solver=solver, tol=1e-6)
    reference = newton_logit(y, X)
    gap = np.abs(np.asarray(res.params) - reference.params) / reference.bse
    assert gap.max() < 1e-6
    assert res.solver == solver
    assert res.status is dlogreg.Status.CONVERGED


@pytest.mark.parametrize("shift", [1e4, 1e8])
def test_a_column_far_from_zero_keeps_its_digits(shift):
    rng = np.random.default_rng(4)
    z = rng.integers(-2048, 2048, size=(4000, 2)) / 1024.0  # exact after the shift
    y = rng.random(4000) < 1 / (1 + np.exp(-z @ [0.7, -0.4]))
    X = z + shift
    res = dlogreg.fit(X, y, tol=1e-10)
    params, bse, loss = exact_optimum(z, y)
    np.testing.assert_allclose(np.asarray(res.params)[1:], params[1:], rtol=1e-9)
    np.testing.assert_allclose(np.asarray(res.bse)[1:], bse[1:], rtol=1e-9)
    assert -res.llf == pytest.approx(loss, rel=1e-12)


def test_badly_scaled_columns():
    rng = np.random.default_rng(5)
    z = rng.normal(size=(3000, 4))
    y = rng.random(3000) < 1 / (1 + np.exp(-z @ [0.5, -0.4, 0.3, 0.2]))
    scale = np.array([1e-9, 1e-3, 1e5, 1e12])
    plain, scaled = dlogreg.fit(z, y, tol=1e-10), dlogreg.fit(z * scale, y, tol=1e-10)
    np.testing.assert_allclose(
        np.asarray(scaled.params)[1:] * scale, np.asarray(plain.params)[1:], rtol=1e-9
    )
    assert scaled.llf == pytest.approx(plain.llf, rel=1e-12)


def test_rare_events():
    rng = np.random.default_rng(6)
    X = rng.normal(size=(60_000, 3))
    y = rng.random(60_000) < 1 / (1 + np.exp(7 - X @ [0.5, 0.2, -0.3]))
    res = dlogreg.fit(X, y, tol=1e-10)
    params, bse, _ = exact_optimum(X, y)
    assert 20 < y.sum() < 200
    assert np.abs((np.asarray(res.params) - params) / bse).max() < 1e-9
