"""Residuals, leverage and influence: those of R and statsmodels, lazily and once."""

from __future__ import annotations

import json
import pickle
import tracemalloc
from pathlib import Path

import dask
import dask.array as da
import dask.dataframe as dd
import numpy as np
import pandas as pd
import pytest
import scipy.sparse
import statsmodels.api as sm
import zarr
from distributed import Client
from zarr.storage import MemoryStore

import dlogreg
from dlogreg import DataError, InferenceError
from dlogreg.kernel.diagnostics import KINDS
from tests.counting import counted_array, forget, reads

R_VALUES = Path(__file__).parent / "reference_values" / "diagnostics.json"


def draw(n=3000, columns=4, seed=8):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, columns)) + np.r_[np.full(columns - 1, 0.5), 40]
    X[:, 1] *= 100
    eta = 0.8 * X[:, 0] - 0.01 * X[:, 1]
    y = (rng.random(n) < 1 / (1 + np.exp(-eta))).astype(int)
    return X, y, rng.integers(0, 4, n).astype(float)


def statsmodels_values(X, y, **options):
    fitted = sm.GLM(y, X, sm.families.Binomial(), **options).fit(tol=1e-14)
    influence = fitted.get_influence()
    return {
        "response": fitted.resid_response,
        "pearson": fitted.resid_pearson,
        "deviance": fitted.resid_deviance,
        "working": fitted.resid_working,
        "leverage": influence.hat_matrix_diag,
        "standardized_pearson": influence.resid_studentized,
        "cook": influence.cooks_distance[0],
    }


def check(res, expected, rel=1e-7, **rows):
    for kind, values in expected.items():
        if kind == "cook":
            found = res.influence(1, **rows).cooks_distance
        elif kind != "params":
            found = res.residuals(kind=kind, **rows)
        else:
            found = res.params
        np.testing.assert_allclose(found, values, rtol=rel, err_msg=kind)


@pytest.mark.parametrize("name", ["plain", "weighted"])
def test_the_values_of_r(name):
    values = json.loads(R_VALUES.read_text())
    options = {"tol": 1e-10}
    if name == "weighted":
        options |= {"sample_weight": values["weight"], "weight_kind": "analytic"}
    res = dlogreg.fit(np.array(values["X"]), values["y"], **options)
    assert set(values[name]) == {*KINDS, "params", "cook"}
    check(res, values[name])


@pytest.mark.parametrize("intercept", [True, False])
@pytest.mark.parametrize("columns", [4, 30])
def test_the_values_of_statsmodels(columns, intercept):
    X, y, _ = draw(columns=columns)
    res = dlogreg.fit(X, y, fit_intercept=intercept, tol=1e-10)
    check(res, statsmodels_values(sm.add_constant(X) if intercept else X, y))


def test_a_frequency_repeats_the_row():
    X, y, weight = draw(n=600)
    rows = np.repeat(np.arange(600), weight.astype(int))
    res = dlogreg.fit(X, y, sample_weight=weight, tol=1e-10)
    expected = statsmodels_values(sm.add_constant(X[rows]), y[rows])
    for kind, values in expected.items():
        found = res.influence(3) if kind == "cook" else None
        every = found.cooks_distance if found else res.residuals(kind=kind)
        np.testing.assert_allclose(every[rows], values, rtol=1e-7, err_msg=kind)
    largest = np.unique(expected["cook"].round(14))[::-1][:3]
    np.testing.assert_allclose(found.distances, largest, rtol=1e-7)
    assert (weight[found.rows] > 0).all()
    assert res.residuals(kind="leverage") @ weight == pytest.approx(5, rel=1e-8)


def sources(X, y, weight):
    frame = pd.DataFrame(X, columns=["x1", "x2", "x3", "x4"]).assign(y=y, w=weight)
    names = ["x1", "x2", "x3", "x4"]
    yield frame[names], frame.y, frame.w, False
    lines = dd.from_pandas(frame, npartitions=7)
    yield lines[names], lines.y, lines.w, True
    group = zarr.create_group(MemoryStore())
    stored = group.create_array("X", shape=X.shape, chunks=(700, 2), dtype="f8")
    stored[:] = X
    yield stored, y, weight, True
    for chunk in (101, 640, 997, 1500, 2001, 2999, 3000):
        lazy = da.from_array(X, chunks=(chunk, 3))
        yield lazy, da.from_array(y, chunks=777), weight, True


