"""Robust covariances against statsmodels; passes, proven errors and bad input."""

from __future__ import annotations

import json
import warnings

import dask.array as da
import numpy as np
import pytest
import statsmodels.api as sm
import zarr
from distributed import Client
from statsmodels.stats.sandwich_covariance import cov_white_simple

import dlogreg
from dlogreg import InferenceError
from dlogreg.cli import main
from dlogreg.inference.sandwich import relative_error
from tests.counting import counted_array, reads
from tests.handmade import make_results
from tests.test_results import fair, spector

ODD = [(1, 5999), (997,) * 6 + (18,), (3000, 0, 3000), (17, 4000, 983, 1000)]


def refit(X, y, intercept=True):
    """Return statsmodels' fit, iterated until its coefficients stop changing."""
    exog = np.asarray(X, float)
    if intercept:
        exog = sm.add_constant(exog, has_constant="add")
    model = sm.GLM(np.asarray(y, float), exog, family=sm.families.Binomial())
    return model.fit(tol=1e-14, maxiter=30, tol_criterion="params")


def covariances(X, y, **options):
    """Return statsmodels' covariances by kind.

    Its cov_type="HC1" is HC0 for this model; the factor comes with use_correction.
    """
    found = refit(X, y, **options)
    return {
        "model": found.cov_params(),
        "HC0": cov_white_simple(found, use_correction=False),
        "HC1": cov_white_simple(found, use_correction=True),
    }


def assert_all_kinds(res, expected, rtol=1e-8):
    for kind, covariance in expected.items():
        bse = np.sqrt(np.diagonal(covariance))
        found = res.cov_params(kind)
        assert (found == found.T).all()
        np.testing.assert_allclose(
            found / np.outer(bse, bse), covariance / np.outer(bse, bse), atol=rtol
        )


@pytest.mark.parametrize("intercept", [True, False])
@pytest.mark.parametrize("data", [spector, fair])
def test_public_data(data, intercept):
    X, y = data()
    res = dlogreg.fit(X, y, tol=1e-10, fit_intercept=intercept, progress=False)
    assert_all_kinds(res, covariances(X, y, intercept=intercept))


def test_the_sandwich_is_that_of_statsmodels_own_option():
    X, y = fair()
    exog = sm.add_constant(X)
    reference = sm.Logit(y, exog).fit(
        disp=0, method="newton", tol=1e-14, cov_type="HC0"
    )
    res = dlogreg.fit(X, y, tol=1e-10, cov_type="HC0", progress=False)
    np.testing.assert_allclose(res.bse, reference.bse, rtol=1e-8)
    np.testing.assert_allclose(res.zvalues, reference.tvalues, rtol=1e-8)
    np.testing.assert_allclose(res.pvalues, reference.pvalues, rtol=1e-6)
    np.testing.assert_allclose(res.conf_int(), reference.conf_int(), rtol=1e-7)
    ratios = np.exp(np.column_stack([reference.params, reference.conf_int()]))
    np.testing.assert_allclose(res.odds_ratios(), ratios, rtol=1e-7)
    test = reference.wald_test(np.eye(X.shape[1] + 1)[1:], use_f=False, scalar=True)
    assert res.wald_test().statistic == pytest.approx(test.statistic, rel=1e-7)


@pytest.mark.parametrize("kind", ["HC0", "HC1"])
def test_everything_goes_by_the_kind_chosen_at_the_fit(kind):
    X, y = fair()
    res = dlogreg.fit(X, y, cov_type=kind, progress=False)
    plain = dlogreg.fit(X, y, progress=False)
    name = X.columns[0]
    assert res.cov_type == kind
    assert not np.allclose(res.bse, plain.bse, rtol=1e-3)
    np.testing.assert_array_equal(res.cov_params(), plain.cov_params(kind))
    np.testing.assert_array_equal(res.cov_params("model"), plain.cov_params())
    np.testing.assert_array_equal(res.bse, np.sqrt(np.diagonal(plain.cov_params(kind))))
    np.testing.assert_array_equal(res.conf_int(0.1), plain.conf_int(0.1, kind=kind))
    np.testing.assert_array_equal(res.conf_int(kind="model"), plain.conf_int())
    np.testing.assert_array_equal(
        res.odds_ratios()[:, 1:], np.exp(plain.conf_int(kind=kind))
    )
    test = res.wald_test(name)
    assert test.bse[0] == pytest.approx(res.bse[name], rel=1e-12)
    assert str(test) == str(plain.wald_test(name, kind=kind))
    assert str(test).startswith(f"Wald test ({kind}): chi2(1)")
    assert str(res.wald_test(name, kind="model")) == str(plain.wald_test(name))
    assert f"robust, {kind}" in str(res.summary())
    assert f"by {kind} standard errors" in " ".join(str(res.summary()).split())
    assert "robust" not in str(plain.summary())


