"""Likelihood-ratio tests against refits by statsmodels; passes and bad input."""

from __future__ import annotations

import copy
import pickle
import warnings
from dataclasses import replace

import dask.array as da
import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
import zarr
from distributed import Client
from scipy import stats

import dlogreg
from dlogreg import DataError, InferenceError
from tests.counting import counted_array, forget, reads
from tests.handmade import make_results
from tests.test_results import fair, spector


def refit(X, y, weight=None):
    """Return statsmodels' fit with frequency weights."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        exog = np.asarray(X, float)
        model = sm.GLM(
            np.asarray(y, float),
            exog,
            family=sm.families.Binomial(),
            freq_weights=None if weight is None else np.asarray(weight, float),
        )
        return model.fit(tol=1e-13, maxiter=30, tol_criterion="params")


def likelihood_ratios(X, y, groups, weight=None, intercept=True):
    """Return the statistics of dropping groups of columns, each refitted."""
    X = np.asarray(X, float)
    design = sm.add_constant(X, has_constant="add") if intercept else X
    full = refit(design, y, weight).llf
    rest = [np.delete(design, np.add(g, int(intercept)), axis=1) for g in groups]
    return np.array([2 * (full - refit(part, y, weight).llf) for part in rest])


@pytest.fixture(scope="module", params=[spector, fair], ids=["spector", "fair"])
def data(request):
    return request.param()


def test_every_column_dropped_is_that_of_refits(data):
    X, y = data
    res = dlogreg.fit(X, y, tol=1e-8, progress=False)
    table = res.lr_test()
    expected = likelihood_ratios(X, y, [[j] for j in range(X.shape[1])])
    assert table.terms == tuple(X.columns)
    np.testing.assert_allclose(table.statistics, expected, rtol=1e-7)
    assert (np.abs(table.statistics - expected) <= table.error_bounds + 1e-9).all()
    np.testing.assert_allclose(
        table.pvalues, stats.chi2.sf(expected, 1), rtol=1e-6, atol=1e-300
    )
    assert (table.df == 1).all()
    assert (table.error_bounds < 1e-8).all()


def test_the_error_bound_holds_at_the_default_tolerance(data):
    X, y = data
    res = dlogreg.fit(X, y, progress=False)
    table = res.lr_test()
    expected = likelihood_ratios(X, y, [[j] for j in range(X.shape[1])])
    error = np.abs(np.asarray(table.statistics) - expected)
    assert (error <= np.asarray(table.error_bounds) + 1e-9).all()
    assert (table.error_bounds < 1e-6).all()


def test_terms_of_several_columns(data):
    X, y = data
    res = dlogreg.fit(X, y, tol=1e-8, progress=False)
    a, b, c = X.columns[:3]
    expected = likelihood_ratios(X, y, [[0, 2], [1]])
    table = res.lr_test(terms={"two": [a, c], "one": b})
    np.testing.assert_allclose(table.statistics, expected, rtol=1e-7)
    assert table.df.tolist() == [2, 1]
    assert table["two"].pvalue == pytest.approx(stats.chi2.sf(expected[0], 2))
    listed = res.lr_test(terms=[[a, c], b])
    assert listed.terms == (f"{a} + {c}", b)
    np.testing.assert_array_equal(listed.statistics, table.statistics)


def test_all_columns_dropped_is_the_null_model(data):
    X, y = data
    res = dlogreg.fit(X, y, tol=1e-8, progress=False)
    table = res.lr_test(terms={"all": list(X.columns)})
    assert table["all"].statistic == pytest.approx(res.llr, rel=1e-9)
    assert table["all"].pvalue == pytest.approx(res.llr_pvalue, rel=1e-6)


def test_a_smaller_model_is_compared_without_reading():
    X, y = fair()
    columns = counted_array("nested", X.to_numpy(float), 500)
    larger = dlogreg.fit(columns, y, tol=1e-8)
    smaller = dlogreg.fit(X.to_numpy(float)[:, :5], y, tol=1e-8)
    forget("nested")
    found = larger.lr_test(smaller)
    assert reads("nested") == []
    (expected,) = likelihood_ratios(X, y, [list(range(5, X.shape[1]))])
    assert found.statistic == pytest.approx(expected, rel=1e-7)
    assert found.df == X.shape[1] - 5
    assert found.pvalue == pytest.approx(stats.chi2.sf(expected, found.df), rel=1e-6)
    assert np.isnan(found.error_bound)
    assert str(found).startswith(f"chi2({found.df}) = ")


@pytest.mark.parametrize("intercept", [True, False])
def test_weights_and_no_intercept(binary_data, intercept):
    X, y, weight = binary_data
    X, y, weight = X[:2000] / [1, 1000, 1, 1], y[:2000], weight[:2000]
    res = dlogreg.fit(
        X, y, sample_weight=weight, fit_intercept=intercept, tol=1e-8, progress=False
    )
    table = res.lr_test()
    expected = likelihood_ratios(X, y, [[0], [1], [2], [3]], weight, intercept)
    np.testing.assert_allclose(table.statistics, expected, rtol=1e-7)


def test_columns_far_from_zero(binary_data):
    X, y, _ = binary_data
    X = X[:3000] / [1, 1000, 1, 1]
    moved = X + np.array([1e8, -1e6, 1e4, 0])
    near = dlogreg.fit(X, y[:3000], tol=1e-8, progress=False)
    far = dlogreg.fit(moved, y[:3000], tol=1e-8, progress=False)
    exact = dlogreg.fit(
        moved - np.array([1e8, -1e6, 1e4, 0]), y[:3000], tol=1e-8, progress=False
    )
    statistics = np.asarray(exact.lr_test().statistics)
    np.testing.assert_allclose(far.lr_test().statistics, statistics, rtol=1e-6)
    np.testing.assert_allclose(near.lr_test().statistics, statistics, rtol=1e-4)


CHUNKS = [(6000,), (100,) * 60, (1, 5998, 1), (7, 1993) * 3, (999,) * 6 + (6,)]


def sources(X, y, weight, folder):
    yield X, y, weight
    for chunks in CHUNKS:
        yield da.from_array(X, chunks=(chunks, 2)), da.from_array(y, 700), weight
    blocks = da.from_array(X, chunks=(500, 4))
    kept = da.from_array(np.ones(len(X), dtype=bool), chunks=500)
    yield blocks[kept], da.from_array(y, 500)[kept], da.from_array(weight, 500)[kept]
    root = zarr.create_group(zarr.storage.LocalStore(folder / "store"))
    for name, values in {"X": X, "y": y, "w": weight}.items():
        chunks = (701, *values.shape[1:])
        root.create_array(name, shape=values.shape, chunks=chunks, dtype=values.dtype)
        root[name][:] = values
    yield root["X"], root["y"], root["w"]
    yield pd.DataFrame(X), pd.Series(y), pd.Series(weight)


def test_sources_give_the_same(binary_data, small_blocks, tmp_path):
    X, y, weight = binary_data
    extra = X[:, :2] ** 2
    found = []
    for source in sources(X, y, weight, tmp_path):
        res = dlogreg.fit(source[0], source[1], sample_weight=source[2], tol=1e-8)
        found.append(
            (
                res.lr_test().statistics,
                res.conf_int(method="profile"),
                res.score_test(extra).statistics,
            )
        )
    for other in found[1:]:
        for ours, theirs in zip(found[0], other, strict=True):
            np.testing.assert_allclose(theirs, ours, rtol=1e-7)


@pytest.mark.cluster
def test_a_cluster_gives_the_same_bits(binary_data, small_blocks, process_cluster):
    X, y, weight = (values[:1500] for values in binary_data)
    res = dlogreg.fit(X, y, sample_weight=weight)
    Z = da.from_array(X[:, :2] ** 2, chunks=(997, 2))

    def found():
        return (
            res.lr_test().statistics,
            res.conf_int(method="profile"),
            res.score_test(Z).statistics,
        )

    here = found()
    with Client(process_cluster):
        there = found()
    for ours, theirs in zip(here, there, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def easy(n=6000, d=8, seed=0, effect=0.3):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, d)) @ (np.eye(d) + 0.3 * rng.normal(size=(d, d)))
    eta = X @ rng.normal(size=d) * effect - 1
    return X, (rng.random(n) < 1 / (1 + np.exp(-eta))).astype(int)


@pytest.mark.parametrize(
    ("effect", "most"), [(0.03, 2), (0.1, 3), (0.3, 4), (1.0, 6), (3.0, 7)]
)
def test_passes_are_few_and_shared(effect, most):
    X, y = easy(effect=effect)
    blocks = counted_array("dropped", X, 500)
    res = dlogreg.fit(blocks, y)
    forget("dropped")
    table = res.lr_test()
    assert reads("dropped") == [table.n_passes] * 12
    assert table.n_passes <= most


def test_more_models_than_fit_into_a_batch(monkeypatch):
    X, y = easy()
    res = dlogreg.fit(X, y)
    whole = res.lr_test()
    monkeypatch.setattr("dlogreg.inference.batch.BATCH_VALUES", 27)
    parts = res.lr_test()
    np.testing.assert_allclose(parts.statistics, whole.statistics, rtol=1e-8)
    assert parts.n_passes > whole.n_passes


def test_aliased_columns_have_nothing_to_test():
    X, y = easy(d=3)
    X = np.column_stack([X, X[:, 0] - X[:, 1], np.ones(len(X))])
    with pytest.warns(dlogreg.CollinearityWarning):
        res = dlogreg.fit(X, y, tol=1e-8)
    table = res.lr_test()
    expected = likelihood_ratios(X[:, :3], y, [[0], [1], [2]])
    np.testing.assert_allclose(table.statistics[:3], expected, rtol=1e-7)
    assert table.df.tolist() == [1, 1, 1, 0, 0]
    assert np.isnan(table.statistics[3:]).all()
    assert np.isnan(table.pvalues[3:]).all()
    both = res.lr_test(terms={"both": ["x1", "x4"]})["both"]
    assert both.df == 1
    assert both.statistic == pytest.approx(expected[0], rel=1e-7)


def test_tables_show_and_index():
    X, y = easy(d=3)
    table = dlogreg.fit(X, y, feature_names=["a<b", "age", "wt"]).lr_test()
    lines = str(table).splitlines()
    assert lines[1].split() == ["statistic", "df", "pvalue", "error", "bound"]
    assert lines[2].split()[:2] == ["a<b", f"{table['a<b'].statistic:.3f}"]
    assert repr(table) == str(table)
    assert "a&lt;b" in table._repr_html_()
    assert list(table) == ["a<b", "age", "wt"]
    assert len(table) == 3
    frame = table.to_frame()
    assert frame.loc["age", "statistic"] == table["age"].statistic
    assert list(frame.columns) == ["statistic", "df", "pvalue", "error_bound"]
    with pytest.raises(KeyError, match="no term is named 'weight'; there are 'a<b'"):
        table["weight"]


def test_bad_terms():
    X, y = easy(d=3)
    res = dlogreg.fit(X, y)
    with pytest.raises(ValueError, match="no coefficient is named 'x9'; there are"):
        res.lr_test(terms=["x9"])
    with pytest.raises(ValueError, match="term 'none' has no columns"):
        res.lr_test(terms={"none": []})
    with pytest.raises(ValueError, match="not both"):
        res.lr_test(res, terms=["x1"])


def test_fits_that_cannot_be_tested():
    X, y = easy(d=2)
    for options, reason in (
        ({"alpha": 0.1}, "penalised"),
        ({"inference": False}, "inference=False"),
    ):
        res = dlogreg.fit(X, y, **options)
        for method in (
            res.lr_test,
            lambda res=res: res.score_test(X[:, 0] ** 2),
            lambda res=res: res.conf_int(method="profile"),
        ):
            with pytest.raises(InferenceError, match=reason):
                method()
    with pytest.warns(dlogreg.ConvergenceWarning):
        res = dlogreg.fit(X * 3, y, max_passes=2, tol=1e-12)
    with pytest.raises(InferenceError, match="needs a fit that converged"):
        res.lr_test()
    label = (X[:, 0] > 0).astype(int)
    with pytest.warns(dlogreg.SeparationWarning):
        res = dlogreg.fit(X, label)
    with pytest.raises(InferenceError, match="'x1' separate"):
        res.lr_test()


def test_more_than_two_classes_are_refused():
    res = make_results(classes=(0, 1, 2), class_counts={0: 40, 1: 30, 2: 30})
    with pytest.raises(
        InferenceError, match="made for two classes, and this fit has 3"
    ):
        res.lr_test(X=np.zeros((100, 2)), y=np.resize([0, 1, 2], 100))


def test_fits_that_are_not_nested():
    X, y = easy(d=3)
    res = dlogreg.fit(X, y)
    swapped = dlogreg.fit(X[:, :1], 1 - y)
    for other, reason in (
        (dlogreg.fit(X[1:, :1], y[1:]), "different numbers of rows"),
        (swapped, "numbers of rows by class"),
        (dlogreg.fit(X[:, :1], y, classes=(1, 0)), "different classes"),
        (dlogreg.fit(X[:, :1], y, sample_weight=np.full(len(y), 2.0)), "weights"),
        (
            dlogreg.fit(X[:, :1], y, sample_weight=np.resize([0.5, 1.5], len(y))),
            "other weights",
        ),
        (dlogreg.fit(X[:, :1], y, feature_names=["other"]), "has 'other', which"),
    ):
        with pytest.raises(InferenceError, match=reason):
            res.lr_test(other)
    without = dlogreg.fit(X[:, :1], y, fit_intercept=False)
    assert res.lr_test(without).df == 3
    with pytest.raises(InferenceError, match="has 'const', which this model has not"):
        without.lr_test(dlogreg.fit(X[:, :1], y))


def test_rows_that_are_not_remembered_can_be_given(tmp_path):
    X, y = easy(d=3)
    frame = pd.DataFrame(X, columns=list("abc"))
    res = dlogreg.fit(frame, y)
    res.save(tmp_path / "model.json")
    loaded = dlogreg.load(tmp_path / "model.json")
    for method in ("lr_test", "score_test", "conf_int"):
        arguments = {
            "lr_test": {},
            "score_test": {"Z": X[:, 0] ** 2},
            "conf_int": {"method": "profile"},
        }[method]
        with pytest.raises(InferenceError, match=rf"{method}\(\.\.\., X=X, y=y\)"):
            getattr(loaded, method)(**arguments)
        with pytest.raises(ValueError, match=f"{method}.. needs both X and y"):
            getattr(loaded, method)(**arguments, X=X)
        given = getattr(loaded, method)(
            **arguments, X=frame[list("bca")].assign(d=1.0), y=y
        )
        known = getattr(res, method)(**arguments)
        if method != "conf_int":
            given, known = given.statistics, known.statistics
        np.testing.assert_allclose(given, known, rtol=1e-8)


def test_a_memory_of_rows_is_not_pickled_or_compared():
    X, y = easy(d=3)
    res = dlogreg.fit(X, y)
    assert res.rows is not None
    assert len(pickle.dumps(replace(res, scores=None))) < 20_000
    for again in (pickle.loads(pickle.dumps(res)), copy.deepcopy(res)):
        assert again.rows is None
        np.testing.assert_array_equal(again.params, res.params)
    assert pickle.loads(pickle.dumps(res.rows)) is None
    assert make_results().rows is None


def test_what_is_no_smaller_model_is_refused():
    X, y = easy(d=3)
    with pytest.raises(TypeError, match="not 'x1'; name what is to be dropped by term"):
        dlogreg.fit(X, y).lr_test("x1")


def test_rows_that_have_changed_are_noticed():
    X, y = easy(d=3)
    res = dlogreg.fit(X, y)
    X[17, 1] += 0.01
    for method in (
        res.lr_test,
        lambda: res.score_test(X[:, 0] ** 2),
        lambda: res.conf_int(method="profile"),
    ):
        with pytest.raises(DataError, match="rows are not those of the fit: the log-l"):
            method()
    X[17, 1] -= 0.01
    res.lr_test()
    other = y.copy()
    i, j = np.flatnonzero(y == 0)[0], np.flatnonzero(y == 1)[0]
    other[[i, j]] = 1, 0
    with pytest.raises(DataError, match="log-likelihood"):
        res.lr_test(X=X, y=other)
    other = y.copy()
    other[i] = 1
    with pytest.raises(DataError, match="rows with y = 0, and the fit had"):
        res.lr_test(X=X, y=other)
    with pytest.raises(DataError, match="there are 5,999 rows, and the fit had 6,000"):
        res.lr_test(X=X[1:], y=y[1:])
    with pytest.raises(DataError, match="the weights sum to 12000, and in the fit"):
        res.lr_test(X=X, y=y, sample_weight=np.full(len(y), 2.0))