def test_every_source_gives_the_same():
    X, y, weight = draw()
    whole = dlogreg.fit(X, y, sample_weight=weight, tol=1e-10)
    expected = {kind: whole.residuals(kind=kind) for kind in KINDS}
    top = whole.influence(7)
    for rows, labels, weights, lazy in sources(X, y, weight):
        res = dlogreg.fit(rows, labels, sample_weight=weights, tol=1e-10)
        for kind in ("deviance", "standardized_pearson"):
            found = res.residuals(kind=kind)
            assert isinstance(found, da.Array) == lazy
            np.testing.assert_allclose(found, expected[kind], rtol=1e-8)
        influence = res.influence(7)
        np.testing.assert_array_equal(influence.rows, top.rows)
        np.testing.assert_allclose(influence.distances, top.distances, rtol=1e-7)
        np.testing.assert_allclose(
            influence.cooks_distance, top.cooks_distance, rtol=1e-7
        )


def test_on_a_cluster(process_cluster):
    X, y, weight = draw()
    whole = dlogreg.fit(X, y, sample_weight=weight, tol=1e-10)
    with Client(process_cluster):
        lazy = da.from_array(X, chunks=(400, 4)).persist()
        labels = da.from_array(y, chunks=333).persist()
        res = dlogreg.fit(lazy, labels, sample_weight=weight, tol=1e-10)
        found = res.residuals(kind="leverage")
        with dask.config.set(scheduler="synchronous"):
            again = dlogreg.fit(
                da.from_array(X, chunks=(400, 4)), y, sample_weight=weight, tol=1e-10
            ).residuals(kind="leverage")
        np.testing.assert_array_equal(found.compute(), again.compute())
        np.testing.assert_allclose(found, whole.residuals(kind="leverage"), rtol=1e-7)
        influence = res.influence(4)
        np.testing.assert_array_equal(influence.rows, whole.influence(4).rows)
        assert float(influence.cooks_distance.max()) == influence.distances[0]


@pytest.mark.parametrize("scheduler", ["synchronous", "threads"])
def test_bits_do_not_depend_on_the_scheduler(scheduler):
    X, y, _ = draw()
    res = dlogreg.fit(da.from_array(X, chunks=(301, 4)), y)
    with dask.config.set(scheduler="synchronous"):
        expected = res.residuals(kind="leverage").compute(), res.influence(5)
    with dask.config.set(scheduler=scheduler, num_workers=2):
        found = res.residuals(kind="leverage").compute(), res.influence(5)
    np.testing.assert_array_equal(found[0], expected[0])
    np.testing.assert_array_equal(found[1].rows, expected[1].rows)
    np.testing.assert_array_equal(found[1].distances, expected[1].distances)


def test_rows_are_read_when_asked_for_and_once():
    X, y, _ = draw()
    res = dlogreg.fit(
        counted_array("diagnosed", X, 300), counted_array("labels", y, 300)
    )
    forget("diagnosed", "labels")
    lazy = res.residuals(kind="standardized_deviance")
    assert lazy.chunks == ((300,) * 10,)
    assert reads("diagnosed") == []
    lazy.compute()
    assert reads("diagnosed") == reads("labels") == [1] * 10
    found = res.influence(3)
    assert reads("diagnosed") == [2] * 10
    found.cooks_distance.compute()
    assert reads("diagnosed") == [3] * 10


def test_chunks_of_unknown_length():
    X, y, _ = draw()
    lazy, labels = da.from_array(X, chunks=(301, 4)), da.from_array(y, chunks=301)
    kept = X[:, 0] > 0
    filtered = lazy[lazy[:, 0] > 0], labels[lazy[:, 0] > 0]
    res = dlogreg.fit(*filtered, tol=1e-10)
    whole = dlogreg.fit(X[kept], y[kept], tol=1e-10)
    found = res.residuals(kind="pearson")
    assert np.isnan(found.shape[0])
    np.testing.assert_allclose(found, whole.residuals(kind="pearson"), rtol=1e-8)
    ours, theirs = res.influence(6), whole.influence(6)
    np.testing.assert_array_equal(ours.rows, theirs.rows)