def test_likelihoods_and_collinearity_trust_the_model():
    X, y = spector()
    robust = dlogreg.fit(X, y, cov_type="HC1", progress=False)
    plain = dlogreg.fit(X, y, progress=False)
    np.testing.assert_array_equal(robust.vif(), plain.vif())
    assert robust.condition_number == plain.condition_number
    assert robust.llr_pvalue == plain.llr_pvalue
    assert str(robust.lr_test()) == str(plain.lr_test())
    np.testing.assert_array_equal(
        robust.conf_int(method="profile"), plain.conf_int(method="profile")
    )
    with pytest.raises(ValueError, match="profile intervals have no kind 'HC1'"):
        robust.conf_int(method="profile", kind="HC1")


@pytest.fixture(scope="module")
def repeated(binary_data):
    """Weighted rows, and what statsmodels finds with rows repeated."""
    X, y, weight = binary_data
    times = weight.astype(int)
    return X, y, weight, covariances(X.repeat(times, axis=0), y.repeat(times))


def test_frequency_weights_repeat_rows(repeated):
    X, y, weight, expected = repeated
    res = dlogreg.fit(X, y, sample_weight=weight, tol=1e-10, progress=False)
    assert_all_kinds(res, expected)


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize("chunks", ODD)
def test_dask_arrays_of_odd_chunks(repeated, chunks):
    X, y, weight, expected = repeated
    rows = da.from_array(X, chunks=(chunks, (1, 3)))
    labels = da.from_array(y, chunks=1013)
    res = dlogreg.fit(rows, labels, sample_weight=weight, tol=1e-10, progress=False)
    assert_all_kinds(res, expected)


@pytest.mark.usefixtures("small_blocks")
def test_zarr(repeated, tmp_path):
    X, y, weight, expected = repeated
    stored = zarr.create_array(tmp_path / "X.zarr", data=X, chunks=(701, 3))
    res = dlogreg.fit(stored, y, sample_weight=weight, tol=1e-10, progress=False)
    assert_all_kinds(res, expected)


def test_more_columns_than_the_transposed_slab_takes():
    rng = np.random.default_rng(5)
    X = rng.normal(size=(3000, 60)) * np.logspace(-3, 3, 60) + np.arange(60.0)
    y = (rng.random(3000) < 1 / (1 + np.exp(30 - X[:, 30]))).astype(int)
    res = dlogreg.fit(X, y, tol=1e-10, progress=False)
    assert_all_kinds(res, covariances(X, y))


def test_aliased_columns_are_nan():
    X, y = fair()
    X = X.assign(twice=2 * X[X.columns[2]])
    with pytest.warns(dlogreg.CollinearityWarning):
        res = dlogreg.fit(X, y, tol=1e-10, cov_type="HC1", progress=False)
    kept = np.arange(X.shape[1])
    for kind, expected in covariances(X[X.columns[:-1]], y).items():
        found = res.cov_params(kind)
        assert np.isnan(found[-1]).all()
        assert np.isnan(found[:, -1]).all()
        bse = np.sqrt(np.diagonal(expected))
        np.testing.assert_allclose(
            found[np.ix_(kept, kept)] / np.outer(bse, bse),
            expected / np.outer(bse, bse),
            atol=1e-8,
        )
    assert np.isnan(res.bse["twice"])
    assert res.bse_error_bound < 1e-6


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize("tol", [1e-1, 1e-4, 1e-8])
def test_no_pass_more_than_without(binary_data, tol):
    X, y, _ = binary_data
    n_reads = []
    for kind in ("model", "HC0", "HC1"):
        rows = counted_array("robust", X, 600)
        res = dlogreg.fit(rows, y, tol=tol, cov_type=kind, progress=False)
        n_reads.append((res.n_passes, sum(reads("robust"))))
        for other in ("model", "HC0", "HC1"):
            res.cov_params(other)
        res.wald_test()
        str(res.summary())
        assert sum(reads("robust")) == n_reads[-1][1]
    assert n_reads[0] == n_reads[1] == n_reads[2]


