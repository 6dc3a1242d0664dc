"""Predictions: right numbers from every kind of X, lazily, each block read once."""

from __future__ import annotations

import tracemalloc

import cloudpickle
import dask
import dask.array as da
import dask.dataframe as dd
import mpmath
import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_array
from zarr.storage import MemoryStore

import dlogreg
from dlogreg.prediction import LogitModel, binary, blocks
from dlogreg.prediction.rows import (
    class_log_probability_rows,
    class_probability_rows,
    label_array,
    linear_predictor_rows,
    probability_rows,
)

NAMES = ("dose", "age", "weight", "height", "score")


def draw(n_rows=601, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n_rows, 5)) * [1, 10, 0.1, 3, 1] + [0, 40, 1, 170, 0]
    eta = (X - [0, 40, 1, 170, 0]) @ [0.8, 0.05, -3, 0.1, 0] - 0.4
    return X, (rng.random(n_rows) < 1 / (1 + np.exp(-eta))).astype(int)


@pytest.fixture(scope="module")
def data():
    return draw()


@pytest.fixture(scope="module")
def results(data):
    return dlogreg.fit(*data, feature_names=NAMES, tol=1e-10)


@pytest.fixture(scope="module")
def expected(data):
    X, y = data
    design = sm.add_constant(X)
    return np.asarray(sm.Logit(y, design).fit(disp=0, tol=1e-13).predict(design))


@pytest.fixture
def never_compute():
    """Fail if anything is computed."""

    def refuse(*args, **kwargs):
        raise AssertionError("a graph was computed while it was built")

    with dask.config.set(scheduler=refuse):
        yield


@pytest.mark.parametrize("kind", ["list", "C", "F", "strided", "memmap"])
def test_arrays_in_memory_give_numpy_as_statsmodels_does(
    data, results, expected, kind, tmp_path
):
    X = data[0]
    if kind == "list":
        X = X.tolist()
    elif kind == "F":
        X = np.asfortranarray(X)
    elif kind == "strided":
        X = np.repeat(X, 2, axis=0)[::2]
    elif kind == "memmap":
        mapped = np.memmap(tmp_path / "X", float, "w+", shape=X.shape)
        mapped[:] = X
        X = mapped
    found = results.predict(X)
    assert type(found) is np.ndarray
    assert found.dtype == np.float64
    np.testing.assert_allclose(found, expected, rtol=1e-9)
    odds = np.log(expected) - np.log1p(-expected)
    np.testing.assert_allclose(results.decision_function(X), odds, atol=1e-8)


@pytest.mark.parametrize("dtype", ["f2", "f4", "i1", "u2", "i8", "?"])
def test_narrow_types_are_predicted_in_float64(results, dtype):
    X = np.random.default_rng(1).integers(0, 100, size=(50, 5)).astype(dtype)
    found = results.decision_function(X)
    params = np.asarray(results.params)
    assert found.dtype == np.float64
    exact = params[0] + X.astype(float) @ params[1:]
    np.testing.assert_allclose(found, exact, rtol=1e-12)


@pytest.mark.parametrize("eta", [0.0, 1e-17, -36.5, 36.5, -700.0, 700.0, -1e3, 1e3])
def test_probabilities_keep_their_digits_far_out(eta):
    both = class_probability_rows(np.array([eta]))[0]
    logs = class_log_probability_rows(np.array([eta]))[0]
    with mpmath.workdps(700):
        event = 1 / (1 + mpmath.exp(-mpmath.mpf(eta)))
        other = 1 / (1 + mpmath.exp(mpmath.mpf(eta)))
        exact = [float(other), float(event)]
        exact_logs = [float(mpmath.log(other)), float(mpmath.log(event))]
    np.testing.assert_allclose(both, exact, rtol=1e-14)
    np.testing.assert_allclose(logs, exact_logs, rtol=1e-14)
    assert probability_rows(np.array([eta]))[0] == both[1]


def test_an_infinite_linear_predictor_is_certain():
    eta = np.array([-np.inf, np.inf])
    np.testing.assert_array_equal(class_probability_rows(eta), [[1, 0], [0, 1]])