KEPT_IN = {
    "numpy": (np.asarray, np.asarray),
    "dask": (
        lambda X: da.from_array(X, chunks=(301, 4)),
        lambda y: da.from_array(y, chunks=77),
    ),
    "unknown": (
        lambda X: dd.from_pandas(pd.DataFrame(X), npartitions=7).values,
        lambda y: dd.from_pandas(pd.Series(y), npartitions=7).values,
    ),
}


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize("source", KEPT_IN)
def test_rows_left_out_keep_their_places(source):
    X, y, _ = draw()
    X[[3, 4, 1000, 1500]] = np.nan
    gone = np.isnan(X[:, 0])
    lay_X, lay_y = KEPT_IN[source]
    res = dlogreg.fit(lay_X(X), lay_y(y), missing="drop", tol=1e-10)
    whole = dlogreg.fit(X[~gone], y[~gone], tol=1e-10)
    ours, theirs = res.influence(6), whole.influence(6)
    np.testing.assert_array_equal(ours.rows, np.flatnonzero(~gone)[theirs.rows])
    for found, kept in (
        (ours.cooks_distance, theirs.cooks_distance),
        (res.residuals(), whole.residuals()),
    ):
        every = np.asarray(found)
        assert every.shape == gone.shape
        np.testing.assert_array_equal(np.isnan(every), gone)
        np.testing.assert_allclose(every[~gone], kept, rtol=1e-7)


def unusable_y(X, y, offset):
    y[5] = np.nan


def unknown_y(X, y, offset):
    y[5] = 7


def infinite_x(X, y, offset):
    X[5, 1] = np.inf


def missing_offset(X, y, offset):
    offset[5] = np.nan


@pytest.mark.parametrize(
    "spoil",
    [unusable_y, unknown_y, infinite_x, missing_offset],
    ids=lambda f: f.__name__,
)
def test_what_rows_of_weight_0_hold_does_not_matter(spoil):
    X, y, weight = draw(n=600)
    y, offset = y.astype(float), np.linspace(-1, 1, 600)
    weight[[5, 9]] = 0
    spoil(X, y, offset)
    counts = weight > 0
    res = dlogreg.fit(X, y, sample_weight=weight, offset=offset, tol=1e-10)
    parts = {"sample_weight": weight[counts], "offset": offset[counts]}
    whole = dlogreg.fit(X[counts], y[counts], **parts, tol=1e-10)
    ours, theirs = res.influence(6), whole.influence(6)
    np.testing.assert_array_equal(ours.rows, np.flatnonzero(counts)[theirs.rows])
    pairs = [(ours.cooks_distance, theirs.cooks_distance)]
    pairs += [(res.residuals(kind=k), whole.residuals(kind=k)) for k in KINDS]
    for found, kept in pairs:
        assert np.flatnonzero(np.isnan(found)).tolist() == [5]
        np.testing.assert_allclose(found[counts], kept, rtol=1e-7)


@pytest.mark.usefixtures("small_blocks")
def test_rows_held_out_that_are_missing_keep_their_places():
    X, y, _ = draw()
    held = np.arange(len(y)) % 5 == 0
    X[[3, 5, 1001, 1005]] = np.nan  # 5 and 1005 are held out
    gone = np.isnan(X[:, 0])
    fitted = ~gone & ~held
    res = dlogreg.fit(X, y, holdout=held, missing="drop", tol=1e-10)
    whole = dlogreg.fit(X[fitted], y[fitted], tol=1e-10)
    found, kept = res.residuals(), whole.residuals()
    np.testing.assert_array_equal(np.isnan(found), gone)
    np.testing.assert_allclose(found[fitted], kept, rtol=1e-7)
    ours, theirs = res.influence(6), whole.influence(6)
    np.testing.assert_array_equal(ours.rows, np.flatnonzero(fitted)[theirs.rows])


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("partitions", [0, 9])
def test_a_formula_numbers_the_rows_of_the_data(partitions, weighted):
    X, y, weight = draw()
    X[[3, 4, 1000, *range(1100, 1900)]] = np.nan  # a block without a complete row, too
    weight = weight if weighted else np.ones(len(y))
    kept = ~np.isnan(X[:, 0]) & (weight > 0)
    frame = pd.DataFrame(X, columns=list("abcd")).assign(y=y, w=weight)
    given = {"sample_weight": "w"} if weighted else {}
    rows = dd.from_pandas(frame, npartitions=partitions) if partitions else frame
    res = dlogreg.fit_formula(
        "y ~ a + b + c + d", rows, missing="drop", **given, tol=1e-10
    )
    whole = dlogreg.fit(X[kept], y[kept], sample_weight=weight[kept], tol=1e-10)
    ours, theirs = res.influence(6), whole.influence(6)
    np.testing.assert_array_equal(ours.rows, np.flatnonzero(kept)[theirs.rows])
    for found, expected in (
        (ours.cooks_distance, theirs.cooks_distance),
        (res.residuals(kind="pearson"), whole.residuals(kind="pearson")),
    ):
        assert found.shape == (len(y),)
        every = found.compute()
        assert [len(block) for block in found.blocks] == list(found.chunks[0])
        np.testing.assert_array_equal(np.isnan(every), ~kept)
        np.testing.assert_allclose(every[kept], expected, rtol=1e-6)
    assert float(ours.cooks_distance[ours.rows[0]]) == ours.distances[0]