@pytest.mark.parametrize("tol", [0.5, 1e-1, 1e-2, 1e-4])
def test_the_error_of_robust_standard_errors_is_proven(binary_data, tol):
    X, y, weight = binary_data
    X = np.column_stack([X, np.exp(2 * X[:, 0] / X[:, 0].std())])  # heavy tail
    options = {"sample_weight": weight, "cov_type": "HC0", "progress": False}
    exact = np.asarray(dlogreg.fit(X, y, **{**options, "tol": 1e-10}).bse)
    res = dlogreg.fit(X, y, **{**options, "tol": tol})
    error = np.abs(np.asarray(res.bse) / exact - 1).max()
    assert error <= res.bse_error_bound + 1e-12
    assert res.bse_error_bound < max(1e-3, tol)


def test_the_bound_holds_for_the_worst_change_of_the_hessian():
    reach, meat = 0.01, np.diag([1.0, 1e-4])
    change = np.eye(2) + np.expm1(reach) * np.array([[0, 1], [1, 0]])
    before = np.sqrt(np.diagonal(meat))
    after = np.sqrt(np.diagonal(change @ (np.exp(2 * reach) * meat) @ change))
    error = (after / before - 1).max()
    bound = relative_error(np.eye(2), meat, 1 / before, reach)
    assert error <= bound < 4 * error


def test_the_bound_tells_of_a_point_far_from_the_optimum():
    X, y = fair()
    X = np.asarray(X)
    exact = np.asarray(dlogreg.fit(X, y, tol=1e-10, cov_type="HC0").bse)
    near = np.asarray(dlogreg.fit(X, y, tol=1e-10).params)
    for change in (1e-2, 1e-3):
        start = {"start": near + change, "tol": 1e-12, "max_passes": 3}
        with pytest.warns(dlogreg.ConvergenceWarning):
            res = dlogreg.fit(X, y, cov_type="HC0", **start)
        error = np.abs(np.asarray(res.bse) / exact - 1).max()
        assert 1e-10 < error <= res.bse_error_bound


def test_without_a_pass_left_for_it():
    X, y = fair()
    start = {"start": np.full(9, 0.1), "max_passes": 2, "tol": 1e-12}
    with pytest.warns(dlogreg.ConvergenceWarning):
        res = dlogreg.fit(np.asarray(X), y, cov_type="HC0", **start)
    with pytest.raises(InferenceError, match=r"closing pass.*raise max_passes, or fit"):
        _ = res.bse
    with pytest.warns(dlogreg.ConvergenceWarning):
        res = dlogreg.fit(np.asarray(X), y, **start)
    assert np.isfinite(res.bse).all()
    with pytest.raises(InferenceError, match="ended before its closing pass or was"):
        res.cov_params("HC0")


@pytest.mark.parametrize("kind", ["HC2", "hc0", 1, ["HC0"]])
def test_unknown_kinds(kind):
    res = make_results(robust_covariance=np.eye(3))
    for method in (res.cov_params, res.wald_test, res.conf_int):
        with pytest.raises(ValueError, match="kind must be 'model', 'HC0', 'HC1' or"):
            method(kind=kind)


@pytest.mark.parametrize("run", [dlogreg.fit, dlogreg.plan])
def test_fits_without_standard_errors_refuse_robust_ones(run):
    X, y = fair()
    with pytest.raises(ValueError, match=r"'HC1'.*a penalty has none; .*alpha=0"):
        run(X, y, cov_type="HC1", alpha=0.1)
    with pytest.raises(ValueError, match=r"'HC0'.*inference=False.*inference=True"):
        run(X, y, cov_type="HC0", inference=False)
    wide = np.zeros((10, 3000))
    with pytest.raises(ValueError, match=r"does not form for 3,001.*'newton'"):
        run(wide, np.arange(10) % 2, cov_type="HC0")


def test_results_without_a_closing_pass_say_so():
    X, y = fair()
    penalised = dlogreg.fit(X, y, alpha=0.1, progress=False)
    with pytest.raises(InferenceError, match="penalised coefficients"):
        penalised.cov_params("HC0")
    short = dlogreg.fit(X, y, inference=False, progress=False)
    with pytest.raises(InferenceError, match="inference=False"):
        short.conf_int(kind="HC1")
    with pytest.raises(InferenceError, match=r"no robust covariance.*closing pass"):
        make_results().cov_params("HC0")


