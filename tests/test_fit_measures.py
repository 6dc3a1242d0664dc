"""Goodness of fit from the closing pass: the same as by scoring every row, unread."""

from __future__ import annotations

import pickle

import dask
import dask.array as da
import numpy as np
import pytest
import zarr
from distributed import Client
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics
from zarr.storage import MemoryStore

import dlogreg
from dlogreg import DataError, InferenceError
from dlogreg.kernel.scores import ScoreSums
from tests.counting import counted_array, forget, reads

NAMES = ("a", "b", "c", "d")


@pytest.fixture(scope="module")
def results(binary_data):
    X, y, weight = binary_data
    return dlogreg.fit(X, y, sample_weight=weight, feature_names=NAMES, tol=1e-8)


def test_measures_are_those_of_scikit_learn(results, binary_data):
    X, y, weight = binary_data
    found = results.goodness_of_fit()
    kept = weight > 0
    rows, options = (y[kept], results.predict(X)[kept]), {"sample_weight": weight[kept]}
    assert found.exact
    auc = metrics.roc_auc_score(*rows, **options)
    assert found.auc == pytest.approx(auc, rel=1e-9)
    brier = metrics.brier_score_loss(*rows, **options)
    assert found.brier == pytest.approx(brier, rel=1e-9)
    log_loss = metrics.log_loss(*rows, **options)
    assert found.log_loss == pytest.approx(log_loss, rel=1e-9)
    fpr, tpr, _ = metrics.roc_curve(*rows, drop_intermediate=False, **options)
    np.testing.assert_allclose(results.roc().fpr, fpr, rtol=1e-9)
    np.testing.assert_allclose(results.roc().tpr, tpr, rtol=1e-9)
    assert found.deviance == results.deviance
    assert found.prsquared_nagelkerke == results.prsquared_nagelkerke


def alike(found, expected, rel=1e-7):
    """Check that two reports say the same of the same rows."""
    assert found.n_rows == expected.n_rows
    assert found.nobs == pytest.approx(expected.nobs, rel=1e-12)
    for name in ("auc", "auc_bse", "brier", "log_loss", "tjur", "average_precision"):
        assert getattr(found, name) == pytest.approx(getattr(expected, name), rel=rel)
    ours, theirs = found.hosmer_lemeshow(), expected.hosmer_lemeshow()
    assert ours.df == theirs.df
    assert ours.statistic == pytest.approx(theirs.statistic, rel=1e-5)
    assert found.classification_table(0.4) == expected.classification_table(0.4)


def test_they_are_those_of_evaluate(results, binary_data):
    expected = dlogreg.evaluate(results, *binary_data, in_sample=True)
    alike(results.goodness_of_fit(), expected)
    test = results.hosmer_lemeshow(8)
    assert test.statistic == pytest.approx(expected.hosmer_lemeshow(8).statistic)
    np.testing.assert_allclose(
        results.calibration(5).events, expected.calibration(5).events
    )
    np.testing.assert_allclose(
        results.precision_recall().precision, expected.precision_recall().precision
    )


@pytest.mark.parametrize("columns", [5, 40])
@pytest.mark.parametrize("intercept", [True, False])
def test_both_layouts_of_slabs(columns, intercept):
    rng = np.random.default_rng(columns)
    X = rng.normal(size=(4000, columns)) + 0.3
    X[:, -1] = rng.random(4000) < 0.2
    y = (rng.random(4000) < 1 / (1 + np.exp(-X[:, 0] - X[:, -1] + 0.5))).astype(int)
    res = dlogreg.fit(X, y, fit_intercept=intercept)
    alike(res.goodness_of_fit(), dlogreg.evaluate(res, X, y, in_sample=True), 1e-5)
    sums, p = res.column_sums, res.predict(X)
    Z = np.column_stack([np.ones(4000), X]) if intercept else X
    w = p * (1 - p)
    np.testing.assert_allclose(sums.total, Z.sum(axis=0))
    np.testing.assert_allclose(sums.observed, y @ Z)
    np.testing.assert_allclose(sums.expected, p @ Z, rtol=1e-6)
    np.testing.assert_allclose(sums.bend, (w * (1 - 2 * p)) @ Z, rtol=1e-4, atol=1e-3)
    assert sums.curvature == pytest.approx(w.sum(), rel=1e-5)
    assert sums.predictor == pytest.approx(res.decision_function(X).sum(), rel=1e-9)
    assert sums.information[-1] == pytest.approx(w @ X[:, -1], rel=1e-5)
    assert res.indicators == (f"x{columns}",)