@settings(deadline=None, max_examples=25)
@given(
    rows=st.lists(st.integers(0, 40), min_size=1, max_size=6),
    columns=st.lists(st.integers(1, 4), min_size=1, max_size=5),
    unknown=st.booleans(),
)
def test_any_chunking_predicts_like_numpy(rows, columns, unknown):
    n_rows, n_features = sum(rows), sum(columns)
    rng = np.random.default_rng(n_rows)
    X = rng.normal(size=(n_rows, n_features))
    names = tuple(f"c{j}" for j in range(n_features))
    params = rng.normal(size=n_features + 1)
    model = LogitModel.of(params, names, ("no", "yes"), fit_intercept=True)
    lazy = da.from_array(X, chunks=(tuple(rows), tuple(columns)))
    if unknown:
        lazy = da.Array(
            lazy.dask, lazy.name, ((np.nan,) * len(rows), lazy.chunks[1]), lazy.dtype
        )
    for method in ("linear_predictor", "probability", "label", "class_probability"):
        found, exact = getattr(model, method)(lazy), getattr(model, method)(X)
        assert isinstance(found, da.Array)
        assert found.dtype == exact.dtype
        np.testing.assert_array_equal(found.chunks[0], lazy.chunks[0])
        assert found.numblocks == (len(rows), *(1,) * (exact.ndim - 1))
        values = found.compute(scheduler="sync")
        assert values.dtype == exact.dtype
        if method == "label":
            np.testing.assert_array_equal(values, exact)
        else:
            np.testing.assert_allclose(values, exact, atol=1e-13)


def test_building_a_prediction_runs_no_block(
    data, results, never_compute, monkeypatch, tmp_path
):
    X, _ = data

    def refuse(*args):
        raise AssertionError("the block function ran while the graph was built")

    monkeypatch.setattr(blocks, "linear_predictor_rows", refuse)
    monkeypatch.setattr(binary, "label_rows", refuse)
    array = da.from_array(X, chunks=(100, 2))
    stored = zarr.create_array(tmp_path / "X", data=X, chunks=(100, 2))
    frame = dd.from_pandas(pd.DataFrame(X, columns=list(NAMES)), npartitions=3)
    for lazy in (array, array[array[:, 0] > 0], stored, frame):
        for predicted in (
            results.predict(lazy),
            results.decision_function(lazy),
            results.classify(lazy),
        ):
            assert isinstance(predicted, da.Array)
            assert predicted.ndim == 1


def test_every_dask_block_is_read_once(data, results, expected):
    X, _ = data
    reads = []

    def load(block_info):
        location = block_info[None]["array-location"]
        reads.append(tuple(low for low, _ in location))
        return X[tuple(slice(*border) for border in location)]

    chunks = ((200, 200, 201), (2, 3))
    lazy = da.map_blocks(load, chunks=chunks, dtype=float, meta=np.empty((0, 0)))
    found = results.predict(lazy).compute()
    np.testing.assert_allclose(found, expected, rtol=1e-9)
    assert sorted(reads) == [(i, j) for i in (0, 200, 400) for j in (0, 2)]


class CountingStore(MemoryStore):
    """Counts how often every chunk is read."""

    def __init__(self):
        super().__init__()
        self.reads = []

    async def get(self, key, prototype, byte_range=None):
        if "c/" in key:
            self.reads.append(key)
        return await super().get(key, prototype, byte_range)