def test_separated_data_give_no_robust_standard_errors():
    x = np.linspace(-1, 1, 400)[:, None]
    with pytest.warns(dlogreg.SeparationWarning):
        res = dlogreg.fit(x, x[:, 0] > 0, cov_type="HC1", progress=False)
    with pytest.raises(InferenceError, match="the classes are separated completely"):
        _ = res.bse
    assert "no standard errors" in " ".join(str(res.summary()).split())


def test_weights_that_sum_to_less_than_the_coefficients():
    X, y = fair()
    weight = np.full(len(y), 1e-3)
    options = {"sample_weight": weight, "progress": False}
    res = dlogreg.fit(X, y, cov_type="HC1", **options)
    with pytest.raises(InferenceError, match=r"HC1 divides by .*\(6\.366\).*\(9\)"):
        _ = res.bse
    res = dlogreg.fit(X, y, cov_type="HC0", **options)
    with pytest.raises(InferenceError, match=r"must be positive; take HC0"):
        res.cov_params("HC1")
    one = dlogreg.fit(X, y, cov_type="HC0", progress=False)
    # weights sum s in H and in M, so that their scale goes into HC0 as into H^-1
    np.testing.assert_allclose(res.cov_params(), 1e3 * one.cov_params(), rtol=1e-4)


def test_saved_and_loaded(tmp_path):
    X, y = spector()
    res = dlogreg.fit(X, y, cov_type="HC1", progress=False)
    res.save(tmp_path / "m.json")
    back = dlogreg.load(tmp_path / "m.json")
    for kind in ("model", "HC0", "HC1", None):
        np.testing.assert_array_equal(back.cov_params(kind), res.cov_params(kind))
    assert str(back.summary()) == str(res.summary())

    entries = json.loads((tmp_path / "m.json").read_text())
    del entries["cov_type"], entries["robust_covariance"], entries["sha256"]
    (tmp_path / "old.json").write_text(json.dumps(entries))
    old = dlogreg.load(tmp_path / "old.json")
    np.testing.assert_array_equal(old.cov_params(), res.cov_params("model"))
    with pytest.raises(InferenceError, match="saved by a version that kept none"):
        old.cov_params("HC0")


@pytest.mark.parametrize(
    ("entries", "reason"),
    [
        ({"cov_type": "HC7"}, "'cov_type' is unknown: 'HC7'"),
        ({"cov_type": ["HC0"]}, "'cov_type' is unknown"),
        ({"cov_type": "HC0"}, "is 'HC0', and 'robust_covariance' is null"),
        ({"robust_covariance": [1.0]}, "has 1 numbers instead of 6"),
        ({"robust_covariance": "a"}, "'robust_covariance' must be a list"),
    ],
)
def test_files_that_contradict_themselves(tmp_path, entries, reason):
    make_results().save(tmp_path / "m.json")
    whole = json.loads((tmp_path / "m.json").read_text())
    (tmp_path / "m.json").write_text(json.dumps({**whole, **entries}))
    with pytest.raises(ValueError, match=reason):
        dlogreg.load(tmp_path / "m.json")


def test_the_command_line(tmp_path, binary_data, capsys):
    X, y, _ = binary_data
    group = zarr.open_group(tmp_path / "d.zarr", mode="w")
    group.create_array("X", data=X)
    group.create_array("y", data=y)
    paths = [str(tmp_path / "d.zarr"), "--model", str(tmp_path / "m.json")]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        main(["fit", *paths, "--cov-type", "HC1"], standalone_mode=False)
    assert "robust, HC1" in capsys.readouterr().out
    res = dlogreg.load(tmp_path / "m.json")
    direct = dlogreg.fit(X, y, cov_type="HC1", progress=False)
    np.testing.assert_allclose(res.bse, direct.bse, rtol=1e-7)


@pytest.mark.parametrize("kind", ["frequency", "probability"])
def test_a_cluster_gives_the_same_bits(binary_data, process_cluster, kind):
    X, y, weight = binary_data
    rows = da.from_array(X, chunks=(500, 4))
    options = {"sample_weight": weight, "cov_type": "HC1", "weight_kind": kind}
    here = dlogreg.fit(rows, y, progress=False, **options)
    with Client(process_cluster):
        there = dlogreg.fit(rows, y, progress=False, **options)
    np.testing.assert_array_equal(there.cov_params(), here.cov_params())