def sources(X, y, weight):
    group = zarr.create_group(MemoryStore())
    stored = group.create_array("X", shape=X.shape, chunks=(700, 4), dtype="f8")
    stored[:] = X
    yield X, y, weight
    for chunk in (101, 640, 997, 1500, 3001, 5999, 6000):
        yield da.from_array(X, chunks=(chunk, 3)), y, da.from_array(weight, chunks=997)
    yield stored, y, weight


def test_every_source_gives_the_same(results, binary_data):
    expected = results.goodness_of_fit()
    for X, y, weight in sources(*binary_data):
        found = dlogreg.fit(X, y, sample_weight=weight, tol=1e-8).goodness_of_fit()
        alike(found, expected)
        assert found.checks.all_passed


def identical(found, expected):
    for name in ("bins", "sums"):
        ours, theirs = getattr(found.scores, name), getattr(expected.scores, name)
        np.testing.assert_array_equal(ours, theirs)
    for name in (
        "total",
        "observed",
        "expected",
        "information",
        "bend",
        "curvature",
        "predictor",
    ):
        ours, theirs = (getattr(r.column_sums, name) for r in (found, expected))
        np.testing.assert_array_equal(ours, theirs)


def test_bits_do_not_depend_on_the_scheduler(binary_data, process_cluster):
    X, y, weight = binary_data
    lazy = da.from_array(X, chunks=(301, 4))
    with dask.config.set(scheduler="synchronous"):
        expected = dlogreg.fit(lazy, y, sample_weight=weight)
    with dask.config.set(scheduler="threads", num_workers=3):
        identical(dlogreg.fit(lazy, y, sample_weight=weight), expected)
    with Client(process_cluster):
        identical(dlogreg.fit(lazy, y, sample_weight=weight), expected)


def everything(res):
    res.roc()
    res.precision_recall()
    res.hosmer_lemeshow()
    res.calibration()
    return str(res.goodness_of_fit())


@pytest.mark.parametrize("tol", [1e-4, 1e-9])
def test_nothing_is_read_after_the_closing_pass(binary_data, tol):
    X, y, weight = binary_data
    res = dlogreg.fit(counted_array("rows", X, 500), y, sample_weight=weight, tol=tol)
    forget("rows")
    everything(res)
    assert reads("rows") == []


@pytest.mark.parametrize("options", [{"inference": False}, {"alpha": 0.01}])
def test_without_a_closing_pass_one_is_made_once(binary_data, options):
    X, y, _ = binary_data
    res = dlogreg.fit(counted_array("again", X, 500), y, **options, tol=1e-7)
    assert res.scores is None
    forget("again")
    found = res.goodness_of_fit()
    assert reads("again") == [1] * 12
    everything(res)
    assert reads("again") == [1] * 12
    alike(found, dlogreg.evaluate(res, X, y, in_sample=True))
    assert found.checks.all_passed
    assert found.checks.names == (
        ("const", "x4") if "inference" in options else ("const",)
    )


def test_wide_data_that_form_no_hessian(binary_data):
    X, y, weight = binary_data
    res = dlogreg.fit(X, y, sample_weight=weight, solver="lbfgs", inference=False)
    found = res.goodness_of_fit()
    alike(found, dlogreg.evaluate(res, X, y, weight, in_sample=True))


