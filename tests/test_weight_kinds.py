"""Probability and analytic weights: what they change, and what they refuse."""

from __future__ import annotations

import dask.array as da
import numpy as np
import pytest
import statsmodels.api as sm
import zarr

import dlogreg
from dlogreg import InferenceError
from dlogreg.cli import main
from tests.counting import counted_array, reads
from tests.test_results import fair

KINDS = ("probability", "analytic")


@pytest.fixture(scope="module")
def survey_data():
    """Rows with uneven weights, some of them zero: X, y, weight."""
    X, y = fair()
    X = np.asarray(X, float)
    weight = np.random.default_rng(3).gamma(0.7, 50.0, len(y))
    weight[::7] = 0.0
    return X, np.asarray(y), weight


def expected(X, y, weight):
    """Return params and covariances, by the definitions, at statsmodels' optimum."""
    kept = weight > 0
    Z, t, s = sm.add_constant(X[kept]), y[kept], weight[kept]
    s = s * len(s) / s.sum()
    model = sm.GLM(t, Z, family=sm.families.Binomial(), freq_weights=s)
    params = model.fit(tol=1e-14, maxiter=30, tol_criterion="params").params
    p = 1 / (1 + np.exp(-Z @ params))
    inverse = np.linalg.inv(Z.T @ (Z * (s * p * (1 - p))[:, None]))
    HC0 = inverse @ (Z.T @ (Z * (s**2 * (t - p) ** 2)[:, None])) @ inverse
    n, k = Z.shape
    return params, {"model": inverse, "HC0": HC0, "HC1": n / (n - k) * HC0}


def assert_agrees(res, params, covariances, atol=1e-7):
    bse = np.sqrt(np.diagonal(covariances["model"]))
    np.testing.assert_allclose(res.params / bse, params / bse, atol=atol)
    for kind, covariance in covariances.items():
        units = np.outer(*(np.sqrt(np.diagonal(covariance)),) * 2)
        found = res.cov_params(kind)
        np.testing.assert_allclose(found / units, covariance / units, atol=atol)


def fitted(X, y, weight, kind, **options):
    options = {"tol": 1e-10, "progress": False, **options}
    return dlogreg.fit(X, y, sample_weight=weight, weight_kind=kind, **options)


@pytest.mark.parametrize("kind", KINDS)
def test_coefficients_and_covariances(survey_data, kind):
    X, y, weight = survey_data
    res = fitted(X, y, weight, kind)
    assert_agrees(res, *expected(X, y, weight))
    assert res.nobs == res.n_rows == np.count_nonzero(weight)
    assert res.df_resid == res.nobs - 9
    assert res.weight_kind == kind
    plain = fitted(X, y, weight, "frequency")
    np.testing.assert_allclose(res.params, plain.params, rtol=1e-9)
    assert res.prsquared == pytest.approx(plain.prsquared, rel=1e-9)


@pytest.mark.parametrize("kind", KINDS)
def test_robust_errors_agree_with_statsmodels_var_weights(survey_data, kind):
    X, y, weight = survey_data
    kept = weight > 0
    exog = sm.add_constant(X[kept])
    model = sm.GLM(
        y[kept], exog, family=sm.families.Binomial(), var_weights=weight[kept]
    )
    reference = model.fit(tol=1e-14, tol_criterion="params", cov_type="HC0")
    res = fitted(X, y, weight, kind, cov_type="HC0")
    np.testing.assert_allclose(res.params, reference.params, rtol=1e-7)
    np.testing.assert_allclose(res.bse, reference.bse, rtol=1e-7)


@pytest.mark.parametrize("kind", KINDS)
def test_groups_of_one_row_are_hc1(survey_data, kind):
    X, y, weight = survey_data
    res = fitted(X, y, weight, kind, groups=np.arange(len(y)))
    np.testing.assert_allclose(
        res.cov_params("cluster"), res.cov_params("HC1"), rtol=1e-7
    )


def test_analytic_weights_are_frequency_weights_of_mean_one(survey_data):
    X, y, weight = survey_data
    scaled = weight * np.count_nonzero(weight) / weight.sum()
    res, same = fitted(X, y, weight, "analytic"), fitted(X, y, scaled, "frequency")
    for name in ("llf", "llnull", "aic", "bic", "llr_pvalue"):
        assert getattr(res, name) == pytest.approx(getattr(same, name), rel=1e-10)
    table, other = res.lr_test(), same.lr_test()
    np.testing.assert_allclose(table.statistics, other.statistics, rtol=1e-7)
    np.testing.assert_allclose(
        res.conf_int(method="profile"), same.conf_int(method="profile"), rtol=1e-6
    )


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("factor", [1e-6, 1e6])
def test_the_scale_of_the_weights_says_nothing(survey_data, kind, factor):
    X, y, weight = survey_data
    res = fitted(X, y, weight, kind, tol=1e-4)
    other = fitted(X, y, factor * weight, kind, tol=1e-4)
    np.testing.assert_allclose(res.bse, other.bse, rtol=1e-6)
    assert other.error_bound <= 1e-4
    assert other.status is dlogreg.Status.CONVERGED
    assert res.llf == pytest.approx(other.llf, rel=1e-9)


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("chunks", "stored_rows"),
    [((1, 6365), 61), ((997,) * 6 + (384,), 997), ((6000, 0, 366), 6000)],
)
def test_odd_chunks_and_zarr(survey_data, tmp_path, kind, chunks, stored_rows):
    X, y, weight = survey_data
    wanted = expected(X, y, weight)
    lazy = da.from_array(X, chunks=(chunks, (3, 5)))
    assert_agrees(fitted(lazy, y, da.from_array(weight, chunks=700), kind), *wanted)
    stored = zarr.create_array(tmp_path / "X", data=X, chunks=(stored_rows, 8))
    assert_agrees(fitted(stored, y, weight, kind), *wanted)


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize("tol", [1e-4, 1e-8])
def test_where_the_first_pass_learns(tol):
    rng = np.random.default_rng(8)
    X = rng.normal([0, 5, -2], size=(60_000, 3))
    y = (rng.random(60_000) < 1 / (1 + np.exp(1 - X[:, 0]))).astype(int)
    weight = rng.gamma(0.7, 50.0, 60_000)
    n_reads = []
    for kind in ("frequency", *KINDS):
        rows = counted_array("weighted", X, 5000)
        res = fitted(rows, y, weight, kind, tol=tol)
        n_reads.append((res.n_passes, sum(reads("weighted"))))
        if kind != "frequency":
            params, covariances = expected(X, y, weight)
            bse = np.sqrt(np.diagonal(covariances["model"]))
            assert (np.abs(res.params - params) / bse).max() <= res.error_bound + 1e-9
            robust = np.sqrt(np.diagonal(covariances[res.cov_type]))
            np.testing.assert_allclose(res.bse, robust, rtol=res.bse_error_bound + 1e-9)
    assert n_reads[0] == n_reads[1] == n_reads[2]