def test_messages_of_a_formula_name_rows_of_the_data():
    frame = pd.DataFrame({"a": np.arange(40.0), "y": [0, 1] * 20})
    frame.loc[[2, 3], "a"] = np.nan
    frame["w"] = np.where(frame.index == 20, -1.0, 1.0)
    with pytest.raises(DataError, match="row 20"):
        dlogreg.fit_formula("y ~ a", frame, missing="drop", sample_weight="w")


def wide_rows(n=3000, columns=50_000):
    rng = np.random.default_rng(4)
    X = scipy.sparse.random_array((n, columns), density=20 / columns, rng=rng)
    return X.tocsr(), (rng.random(n) < 0.4).astype(int)


def test_wide_sparse_rows_stay_sparse():
    X, y = wide_rows()
    res = dlogreg.fit(X, y, alpha=1e-3, inference=False)
    slopes = np.asarray(res.params)
    p = 1 / (1 + np.exp(-(X @ slopes[1:] + slopes[0])))
    tracemalloc.start()
    try:
        found = res.residuals(kind="response")
        fit = res.goodness_of_fit()
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 40 * 8 * (X.nnz + len(slopes)) < 8 * 1000 * X.shape[1] / 10
    np.testing.assert_allclose(found, y - p, rtol=1e-9)
    assert fit.brier == pytest.approx(np.mean((y - p) ** 2), rel=1e-9)


@pytest.mark.parametrize("columns", [3, 40])
def test_sparse_rows_have_the_values_of_dense_ones(columns):
    rng = np.random.default_rng(5)
    X = scipy.sparse.random_array((800, columns), density=0.2, rng=rng).tocsr()
    y = (rng.random(800) < 0.4).astype(int)
    sparse = dlogreg.fit(X, y, tol=1e-10)
    dense = dlogreg.fit(X.toarray(), y, tol=1e-10)
    for kind in KINDS:
        found, expected = (res.residuals(kind=kind) for res in (sparse, dense))
        np.testing.assert_allclose(found, expected, rtol=1e-7, err_msg=kind)
    blocks = da.from_array(X.toarray(), chunks=(99, columns)).map_blocks(
        scipy.sparse.csr_array, meta=scipy.sparse.csr_array((0, 0))
    )
    lazy = dlogreg.fit(blocks, y, tol=1e-10).residuals()
    np.testing.assert_allclose(lazy, dense.residuals(), rtol=1e-7)


def test_other_rows_and_loaded_results(tmp_path):
    X, y, _ = draw()
    res = dlogreg.fit(X[:2000], y[:2000], tol=1e-10)
    p = res.predict(X[2000:])
    found = res.residuals(X[2000:], y[2000:], kind="response")
    np.testing.assert_allclose(found, y[2000:] - p, rtol=1e-12)
    lazy = res.residuals(
        da.from_array(X[2000:], chunks=(99, 4)), y[2000:], kind="deviance"
    )
    loss = -np.log(np.where(y[2000:] == 1, p, 1 - p))
    signs = np.sign(y[2000:] - p)
    np.testing.assert_allclose(lazy, signs * np.sqrt(2 * loss), rtol=1e-9)
    res.save(tmp_path / "m.json")
    for again in (dlogreg.load(tmp_path / "m.json"), pickle.loads(pickle.dumps(res))):
        with pytest.raises(InferenceError, match=r"residuals.*X=X, y=y"):
            again.residuals()
        with pytest.raises(InferenceError, match=r"influence.*X=X, y=y"):
            again.influence()
        rows = {"X": X[:2000], "y": y[:2000]}
        for kind in KINDS:
            np.testing.assert_allclose(
                again.residuals(**rows, kind=kind), res.residuals(kind=kind), rtol=1e-9
            )
        np.testing.assert_array_equal(
            again.influence(**rows).rows, res.influence().rows
        )
        with pytest.raises(DataError, match="not those of the fit"):
            again.influence(X=X, y=y)