@pytest.mark.parametrize("chunks", [(100, 5), (77, 2), (601, 1)])
def test_a_zarr_array_keeps_its_rows_of_chunks_and_is_read_once(
    data, results, expected, chunks
):
    X, _ = data
    store = CountingStore()
    array = zarr.create_array(store, data=X, chunks=chunks)
    store.reads.clear()
    found = results.predict(array)
    assert not store.reads
    assert found.chunks == da.core.normalize_chunks(chunks[0], (601,))
    np.testing.assert_allclose(found.compute(), expected, rtol=1e-9)
    n_chunks = -(-601 // chunks[0]) * -(-5 // chunks[1])
    assert len(store.reads) == len(set(store.reads)) == n_chunks


def test_a_sharded_store_is_read_by_shard(data, results, expected, tmp_path):
    X, _ = data
    array = zarr.create_array(tmp_path / "X", data=X, chunks=(50, 5), shards=(200, 5))
    found = results.predict(array)
    assert found.chunks == ((200, 200, 200, 1),)
    np.testing.assert_allclose(found.compute(), expected, rtol=1e-9)


def test_a_damaged_chunk_is_named(data, results, tmp_path):
    array = zarr.create_array(tmp_path / "X", data=data[0], chunks=(100, 5))
    chunk = tmp_path / "X" / "c" / "3" / "0"
    chunk.write_bytes(chunk.read_bytes()[:20])
    with pytest.raises(dlogreg.DataError, match=r"rows 300 to 399 .*c/3/0"):
        results.predict(array).compute()


def test_a_deleted_chunk_is_named(data, results, tmp_path):
    array = zarr.create_array(tmp_path / "X", data=data[0], chunks=(100, 5))
    (tmp_path / "X" / "c" / "3" / "0").unlink()
    with pytest.warns(dlogreg.MissingChunkWarning, match="c/3/0"):
        results.predict(array)


def test_the_same_prediction_has_the_same_name(data, results):
    lazy = da.from_array(data[0], chunks=(100, 2))
    assert results.predict(lazy).name == results.predict(lazy).name
    assert results.predict(lazy).name != results.decision_function(lazy).name
    assert results.classify(lazy).name != results.classify(lazy, 0.4).name


def test_predictions_travel_to_other_processes(data, results, expected, tmp_path):
    X, _ = data
    stored = zarr.create_array(tmp_path / "X", data=X, chunks=(100, 2))
    frame = dd.from_pandas(pd.DataFrame(X, columns=list(NAMES)), npartitions=3)
    for lazy in (da.from_array(X, chunks=(100, 2)), stored, frame):
        sent = cloudpickle.dumps(results.predict(lazy))
        found = cloudpickle.loads(sent).compute()
        np.testing.assert_allclose(found, expected, rtol=1e-9)


@pytest.fixture(params=["pandas", "dask"])
def as_frame(request):
    if request.param == "pandas":
        return lambda frame: frame
    return lambda frame: dd.from_pandas(frame, npartitions=3)


def test_columns_of_a_frame_are_found_by_name(data, results, expected, as_frame):
    frame = pd.DataFrame(data[0], columns=list(NAMES))
    frame["note"] = "text that is left aside"
    shuffled = as_frame(frame[["note", *NAMES[::-1]]])
    found = results.predict(shuffled)
    lazy = not isinstance(shuffled, pd.DataFrame)
    assert isinstance(found, da.Array if lazy else np.ndarray)
    np.testing.assert_allclose(np.asarray(found), expected, rtol=1e-9)
    plain = results.predict(as_frame(frame[list(NAMES)]))
    np.testing.assert_allclose(np.asarray(plain), expected, rtol=1e-9)


def test_a_frame_of_several_types_is_converted(results, as_frame):
    rng = np.random.default_rng(3)
    frame = pd.DataFrame(
        {
            "dose": rng.random(30) < 0.5,
            "age": rng.integers(0, 90, 30),
            "weight": rng.normal(size=30).astype("f4"),
            "height": pd.array([None, *range(29)], dtype="Int64"),
            "score": rng.normal(size=30),
        }
    )
    found = np.asarray(results.predict(as_frame(frame)))
    exact = results.predict(frame.to_numpy(dtype=float, na_value=np.nan))
    np.testing.assert_allclose(found, exact, rtol=1e-14)
    assert np.isnan(found[0])
    assert np.isfinite(found[1:]).all()


def test_missing_columns_are_named(data, results, as_frame):
    frame = as_frame(pd.DataFrame(data[0], columns=list(NAMES)))
    with pytest.raises(dlogreg.DataError, match=r"lacks 2 of the 5 .* 'age', 'score'"):
        results.predict(frame[["dose", "weight", "height"]])


def test_a_text_column_of_the_model_is_refused(data, results, as_frame):
    frame = pd.DataFrame(data[0], columns=list(NAMES))
    frame["age"] = "old"
    with pytest.raises(dlogreg.DataError, match="column 'age' is not numeric"):
        results.predict(as_frame(frame))


def test_two_columns_of_one_name_are_refused(data, results):
    frame = pd.DataFrame(data[0], columns=list(NAMES))
    doubled = pd.concat([frame, frame[["age"]]], axis=1)
    with pytest.raises(dlogreg.DataError, match="two columns of the same name"):
        results.predict(doubled)


def test_wrong_matrices_are_refused(data, results):
    X = data[0]
    with pytest.raises(dlogreg.DataError, match=r"3 columns, but .* with 5"):
        results.predict(X[:, :3])
    with pytest.raises(dlogreg.DataError, match=r"3 columns, but .* with 5"):
        results.predict(da.from_array(X[:, :3]))
    with pytest.raises(dlogreg.DataError, match="must be 2-D"):
        results.predict(X[0])
    with pytest.raises(dlogreg.DataError, match="need numbers"):
        results.predict(X.astype(str))
    with pytest.raises(dlogreg.DataError, match=r"3 columns, but .* with 5"):
        results.predict(csr_array(X[:, :3]))


def test_blocks_with_a_column_too_few_are_refused(data, results):
    lying = da.from_array(data[0]).map_blocks(
        lambda block: block[:, :4], dtype=float, meta=np.empty((0, 0))
    )
    with pytest.raises(dlogreg.DataError, match=r"4 columns, but .* with 5"):
        results.predict(lying).compute()


@pytest.mark.parametrize("threshold", [0, 0.1, 0.5, 0.9, 1])
def test_labels_are_cut_at_the_threshold(data, results, threshold):
    X = data[0]
    found = results.classify(X, threshold)
    expected = results.predict(X) > threshold
    np.testing.assert_array_equal(found, expected.astype(int))
    assert found.dtype == np.array([0, 1]).dtype
    lazy = results.classify(da.from_array(X, chunks=(200, 5)), threshold)
    np.testing.assert_array_equal(lazy.compute(), found)


@pytest.mark.parametrize("threshold", [-0.1, 1.1, np.nan])
def test_thresholds_outside_the_unit_interval_are_refused(data, results, threshold):
    with pytest.raises(ValueError, match="threshold must lie between 0 and 1"):
        results.classify(data[0], threshold)


@pytest.mark.parametrize(
    "classes",
    [(0, 1), (False, True), ("no", "yes"), (1.5, 2.0), (1, "one"), ("a", 2.5)],
)
def test_labels_come_back_as_they_were_given(classes):
    model = LogitModel.of(np.array([1.0]), ("x",), classes, fit_intercept=False)
    found = model.label(np.array([[-3.0], [3.0]]))
    assert found.tolist() == list(classes)
    assert [type(label) for label in found.tolist()] == [type(c) for c in classes]
    lazy = model.label(da.from_array(np.array([[-3.0], [3.0]]), chunks=(1, 1)))
    assert lazy.dtype == found.dtype
    assert lazy.compute().tolist() == list(classes)


def test_text_labels_are_not_cut_short():
    assert label_array(("a", "longer")).tolist() == ["a", "longer"]


def test_a_row_with_nan_has_probability_nan_and_no_label(data, results):
    X = data[0].copy()
    X[[7, 9], 2] = np.nan
    found = results.predict(X)
    np.testing.assert_array_equal(np.flatnonzero(np.isnan(found)), [7, 9])
    with pytest.raises(dlogreg.DataError, match=r"row 7 .*first of 2.* holds NaN"):
        results.classify(X)


def test_dropped_columns_count_as_zero(data):
    X, y = data
    doubled = np.column_stack([X, X[:, 0]])
    with pytest.warns(dlogreg.CollinearityWarning):
        aliased = dlogreg.fit(doubled, y, tol=1e-10)
    assert np.isnan(aliased.params[-1])
    doubled[:, -1] = 1e6  # whatever stands there
    whole = dlogreg.fit(X, y, tol=1e-10)
    np.testing.assert_allclose(aliased.predict(doubled), whole.predict(X), rtol=1e-9)


def test_a_model_without_intercept(data):
    X, y = data
    res = dlogreg.fit(X, y, fit_intercept=False, tol=1e-10)
    expected = sm.Logit(y, X).fit(disp=0, tol=1e-13).predict(X)
    np.testing.assert_allclose(res.predict(X), expected, rtol=1e-8)


def test_wide_types_are_not_copied_as_a_whole():
    X = np.ones((200_000, 40), dtype=np.float32)
    slopes = np.full(40, 0.5)
    linear_predictor_rows(X[:10], slopes)
    tracemalloc.start()
    eta = linear_predictor_rows(X, slopes)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    np.testing.assert_array_equal(eta, 20)
    assert peak < eta.nbytes + 4 * 2**20 < X.nbytes


def test_a_relative_store_is_predicted_from_anywhere(
    data, results, expected, tmp_path, monkeypatch
):
    """Elsewhere the chunks would be read as fill values, without a word."""
    monkeypatch.chdir(tmp_path)
    lazy = results.predict(zarr.create_array("X.zarr", data=data[0], chunks=(100, 2)))
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    np.testing.assert_allclose(lazy.compute(), expected, rtol=1e-9)
