"""evaluate(): the same measures from every source, in one reading of it."""

from __future__ import annotations

import dask
import dask.array as da
import dask.dataframe as dd
import numpy as np
import pandas as pd
import pytest
import zarr
from distributed import Client
from sklearn import metrics
from zarr.storage import MemoryStore

import dlogreg
from dlogreg.scoring import evaluating
from tests.counting import CountedPartition, counted_array, forget, reads
from tests.handmade import make_results

NAMES = ("a", "b", "c", "d")


@pytest.fixture(scope="module")
def results(binary_data):
    X, y, weight = binary_data
    return dlogreg.fit(X, y, sample_weight=weight, feature_names=NAMES, tol=1e-8)


@pytest.fixture(scope="module")
def whole(results, binary_data):
    return dlogreg.evaluate(results, *binary_data)


def same(found, expected):
    """Check that reports are the same but for rounding."""
    assert found.n_rows == expected.n_rows
    assert found.nobs == expected.nobs
    assert found.n_events == expected.n_events
    for name in ("auc", "auc_bse", "brier", "log_loss", "tjur", "average_precision"):
        assert getattr(found, name) == pytest.approx(getattr(expected, name), rel=1e-9)
    ours, theirs = found.hosmer_lemeshow(), expected.hosmer_lemeshow()
    assert ours.statistic == pytest.approx(theirs.statistic, rel=1e-6)


def identical(found, expected):
    for name in ("bins", "sums"):
        ours, theirs = getattr(found.sums, name), getattr(expected.sums, name)
        np.testing.assert_array_equal(ours, theirs)
    for name in ("level", "n_rows", "loss", "squared_error", "event_score"):
        assert getattr(found.sums, name) == getattr(expected.sums, name)


def test_measures_are_those_of_scikit_learn(results, whole, binary_data):
    X, y, weight = binary_data
    p = results.predict(X)
    kept = weight > 0
    options = {"sample_weight": weight[kept]}
    auc = metrics.roc_auc_score(y[kept], p[kept], **options)
    assert whole.auc == pytest.approx(auc, rel=1e-9)
    brier = metrics.brier_score_loss(y[kept], p[kept], **options)
    assert whole.brier == pytest.approx(brier, rel=1e-12)
    assert whole.deviance == pytest.approx(results.deviance, rel=1e-7)
    assert whole.null_deviance == pytest.approx(results.null_deviance, rel=1e-12)
    assert whole.prsquared_nagelkerke == pytest.approx(
        results.prsquared_nagelkerke, rel=1e-7
    )
    # the score equations of a fit with intercept, and the line through its own scores
    assert whole.expected_events == pytest.approx(whole.n_events, rel=1e-8)
    line = whole.calibration_line
    assert line.slope == pytest.approx(1, abs=1e-6)
    assert line.intercept == pytest.approx(0, abs=1e-6)
    assert whole.classes == (0, 1)


@pytest.mark.parametrize("chunk", [101, 700, 6000])
def test_dask_of_any_chunks(results, whole, binary_data, chunk):
    X, y, weight = binary_data
    lazy = da.from_array(X, chunks=(chunk, 3))
    labels = da.from_array(y, chunks=997)
    found = dlogreg.evaluate(results, lazy, labels, weight, progress=False)
    same(found, whole)


def test_zarr(results, whole, binary_data, small_blocks):
    X, y, weight = binary_data
    group = zarr.create_group(MemoryStore())
    arrays = []
    for name, values in (("X", X), ("y", y), ("w", weight)):
        array = group.create_array(
            name, shape=values.shape, chunks=(500, *values.shape[1:]), dtype="f8"
        )
        array[:] = values
        arrays.append(array)
    same(dlogreg.evaluate(results, *arrays), whole)


def test_columns_of_frames_are_found_by_name(results, whole, binary_data):
    X, y, weight = binary_data
    frame = pd.DataFrame(X, columns=list(NAMES)).assign(y=y, w=weight, text="t")
    frame = frame[["w", "c", "text", "a", "y", "d", "b"]]
    same(dlogreg.evaluate(results, frame, frame["y"], frame["w"]), whole)
    lazy = dd.from_pandas(frame, npartitions=7)
    same(dlogreg.evaluate(results, lazy, lazy["y"], lazy["w"]), whole)
    with pytest.raises(dlogreg.DataError, match="X lacks 1 of the 4 columns"):
        dlogreg.evaluate(results, frame.drop(columns="a"), y)