def test_probability_weights_are_robust_and_have_no_likelihood(survey_data, tmp_path):
    X, y, weight = survey_data
    res = fitted(X, y, weight, "probability")
    assert res.cov_type == "HC1"
    assert fitted(X, y, weight, "probability", cov_type="model").cov_type == "model"
    assert fitted(X, y, weight, "analytic").cov_type == "model"
    assert np.isnan(res.aic)
    assert np.isnan(res.bic)
    for ask in (res.lr_test, lambda: res.llr_pvalue, lambda: res.score_test(X[:, 0])):
        with pytest.raises(InferenceError, match=r"pseudo-likelihood.*wald_test\(\)"):
            ask()
    with pytest.raises(InferenceError, match=r"profile.*pseudo-likelihood"):
        res.conf_int(method="profile")
    with pytest.raises(InferenceError, match="pseudo-likelihood"):
        res.lr_test(fitted(X[:, :3], y, weight, "probability"))
    text = str(res.summary())
    assert "Pseudo log-likelihood" in text
    assert "criteria trust" not in text
    assert "probability" in text
    res.save(tmp_path / "m.json")
    back = dlogreg.load(tmp_path / "m.json")
    assert (back.weight_kind, back.cov_type) == ("probability", "HC1")
    assert str(back.summary()) == text


def test_without_inference_probability_weights_ask_for_nothing(survey_data):
    X, y, weight = survey_data
    for options in ({"inference": False}, {"alpha": 0.1}):
        assert fitted(X, y, weight, "probability", **options).cov_type == "model"


@pytest.mark.parametrize("kind", KINDS)
def test_a_penalty_on_the_mean_loss_is_the_same(survey_data, kind):
    X, y, weight = survey_data
    res = fitted(X, y, weight, kind, alpha=0.01)
    plain = fitted(X, y, weight, "frequency", alpha=0.01)
    np.testing.assert_allclose(res.params, plain.params, rtol=1e-8)


@pytest.mark.parametrize("run", [dlogreg.fit, dlogreg.plan])
def test_what_cannot_be_meant(survey_data, run):
    X, y, weight = survey_data
    for kind in ("sampling", None, 3, ["analytic"]):
        with pytest.raises(ValueError, match="weight_kind must be 'frequency', 'prob"):
            run(X, y, sample_weight=weight, weight_kind=kind)
    with pytest.raises(ValueError, match="'analytic' says what sample_weight means"):
        run(X, y, weight_kind="analytic")


def test_rows_given_again_to_a_fit_with_analytic_weights(survey_data, tmp_path):
    X, y, weight = survey_data
    fitted(X, y, weight, "analytic").save(tmp_path / "m.json")
    back = dlogreg.load(tmp_path / "m.json")
    with pytest.raises(InferenceError, match=r"analytic weights.*result of the fit"):
        back.lr_test(X=X, y=y, sample_weight=weight)


def test_an_unknown_kind_in_a_file(survey_data, tmp_path):
    fitted(*survey_data, "analytic").save(tmp_path / "m.json")
    text = (tmp_path / "m.json").read_text()
    (tmp_path / "m.json").write_text(text.replace('"analytic"', '"other"'))
    with pytest.raises(ValueError, match="'weight_kind' is unknown: 'other'"):
        dlogreg.load(tmp_path / "m.json")


def test_the_command_line(survey_data, tmp_path):
    X, y, weight = survey_data
    group = zarr.open_group(tmp_path / "d.zarr", mode="w")
    for name, values in (("X", X), ("y", y), ("sample_weight", weight)):
        group.create_array(name, data=values)
    paths = [str(tmp_path / "d.zarr"), "--model", str(tmp_path / "m.json")]
    main(["fit", *paths, "--weight-kind", "probability"], standalone_mode=False)
    res = dlogreg.load(tmp_path / "m.json")
    direct = fitted(X, y, weight, "probability")
    assert res.cov_type == "HC1"
    np.testing.assert_allclose(res.bse, direct.bse, rtol=1e-6)