def test_probabilities_sum_to_the_events_of_every_indicator(results, binary_data):
    X, y, weight = binary_data
    checks = results.goodness_of_fit().checks
    assert checks.names == ("const", "d")
    p = results.predict(X)
    for k, column in enumerate([np.ones(len(y)), X[:, 3]]):
        assert checks.observed[k] == pytest.approx((weight * y) @ column, rel=1e-12)
        expected = (weight * p) @ column
        assert checks.expected[k] == pytest.approx(expected, rel=1e-11)
        room = results.tol * np.sqrt((weight * p * (1 - p)) @ column)
        rounding = 1e-12 * weight.sum()
        assert checks.allowed[k] == pytest.approx(room + rounding, rel=1e-6)
    assert checks.passed.all()
    assert "overall and in 1 0/1 column(s): yes" in str(results.goodness_of_fit())


def test_a_fit_that_stopped_early_fails_the_check(binary_data):
    X, y, _ = binary_data
    with pytest.warns(dlogreg.ConvergenceWarning):
        res = dlogreg.fit(X, y, max_passes=3, inference=False, solver="lbfgs")
    report = res.goodness_of_fit()
    assert not report.checks.all_passed
    text = " ".join(str(report).split())
    assert "overall and in 1 0/1 column(s): NO for" in text
    assert "expected," in text


def test_without_intercept_and_indicators_there_is_nothing_to_compare(binary_data):
    X, y, _ = binary_data
    res = dlogreg.fit(X[:, :2] / [1, 1000], y, fit_intercept=False)
    report = res.goodness_of_fit()
    assert len(report.checks) == 0
    assert "Events expected" not in str(report)
    with_one = dlogreg.fit(X[:, 2:], y, fit_intercept=False).goodness_of_fit()
    assert with_one.checks.names == ("x2",)
    assert "observed, in 1 0/1 column(s): yes" in str(with_one)


def test_what_is_no_indicator():
    rng = np.random.default_rng(4)
    X = rng.random((3000, 6))
    X[:, 0] = rng.random(3000) < 0.5
    X[:, 1] = X[:, 0] * 2
    X[:, 2] = X[:, 0] - 0.5
    X[:, 3] = np.where(rng.random(3000) < 0.01, 0.5, rng.random(3000) < 0.5)
    X[:, 4] = rng.random(3000) < 0.3
    y = rng.integers(0, 2, 3000)
    with pytest.warns(dlogreg.CollinearityWarning):
        res = dlogreg.fit(X, y)
    assert res.indicators == ("x1", "x5")


def test_weights_of_other_kinds(binary_data):
    X, y, weight = binary_data
    options = {"sample_weight": 2 * weight, "tol": 1e-8}
    analytic = dlogreg.fit(X, y, weight_kind="analytic", **options).goodness_of_fit()
    frequency = dlogreg.fit(X, y, **options).goodness_of_fit()
    for name in ("auc", "brier", "tjur", "log_loss"):
        ours, theirs = getattr(analytic, name), getattr(frequency, name)
        assert ours == pytest.approx(theirs, rel=1e-9)
    assert analytic.nobs == (weight > 0).sum()
    sampled = dlogreg.fit(X, y, weight_kind="probability", **options)
    report = sampled.goodness_of_fit()
    assert np.isnan(report.auc_bse)
    assert np.isnan(report.auc_conf_int()).all()
    with pytest.raises(InferenceError, match="Hosmer and Lemeshow counts rows"):
        sampled.hosmer_lemeshow()
    assert "(probability weights)" in str(report)
    without = dlogreg.fit(X, y, weight_kind="probability", inference=False, **options)
    again = without.goodness_of_fit()
    assert again.brier == pytest.approx(report.brier, rel=1e-9)


