"""Measures of three or more classes: scikit-learn's, from every source, in one pass."""

from __future__ import annotations

import dask
import dask.array as da
import numpy as np
import pandas as pd
import pytest
import zarr
from distributed import Client
from sklearn import metrics
from zarr.storage import MemoryStore

import dlogreg
from dlogreg import DataError
from dlogreg.kernel.class_scores import ClassScoreCollector, capacity_for
from tests.counting import counted_array, forget, reads

LABELS = ("bus", "car", "walk", "bike")


def draw(n=2500, seed=2):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 3)) * [1, 50, 0.1]
    B = rng.normal(size=(3, 4)) / np.array([[1], [50], [0.1]])
    eta = X @ B + [0, 0.5, -0.5, 0]
    y = (eta + rng.gumbel(size=eta.shape)).argmax(axis=1)
    return X, np.array(LABELS)[y], rng.integers(0, 3, n).astype(float)


@pytest.fixture(scope="module")
def rows():
    return draw()


@pytest.fixture(scope="module")
def results(rows):
    X, y, weight = rows
    return dlogreg.fit(X, y, sample_weight=weight, tol=1e-8)


@pytest.fixture(scope="module")
def whole(results, rows):
    return dlogreg.evaluate(results, *rows, in_sample=True)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("alpha", [0.0, 0.01])
def test_measures_are_those_of_scikit_learn(rows, weighted, alpha):
    X, y, weight = rows
    res = dlogreg.fit(X, y, alpha=alpha, tol=1e-7)
    given = weight if weighted else None
    found = dlogreg.evaluate(res, X, y, given)
    kept = weight > 0 if weighted else np.ones(len(y), dtype=bool)
    X, y = X[kept], y[kept]
    options = {"sample_weight": given[kept] if weighted else None}
    p = res.predict(X)
    classes = list(res.classes)
    log_loss = metrics.log_loss(y, p, labels=classes, **options)
    assert found.log_loss == pytest.approx(log_loss, rel=1e-10)
    brier = metrics.brier_score_loss(
        y, p, labels=classes, scale_by_half=False, **options
    )
    assert found.brier == pytest.approx(brier, rel=1e-10)
    called = res.classify(X)
    accuracy = metrics.accuracy_score(y, called, **options)
    assert found.accuracy == pytest.approx(accuracy, rel=1e-12)
    table = metrics.confusion_matrix(y, called, labels=classes, **options)
    np.testing.assert_array_equal(found.confusion, table)
    for ours, theirs in (
        (found.recall, metrics.recall_score),
        (found.precision, metrics.precision_score),
    ):
        expected = theirs(y, called, labels=classes, average=None, **options)
        np.testing.assert_allclose(ours, expected)
    area = metrics.roc_auc_score(y, p, multi_class="ovr", labels=classes, **options)
    if found.macro_auc_error:
        assert abs(found.macro_auc - area) <= found.macro_auc_error
    else:
        assert found.macro_auc == pytest.approx(area, rel=1e-9)
    assert found.macro_auc_error < 2e-3
    for k, label in enumerate(classes):
        one = found[label]
        brier = metrics.brier_score_loss(y == label, p[:, k], **options)
        assert one.brier == pytest.approx(brier, rel=1e-9)
        loss = metrics.log_loss(y == label, p[:, k], **options)
        assert one.log_loss == pytest.approx(loss, rel=1e-9)


def test_in_sample_likelihoods_are_those_of_the_fit(results, whole):
    assert whole.deviance == pytest.approx(results.deviance, rel=1e-10)
    assert whole.null_deviance == pytest.approx(results.null_deviance, rel=1e-10)
    assert whole.prsquared == pytest.approx(results.prsquared, rel=1e-9)
    first = whole["car"]
    assert first.expected_events == pytest.approx(first.n_events, rel=1e-7)
    assert first.in_sample


def sources(X, y, weight):
    yield pd.DataFrame(X, columns=["x1", "x2", "x3"]), y, weight
    group = zarr.create_group(MemoryStore())
    stored = group.create_array("X", shape=X.shape, chunks=(700, 2), dtype="f8")
    stored[:] = X
    yield stored, y, weight
    for chunk in (101, 640, 997, 1500, 2001, 2499, 2500):
        yield da.from_array(X, chunks=(chunk, 2)), da.from_array(y, chunks=777), weight


def test_every_source_gives_the_same(results, whole, rows):
    for given in sources(*rows):
        found = dlogreg.evaluate(results, *given)
        np.testing.assert_array_equal(found.confusion, whole.confusion)
        assert found.log_loss == pytest.approx(whole.log_loss, rel=1e-12)
        np.testing.assert_allclose(found.aucs, whole.aucs, rtol=1e-9)


def test_one_pass_and_the_same_bits_everywhere(results, rows, process_cluster):
    X, y, weight = rows
    lazy = counted_array("classes", X, 250)
    with dask.config.set(scheduler="synchronous"):
        expected = dlogreg.evaluate(results, lazy, y, weight)
    assert reads("classes") == [1] * 10
    forget("classes")
    with dask.config.set(scheduler="threads", num_workers=3):
        found = dlogreg.evaluate(results, lazy, y, weight)
    with Client(process_cluster):
        again = dlogreg.evaluate(results, da.from_array(X, chunks=(250, 3)), y, weight)
    for other in (found, again):
        assert other.llf == expected.llf
        assert other.brier == expected.brier
        for ours, theirs in zip(
            other.sums.by_class, expected.sums.by_class, strict=True
        ):
            np.testing.assert_array_equal(ours.sums, theirs.sums)


def test_certain_rows():
    eta = np.array([[0.0, 900.0, -900.0], [0.0, -3000.0, 2.0], [0, 0, 0]])
    collector = ClassScoreCollector(3)
    collector.add(eta, np.array([0, 2, 1]), None)
    found = collector.sums()
    expected = 900 + np.log1p(np.exp(-2)) + np.log(3)
    assert found.loss == pytest.approx(expected, rel=1e-12)
    assert all(np.isfinite(one.loss) for one in found.by_class)
    assert found.confusion.sum() == 3


def test_bins_of_many_classes_take_no_more_room():
    assert capacity_for(3) == 2**12
    assert capacity_for(200) == 2**9
    for n in (3, 5, 17, 32):
        assert n * capacity_for(n) <= 2**14


def test_the_table(whole):
    text = str(whole)
    assert "Goodness of fit" in text
    assert "Macro AUC" in text
    assert "'bike'" in text
    assert "<table" in whole._repr_html_()
    assert repr(whole).startswith("<ClassGoodness: ")


def test_what_is_refused(results, rows):
    X, y, _ = rows
    other = y.copy()
    other[7] = "boat"
    with pytest.raises(DataError, match=r"'boat'.* in row 7, .*'bike' and 'bus'"):
        dlogreg.evaluate(results, X, other)
    broken = X.copy()
    broken[3, 1] = np.nan
    with pytest.raises(DataError, match="column 'x2' holds NaN in row 3"):
        dlogreg.evaluate(results, broken, y)
    broken[3] = 1.7e308
    with pytest.raises(DataError, match="row 3 of X has values so large"):
        dlogreg.evaluate(results, broken, y)
    for name in ("offset", "trials"):
        with pytest.raises(ValueError, match=f"takes no {name}"):
            dlogreg.evaluate(results, X, y, **{name: np.ones(len(y))})
    with pytest.raises(DataError, match="no rows with a positive weight"):
        dlogreg.evaluate(results, X, y, np.zeros(len(y)))
    with pytest.raises(KeyError, match="is no class of the model"):
        dlogreg.evaluate(results, X, y)["boat"]