def test_columns_of_a_dataframe_are_found_by_name():
    X, y, _ = draw()
    frame = pd.DataFrame(X, columns=list("abcd"))
    res = dlogreg.fit(frame, y)
    turned = frame.assign(more=1.0)[["more", "d", "b", "a", "c"]]
    np.testing.assert_array_equal(res.residuals(turned, y), res.residuals())


def test_dropped_columns_count_nothing():
    X, y, _ = draw()
    with pytest.warns(dlogreg.CollinearityWarning):
        res = dlogreg.fit(np.column_stack([X, X[:, 0] + X[:, 1]]), y, tol=1e-10)
    check(res, statsmodels_values(sm.add_constant(X), y), rel=1e-6)


def test_columns_far_from_zero():
    X, y, _ = draw()
    expected = statsmodels_values(sm.add_constant(X), y)
    check(dlogreg.fit(X + 1e5, y, tol=1e-9), expected, rel=1e-4)


def test_the_table_of_influence():
    X, y, _ = draw()
    X[17, 0] = 30.0
    y[17] = 0
    found = dlogreg.fit(X, y).influence(2)
    assert found.rows[0] == 17
    first, second, _ = repr(found).split("\n")
    assert first == "Cook's distance, the largest 2:"
    assert second.split()[:2] == ["row", "17"]


def test_more_rows_than_there_are():
    X, y, _ = draw(n=40)
    found = dlogreg.fit(X[:, :1], y).influence(100)
    assert sorted(found.rows.tolist()) == list(range(40))
    assert (np.diff(found.distances) <= 0).all()


def test_what_is_refused():
    X, y, _ = draw()
    res = dlogreg.fit(X, y)
    with pytest.raises(ValueError, match="kind must be one of 'response', 'pearson'"):
        res.residuals(kind="anscombe")
    with pytest.raises(ValueError, match="needs both X and y"):
        res.residuals(X)
    for k in (0, 2.5, True):
        with pytest.raises(ValueError, match="k must be a whole number from 1"):
            res.influence(k)
    labels = y.copy()
    labels[5] = 2
    with pytest.raises(DataError, match="y is 2 in row 5, but the model knows 0 and 1"):
        res.residuals(X, labels)
    penalized = dlogreg.fit(X, y, alpha=0.1)
    penalized.residuals(kind="deviance")
    for ask in (
        lambda: penalized.residuals(kind="leverage"),
        lambda: penalized.influence(),
    ):
        with pytest.raises(InferenceError, match="penalised"):
            ask()


def test_offsets(tmp_path):
    X, y, _ = draw()
    offset = np.linspace(-1, 2, len(y))
    expected = statsmodels_values(sm.add_constant(X), y, offset=offset)
    res = dlogreg.fit(X, y, offset=offset, tol=1e-10)
    check(res, expected)
    lazy = da.from_array(X, chunks=(301, 4))
    check(dlogreg.fit(lazy, y, offset=offset, tol=1e-10), expected)
    res.save(tmp_path / "m.json")
    loaded = dlogreg.load(tmp_path / "m.json")
    check(loaded, expected, X=X, y=y, offset=offset)
    with pytest.raises(ValueError, match="needs an offset"):
        loaded.residuals(X, y)


def test_separated_rows_are_predicted_for_certain():
    X, y, _ = draw()
    certain = X[:, 0] > 1.2
    X = np.column_stack([X, certain])
    y[certain] = 1
    with pytest.warns(dlogreg.SeparationWarning):
        res = dlogreg.fit(X, y, tol=1e-10)
    rest = dlogreg.fit(X[~certain, :4], y[~certain], tol=1e-10)
    for kind in ("response", "pearson", "deviance", "working"):
        found = res.residuals(kind=kind)
        np.testing.assert_allclose(
            found[~certain], rest.residuals(kind=kind), rtol=1e-6
        )
        sure = 1.0 if kind == "working" else 0.0
        np.testing.assert_allclose(found[certain], sure, atol=1e-12)
    with pytest.raises(InferenceError, match="no leverage, because the classes"):
        res.residuals(kind="leverage")
    with pytest.raises(InferenceError, match="no leverage, because the classes"):
        res.influence()