def test_saved_results_need_their_rows_and_pickled_ones_do_not(
    results, binary_data, tmp_path
):
    expected = results.goodness_of_fit()
    alike(pickle.loads(pickle.dumps(results)).goodness_of_fit(), expected)
    assert len(pickle.dumps(results)) < 2**20
    results.save(tmp_path / "m.json")
    assert (tmp_path / "m.json").stat().st_size < 20_000
    loaded = dlogreg.load(tmp_path / "m.json")
    assert loaded.indicators == ("d",)
    with pytest.raises(InferenceError, match=r"goodness_of_fit.*X=X, y=y"):
        loaded.roc()
    X, y, weight = binary_data
    with pytest.raises(DataError, match="not those of the fit"):
        loaded.goodness_of_fit(X[1:], y[1:], weight[1:])
    alike(loaded.goodness_of_fit(X, y, weight), expected)
    loaded.roc()


@given(st.integers(0, 2**32 - 1), st.sampled_from([16, 64, 300]))
def test_sums_of_any_parts_are_those_of_all(seed, capacity):
    rng = np.random.default_rng(seed)
    eta = rng.normal(size=500) * rng.choice([1e-3, 1, 50])
    if rng.random() < 0.5:
        eta = eta.round(rng.integers(0, 3))
    event, weight = rng.random(500) < 0.4, rng.integers(1, 4, 500).astype(float)
    whole = ScoreSums.of(eta, event, weight, capacity)
    borders = np.sort(rng.integers(0, 500, 5))
    parts = [
        ScoreSums.of(e, v, w, capacity)
        for e, v, w in zip(
            *(np.split(x, borders) for x in (eta, event, weight)), strict=True
        )
    ]
    total = parts[0]
    for part in parts[1:]:
        total = total + part
    np.testing.assert_array_equal(total.bins, whole.bins)
    np.testing.assert_array_equal(total.sums[:2], whole.sums[:2])
    np.testing.assert_allclose(total.sums[2:], whole.sums[2:], atol=1e-9)
    assert total.level == whole.level
    assert len(total.bins) <= capacity


def separated_by_a_column():
    rng = np.random.default_rng(3)
    X = rng.normal(size=(4000, 3))
    X[:, 2] = rng.random(4000) < 0.2
    y = (rng.random(4000) < 1 / (1 + np.exp(-X[:, 0]))).astype(int)
    y[X[:, 2] == 1] = 1
    return X, y


def test_separated_rows_count_as_certain():
    X, y = separated_by_a_column()
    with pytest.warns(dlogreg.SeparationWarning):
        res = dlogreg.fit(counted_array("split", X, 500), y)
    assert res.separation == "quasi-complete"
    forget("split")
    found = res.goodness_of_fit()
    assert reads("split") == [1] * 8
    assert found.n_rows == 4000
    p = res.predict(X)
    assert found.auc == pytest.approx(metrics.roc_auc_score(y, p), rel=1e-9)
    assert found.brier == pytest.approx(metrics.brier_score_loss(y, p), rel=1e-9)
    assert found.deviance == res.deviance
    assert found.checks.all_passed


def test_offsets(binary_data, tmp_path):
    X, y, weight = binary_data
    offset = 0.3 * np.sin(np.arange(len(y)))
    rows = {"sample_weight": weight, "offset": offset}
    res = dlogreg.fit(X, y, **rows, tol=1e-8)
    expected = dlogreg.evaluate(res, X, y, **rows, in_sample=True)
    found = res.goodness_of_fit()
    alike(found, expected)
    assert found.null_deviance == pytest.approx(expected.null_deviance, rel=1e-9)
    assert found.checks.all_passed
    res.save(tmp_path / "m.json")
    loaded = dlogreg.load(tmp_path / "m.json")
    alike(loaded.goodness_of_fit(X, y, **rows), expected)
    with pytest.raises(ValueError, match="needs an offset"):
        loaded.goodness_of_fit(X, y, weight)
    again = dlogreg.fit(X, y, **rows, inference=False).goodness_of_fit()
    alike(again, expected, rel=1e-5)