def test_every_block_is_read_once(results, binary_data):
    X, y, weight = binary_data
    blocks, labels = counted_array("rows", X, 300), counted_array("labels", y, 300)
    forget("rows", "labels")
    with dask.config.set(scheduler="threads"):
        dlogreg.evaluate(results, blocks, labels, weight)
    assert reads("rows") == [1] * 20
    assert reads("labels") == [1] * 20
    frame = pd.DataFrame(X, columns=list(NAMES)).assign(y=y)
    lines = dd.from_map(CountedPartition("lines", frame, 12), range(12))
    forget("lines")
    report = dlogreg.evaluate(results, lines, lines.y)
    assert reads("lines") == [1] * 12
    forget("lines")
    str(report)
    assert reads("lines") == []


def test_schedulers_agree_to_the_bit(results, binary_data):
    X, y, weight = binary_data
    lazy = da.from_array(X, chunks=(200, 4))
    found = []
    for name, workers in (("synchronous", 1), ("threads", 2), ("threads", 5)):
        with dask.config.set(scheduler=name, num_workers=workers):
            found.append(dlogreg.evaluate(results, lazy, y, weight))
    for report in found[1:]:
        identical(report, found[0])


@pytest.mark.cluster
def test_a_cluster_agrees_to_the_bit(results, binary_data, process_cluster):
    X, y, weight = binary_data
    lazy = da.from_array(X, chunks=(200, 4))
    here = dlogreg.evaluate(results, lazy, y, weight)
    with Client(process_cluster):
        there = dlogreg.evaluate(results, lazy, y, weight)
        sent = dlogreg.evaluate(results, X, y, weight)
    identical(there, here)
    same(sent, here)


def test_small_arrays_need_no_scheduler_and_large_ones_do(
    results, binary_data, whole, monkeypatch
):
    calls = []

    def refuse(*arguments, **options):
        calls.append(1)
        return dask.threaded.get(*arguments, **options)

    with dask.config.set(scheduler=refuse):
        dlogreg.evaluate(results, *binary_data)
        assert calls == []
        monkeypatch.setattr(evaluating, "INLINE_BYTES", 0)
        same(dlogreg.evaluate(results, *binary_data), whole)
        assert calls != []


def test_labels_of_any_kind():
    rng = np.random.default_rng(4)
    X = rng.normal(size=(300, 1))
    event = rng.random(300) < 0.4
    reports = []
    for labels in (event, event.astype(float), np.where(event, "yes", "no")):
        res = dlogreg.fit(X, labels)
        reports.append(dlogreg.evaluate(res, X, labels))
        assert reports[-1].classes == res.classes
        assert reports[-1].auc == reports[0].auc
    assert "'yes'" in str(reports[2])


def test_aliased_columns_and_models_without_intercept():
    rng = np.random.default_rng(4)
    X = rng.normal(size=(300, 2))
    y = rng.random(300) < 0.4
    with pytest.warns(dlogreg.CollinearityWarning):
        res = dlogreg.fit(np.column_stack([X, X[:, 0]]), y, fit_intercept=False)
    plain = dlogreg.fit(X, y, fit_intercept=False)
    found = dlogreg.evaluate(res, np.column_stack([X, X[:, 0]]), y)
    assert found.auc == pytest.approx(dlogreg.evaluate(plain, X, y).auc)


def test_rows_of_weight_zero_may_hold_anything(results, whole, binary_data):
    X, y, weight = (v.copy() for v in binary_data)
    y, first = y.astype(object), int(np.flatnonzero(weight == 0)[0])
    X[first], y[first] = np.nan, "neither"
    same(dlogreg.evaluate(results, X, y, weight), whole)


