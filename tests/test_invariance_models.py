"""The same answer everywhere of many models: paths, folds, replicates, and kinks."""

from __future__ import annotations

from functools import partial
from itertools import pairwise

import dask
import dask.array as da
import numpy as np
import pytest
from distributed import Client
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import dlogreg
from tests.conftest import make_cluster

N = 3000


def drawn():
    """Return X, y, frequencies and groups; some rows count nothing."""
    rng = np.random.default_rng(5)
    X = rng.normal(size=(N, 4)) @ rng.normal(size=(4, 4)) + [3.0, 0, -5, 0]
    eta = X @ [0.4, 0.3, -0.3, 0.7] - 2.5
    y = (rng.random(N) < 1 / (1 + np.exp(-eta))).astype(int)
    return X, y, rng.integers(0, 4, N).astype(float), rng.integers(0, 150, N)


def lazy():
    """Return the same as dask arrays, cut differently, which compute their blocks."""
    cuts = ((200, 4), (700,), (1100,), (450,))
    arrays = [da.from_array(v, chunks=c) for v, c in zip(drawn(), cuts, strict=True)]
    return [array.map_blocks(np.array, dtype=array.dtype) for array in arrays]


def of_path(rows, **options):
    X, y, weight, _ = rows
    found = dlogreg.path(X, y, sample_weight=weight, n_alphas=6, **options)
    return found.alphas, found.params, found.llf, found.error_bounds


def of_folds(rows, folds, **options):
    X, y, weight, groups = rows
    cv = dlogreg.cross_validate(
        X,
        y,
        sample_weight=weight,
        groups=groups if folds == "group" else None,
        folds=folds,
        n_folds=3,
        n_alphas=4,
        **options,
    )
    scores = [cv.fold_scores[name] for name in sorted(cv.fold_scores)]
    chosen = [cv.best.llf, cv.one_se.llf, cv.best.error_bound]
    found = cv.alphas, cv.params, cv.fold_params, cv.error_bounds, cv.fold_sizes
    return *found, *scores, chosen


def of_estimator(rows):
    X, y, weight, _ = rows
    clf = dlogreg.LogisticRegressionCV(
        Cs=3, cv=3, scoring="neg_log_loss", l1_ratios=(0.0, 1.0), random_state=2
    )
    clf.fit(X, y, weight)
    return clf.coef_, clf.intercept_, clf.scores_, clf.coefs_paths_, [clf.error_bound_]


def of_bootstrap(rows, *, by_group, **options):
    X, y, weight, groups = rows
    res = dlogreg.fit(
        X, y, sample_weight=weight, groups=groups if by_group else None, **options
    )
    found = res.bootstrap(12, seed=4)
    assert found.by == ("groups" if by_group else "rows")
    return res.params, found.params, [found.error]


def of_fit(rows, **options):
    X, y, weight, _ = rows
    res = dlogreg.fit(X, y, sample_weight=weight, **options)
    return res.params, [res.llf, res.error_bound]


FACTORS = {
    "penalty_factor": [0.0, 1, 2, 1],
    "bounds": [(None, 0.2), *[(-0.1, None)] * 3],
}
MODELS = {
    "lasso path": of_path,
    "path with factors and bounds": partial(of_path, l1_ratio=0.6, **FACTORS),
    "random folds": partial(of_folds, folds="random", scoring="auc"),
    "stratified folds": partial(of_folds, folds="stratified", l1_ratio=1.0),
    "groups as folds": partial(of_folds, folds="group", scoring=("brier", "auc")),
    "folds in time": partial(of_folds, folds="time", l1_ratio=0.5),
    "scikit-learn's face": of_estimator,
    "bootstrap of rows": partial(of_bootstrap, by_group=False),
    "bootstrap of groups": partial(of_bootstrap, by_group=True),
    "lasso": partial(of_fit, alpha=0.02, l1_ratio=1.0),
    "elastic net": partial(of_fit, alpha=0.02, l1_ratio=0.4, **FACTORS),
}


SEVERAL = [
    "path with factors and bounds",
    "groups as folds",
    "bootstrap of groups",
]


def bits(values):
    return [np.asarray(value, dtype=float).tobytes() for value in values]


@pytest.fixture(scope="module")
def expected():
    """Return a function that finds a model's numbers in one thread, once."""
    known = {}

    def find(name):
        if name not in known:
            with dask.config.set(scheduler="synchronous"):
                known[name] = bits(MODELS[name](lazy()))
        return known[name]

    return find


@pytest.mark.parametrize("name", MODELS)
def test_threads(small_blocks, expected, name):
    with dask.config.set(scheduler="threads", num_workers=3):
        assert bits(MODELS[name](lazy())) == expected(name)


def test_processes(small_blocks, expected, process_pool):
    with dask.config.set(scheduler="processes", pool=process_pool):
        for name in SEVERAL:
            assert bits(MODELS[name](lazy())) == expected(name), name