@pytest.mark.parametrize("kind", ["numpy", "dask"])
def test_rows_that_cannot_be_scored_are_named(results, binary_data, kind):
    X, y, weight = binary_data

    def refused(X, y, weight, message):
        if kind == "dask":
            X, y = da.from_array(X, chunks=(500, 4)), da.from_array(y, chunks=500)
        with pytest.raises(dlogreg.DataError, match=message):
            dlogreg.evaluate(results, X, y, weight)

    for value, word in ((np.nan, "NaN"), (np.inf, "infinity")):
        holed = X.copy()
        holed[1234, 2] = value
        refused(holed, y, None, rf"column 'c' holds {word} in row 1234 of X; remove")
    other = y.copy()
    other[4321] = 2
    refused(X, other, None, r"y is .*2.* in row 4321, but the model knows 0 and 1")
    missing = y.astype(float)
    missing[77] = np.nan
    refused(X, missing, None, "y is nan in row 77; remove rows without an outcome")
    negative = weight.copy()
    negative[5] = -1
    refused(X, y, negative, "sample_weight is -1.0 in row 5")
    refused(X, y, np.zeros(len(y)), "no rows with a positive weight")


def test_linear_predictors_that_overflow_are_named():
    res = make_results((0.0, 100.0), feature_names=("x",))
    X = np.ones((50, 1))
    X[31] = 1e307
    with pytest.raises(dlogreg.DataError, match="row 31 of X has values so large"):
        dlogreg.evaluate(res, X, np.arange(50) % 2)


def test_other_shapes_are_refused(results, binary_data):
    X, y, _ = binary_data
    with pytest.raises(dlogreg.DataError, match="X has 3 columns, but the model was"):
        dlogreg.evaluate(results, X[:, :3], y)
    with pytest.raises(dlogreg.DataError, match="X has 6000 rows but y has 10"):
        dlogreg.evaluate(results, X, y[:10])


def test_in_sample_changes_the_degrees_of_freedom_alone(results, whole, binary_data):
    inside = dlogreg.evaluate(results, *binary_data, in_sample=True)
    assert inside.hosmer_lemeshow().df == whole.hosmer_lemeshow().df - 2
    assert "new data" in str(whole)
    assert "new data" not in str(inside)
    identical(inside, whole)


def test_a_report_is_shown(whole):
    text = str(whole)
    assert text == str(whole.summary())
    assert "Status" not in text
    assert f"{whole.auc:.5f} ({whole.auc_bse:.2g})" in text
    assert " 0.0000 (" in text  # the line of a fit's own rows, not its rounding
    assert " 1.0000 (" in text
    assert f"{whole.hosmer_lemeshow().statistic:.3f}" in text
    assert "bins" not in text
    html = whole._repr_html_()
    assert html.count("<tr>") > 10
    assert "Status" not in html
    assert "probability</th>" in html
    assert repr(whole).startswith("<GoodnessOfFit: ")
    assert "\n" not in repr(whole)
    other = str(whole.summary(groups=4, threshold=0.25, alpha=0.5))
    assert "chi2(4)" in other
    assert "p > 0.25" in other
    assert "50 % interval" in other
    with pytest.raises(ValueError, match="alpha must lie"):
        whole.summary(alpha=2)


def test_bins_are_mentioned_where_there_are_any():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(20_000, 1))
    y = rng.random(20_000) < 0.3
    found = dlogreg.evaluate(dlogreg.fit(X, y), X, y)
    assert not found.exact
    assert "Scores were counted in bins: the AUC is within" in str(found)


def test_a_model_that_tells_nothing():
    res = make_results((0.3, 0.0), feature_names=("x",))
    rows = np.arange(40.0)[:, None], np.arange(40) % 2
    inside = dlogreg.evaluate(res, *rows, in_sample=True)
    assert inside.auc == 0.5
    assert "Hosmer-Lemeshow test: - (too few groups)" in str(inside)
    assert "chi2(1)" in str(dlogreg.evaluate(res, *rows))


def test_progress_shows_the_pass(results, binary_data, capsys):
    dlogreg.evaluate(results, *binary_data, progress=True)
    assert "evaluate" in capsys.readouterr().err
    dlogreg.evaluate(results, *binary_data, progress=False)
    assert capsys.readouterr().err == ""