@pytest.mark.cluster
@pytest.mark.parametrize("name", MODELS)
def test_cluster_of_two_processes(small_blocks, expected, client, name):
    assert bits(MODELS[name](lazy())) == expected(name)


@pytest.mark.cluster
def test_data_in_cluster_memory(small_blocks, expected, client):
    held = client.persist(lazy())
    for name in SEVERAL:
        assert bits(MODELS[name](held)) == expected(name), name


@pytest.mark.cluster
def test_cluster_of_another_size(small_blocks, expected):
    for name in SEVERAL:
        expected(name)
    with make_cluster(4, processes=False) as cluster, Client(cluster):
        for name in SEVERAL:
            assert bits(MODELS[name](lazy())) == expected(name), name


def chunked(cuts):
    borders = [0, *sorted(c % (N + 1) for c in cuts), N]
    return tuple(high - low for low, high in pairwise(borders))


CUTS = st.lists(st.integers(0, 10**6), max_size=20)
TIGHT = 1e-7


@pytest.fixture(scope="module")
def errors():
    """Standard errors, in units of which coefficients are compared."""
    X, y, weight, _ = drawn()
    return np.asarray(dlogreg.fit(X, y, sample_weight=weight).bse)


@pytest.fixture(scope="module")
def whole():
    """What arrays in memory give, in one block."""
    return {
        "path": dlogreg.path(*drawn()[:2], n_alphas=5, tol=TIGHT),
        **{kind: folded(*drawn(), kind) for kind in ("random", "stratified", "group")},
        "time": folded(*drawn(), "time"),
        **{flag: resampled(*drawn(), by_group=flag) for flag in (False, True)},
    }


def folded(X, y, weight, groups, folds, **options):
    """Weights without a common measure: sums of them tell which rows they are of."""
    weight = weight * (1 + np.sqrt(np.arange(N)) / 100)
    groups = groups if folds == "group" else None
    options = {"tol": TIGHT, "scoring": "auc", **options}
    return dlogreg.cross_validate(
        X,
        y,
        sample_weight=weight,
        alphas=[0.3, 0.03, 0.003],
        l1_ratio=0.5,
        groups=groups,
        folds=folds,
        n_folds=4,
        seed=0 if folds == "time" else 3,
        **options,
    )


def resampled(X, y, weight, groups, *, by_group):
    groups = groups if by_group else None
    res = dlogreg.fit(X, y, sample_weight=weight, groups=groups, tol=TIGHT)
    return res.bootstrap(10, seed=8, tol=TIGHT)


@settings(max_examples=4, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cuts=CUTS, y_cuts=CUTS, extra=st.integers(0, N), columns=st.integers(1, 4))
def test_any_chunking(errors, whole, cuts, y_cuts, extra, columns):
    """Rows fall into the same folds, and are drawn as often, however they are cut."""
    X, y, weight, groups = drawn()
    rows = chunked([*cuts, extra, extra, extra + 1])  # empty and one-row chunks
    X = da.from_array(X, chunks=(rows, columns))
    y = da.from_array(y, chunks=(chunked(y_cuts),))

    path = dlogreg.path(X, y, n_alphas=5, tol=TIGHT)
    moved = (path.params - whole["path"].params) / errors[:, None]
    assert np.abs(moved).max() < 1e-5
    np.testing.assert_allclose(path.alphas, whole["path"].alphas, rtol=1e-10)
    for folds in ("random", "stratified", "group", "time"):
        cv, other = folded(X, y, weight, groups, folds), whole[folds]
        np.testing.assert_allclose(cv.fold_sizes, other.fold_sizes, rtol=1e-12)
        assert np.abs((cv.fold_params - other.fold_params) / errors).max() < 1e-5
        assert np.abs((cv.params - other.params) / errors).max() < 1e-5
        for name, scores in cv.fold_scores.items():
            near = {"rtol": 1e-6, "atol": 1e-4 * (name == "auc")}
            np.testing.assert_allclose(scores, other.fold_scores[name], **near)
    for by_group in (False, True):
        found = resampled(X, y, weight, groups, by_group=by_group)
        assert found.by == whole[by_group].by
        assert np.abs((found.params - whole[by_group].params) / errors).max() < 1e-5


@pytest.mark.parametrize("chunk", [170, 999, 3000])
def test_at_a_loose_tolerance_bounds_add(errors, whole, chunk):
    X, y, weight, groups = drawn()
    blocks = da.from_array(X, chunks=(chunk, 4))
    cv, other = folded(blocks, y, weight, groups, "random", tol=0.01), whole["random"]
    room = (cv.error_bounds + other.error_bounds)[:, :, None]
    assert (room[:, :-1] <= 0.011).all()
    train = errors * np.sqrt(4 / 3) * 1.3  # of the rows that are left to a fold
    assert (np.abs(cv.fold_params - other.fold_params) <= room[:, :-1] * train).all()
    path, same = dlogreg.path(blocks, y, n_alphas=5), whole["path"]
    room = path.error_bounds + same.error_bounds
    assert (np.abs(path.params - same.params) <= 1.3 * errors[:, None] * room).all()
