"""No silent failure: what is wrong with the data is named, with what to do about it."""

from __future__ import annotations

import warnings

import dask
import dask.array as da
import dask.bag as db
import dask.dataframe as dd
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
import zarr
from hypothesis import given
from hypothesis import strategies as st

import dlogreg
from dlogreg import (
    CollinearityWarning,
    DataError,
    MissingChunkWarning,
    SeparationWarning,
    Status,
)

N, D = 900, 3


@pytest.fixture
def data():
    rng = np.random.default_rng(4)
    X = rng.normal(size=(N, D))
    y = (rng.random(N) < 1 / (1 + np.exp(-X[:, 0]))).astype(int)
    return X, y


def as_zarr(values):
    array = zarr.create_array(
        zarr.storage.MemoryStore(),
        shape=values.shape,
        chunks=(100, 2)[: values.ndim],
        dtype=values.dtype,
    )
    array[:] = values
    return array


KINDS = {
    "numpy": lambda v: v,
    "fortran": np.asfortranarray,
    "zarr": as_zarr,
    "dask": lambda v: da.from_array(v, chunks=(100, 2)[: v.ndim]),
    "pandas": lambda v: pd.DataFrame(v, columns=["x1", "x2", "x3"]),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("row", [0, 99, 100, 555, N - 1])
@pytest.mark.parametrize(
    ("value", "word"), [(np.nan, "NaN"), (np.inf, "infinity"), (-np.inf, "infinity")]
)
def test_the_row_and_column_of_a_bad_value(data, small_blocks, kind, row, value, word):
    X, y = data
    X[row, 1] = value
    with pytest.raises(DataError, match=rf"column 'x2' holds {word} in row {row} of X"):
        dlogreg.fit(KINDS[kind](X), y)


@pytest.mark.parametrize("kind", KINDS)
def test_the_row_is_right_after_rows_of_weight_zero(data, small_blocks, kind):
    X, y = data
    weight = np.random.default_rng(0).integers(0, 2, N)
    weight[555] = 1
    X[weight == 0] = np.nan
    X[555, 2] = np.nan
    with pytest.raises(DataError, match=r"column 'x3' holds NaN in row 555 of X"):
        dlogreg.fit(KINDS[kind](X), y, sample_weight=weight)


@given(st.integers(0, N - 1), st.integers(0, D - 1), st.integers(1, N))
def test_any_row_and_column(row, column, chunk):
    rng = np.random.default_rng(4)
    X, y = rng.normal(size=(N, D)), rng.integers(0, 2, N)
    X[row, column] = np.nan
    message = rf"column 'x{column + 1}' holds NaN in row {row} of X"
    with pytest.raises(DataError, match=message):
        dlogreg.fit(da.from_array(X, chunks=(chunk, D)), y)


def test_a_late_row_of_a_large_lazy_array():
    bad, chunk = 7_654_321, 500_000

    def make(block_info=None):
        low, high = block_info[None]["array-location"][0]
        x = np.arange(low, high) % 1009 / 100
        x[np.arange(low, high) == bad] = np.nan
        return x[:, None]

    X = da.map_blocks(
        make,
        chunks=((chunk,) * 16, 1),
        dtype=float,
        meta=np.empty((0, 1)),
    )
    y = da.arange(8_000_000, chunks=chunk) * 7919 % 13 > 5
    with pytest.raises(DataError, match=r"holds NaN in row 7654321 of X"):
        dlogreg.fit(X, y)


def test_where_row_counts_are_not_known_the_block_is_named(data):
    X, y = data
    X[555] = np.nan
    X, y = da.from_array(X, chunks=(100, D)), da.from_array(y, chunks=100)
    some = da.ones(N, chunks=100) > 0
    with pytest.raises(DataError, match=r"'x1' holds NaN in row 55 of block 5 of X"):
        dlogreg.fit(X[some], y[some])


@pytest.mark.parametrize("kind", ["numpy", "zarr", "dask"])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_missing_outcomes(data, small_blocks, kind, value):
    X, y = data
    y = y.astype(float)
    y[321] = value
    with pytest.raises(DataError, match=rf"y is {value} in row 321; remove"):
        dlogreg.fit(KINDS[kind](X), KINDS[kind](y))


@pytest.mark.parametrize("missing", [None, np.nan, pd.NA, pd.NaT])
def test_missing_labels(data, missing):
    X, y = data
    labels = np.array(["no", "yes"], dtype=object)[y]
    labels[321] = missing
    with pytest.raises(DataError, match=r"y is .* in row 321; remove"):
        dlogreg.fit(X, labels)


@pytest.mark.parametrize("dtype", ["Int64", "boolean", "Float64"])
def test_missing_values_of_nullable_outcomes(data, dtype):
    X, y = data
    series = pd.Series(y).astype("Int64").astype(dtype)
    series[321] = pd.NA
    with pytest.raises(DataError, match=r"y is (None|nan) in row 321; remove"):
        dlogreg.fit(X, series)


def test_one_class(data):
    X, _ = data
    with pytest.raises(DataError, match=r"only one class, 1; .* rows of both"):
        dlogreg.fit(X, np.ones(N, dtype=int))


def test_one_class_among_rows_of_positive_weight(data):
    X, y = data
    with pytest.raises(DataError, match=r"only one class"):
        dlogreg.fit(X, y, sample_weight=y)


def test_classes_that_y_does_not_hold(data):
    X, _ = data
    y = np.array(list("abc"))[np.arange(N) % 3]
    with pytest.raises(DataError, match=r"\('a', 'b'\) but y holds 'a', 'b', 'c'"):
        dlogreg.fit(X, y, classes=["a", "b"])
    with pytest.raises(DataError, match=r"'d'\) but y holds 'a', 'b', 'c'"):
        dlogreg.fit(X, y, classes=["a", "b", "c", "d"])


def test_a_continuous_outcome(data):
    X, _ = data
    with pytest.raises(DataError, match=r"looks continuous; .* y > threshold"):
        dlogreg.fit(X, X[:, 0])
    with pytest.raises(DataError, match=r"looks continuous"):
        dlogreg.fit(da.from_array(X, chunks=(30, 3)), da.from_array(X[:, 0], chunks=30))
    few = np.round(X[:, 0] * 2) / 2
    with pytest.raises(DataError, match=r"fractions among them .*astype\(str\)"):
        dlogreg.fit(X, few)


@pytest.mark.parametrize("kind", ["numpy", "zarr", "dask", "pandas"])
def test_lengths_that_differ(data, kind):
    X, y = data
    with pytest.raises(DataError, match=r"X has 900 rows but y has 890"):
        dlogreg.fit(KINDS[kind](X), y[:-10])
    with pytest.raises(DataError, match=r"X has 900 rows but sample_weight has 901"):
        dlogreg.fit(KINDS[kind](X), y, sample_weight=np.ones(901))


def test_lengths_that_only_a_reading_tells(data):
    X, y = data
    X = da.from_array(X, chunks=(100, D))
    X = X[da.ones(N, chunks=100) > 0]
    with pytest.raises(DataError, match=r"X has 900 rows but y has 890"):
        dlogreg.fit(X, y[:-10])
    labels = da.from_array(y, chunks=100)
    with pytest.raises(DataError, match=r"block \d: X has 100 rows but y has 8\d"):
        dlogreg.fit(X, labels[da.arange(N, chunks=100) % 7 > 0])


def test_text_columns(data):
    X, y = data
    frame = pd.DataFrame(X, columns=["a", "b", "c"])
    frame["b"] = "text"
    message = r"column 'b' is not numeric .*get_dummies"
    with pytest.raises(DataError, match=message):
        dlogreg.fit(frame, y)
    with pytest.raises(DataError, match=message):
        dlogreg.fit(dd.from_pandas(frame, npartitions=2), y)
    frame["b"] = pd.Categorical(["u", "v", "w"] * (N // 3))
    with pytest.raises(DataError, match=message):
        dlogreg.fit(frame, y)
    frame["b"] = pd.date_range("2020", periods=N)
    with pytest.raises(DataError, match=message):
        dlogreg.fit(frame, y)
    with pytest.raises(DataError, match=r"X has type .* encode text columns"):
        dlogreg.fit(np.full((N, 2), "a"), y)
    with pytest.raises(DataError, match=r"type object.* X.astype\(float\)"):
        dlogreg.fit(X.astype(object), y)
    with pytest.raises(DataError, match=r"X has type complex128"):
        dlogreg.fit(X.astype(complex), y)
    with pytest.raises(DataError, match=r"X has type \[\('a'"):
        dlogreg.fit(np.zeros((N, 2), dtype=[("a", "f8")]), y)


def test_blocks_of_another_type_than_declared(data):
    X, y = data
    blocks = da.from_array(X, chunks=(100, D)).map_blocks(
        lambda block: block.astype(str), dtype=float, meta=np.empty((0, D))
    )
    with pytest.raises(DataError, match=r"block \d of X holds values of type <U"):
        dlogreg.fit(blocks, y)
    narrow = da.from_array(X, chunks=(100, D)).map_blocks(
        lambda block: block[:, :2], dtype=float, meta=np.empty((0, D))
    )
    with pytest.raises(DataError, match=r"block \d of X has shape \(100, 2\)"):
        dlogreg.fit(narrow, y)


@pytest.mark.parametrize("value", [-1.0, np.nan, np.inf])
@pytest.mark.parametrize("kind", ["numpy", "zarr", "dask"])
def test_bad_weights(data, small_blocks, kind, value):
    X, y = data
    weight = np.ones(N)
    weight[432] = value
    message = rf"sample_weight is {value} in row 432; .* not negative"
    with pytest.raises(DataError, match=message):
        dlogreg.fit(KINDS[kind](X), y, sample_weight=KINDS[kind](weight))


def test_weights_that_are_no_numbers(data):
    X, y = data
    with pytest.raises(DataError, match=r"sample_weight must be numbers"):
        dlogreg.fit(X, y, sample_weight=["a"] * N)
    frame = pd.DataFrame(X, columns=list("abc")).assign(w="a")
    lines = dd.from_pandas(frame, npartitions=2)
    with pytest.raises(DataError, match=r"sample_weight .* block"):
        dlogreg.fit(lines[["a"]], y, sample_weight=lines.w)
    frame["w"] = pd.array([1, None, 2] * (N // 3), dtype="Int64")
    lines = dd.from_pandas(frame, npartitions=2)
    with pytest.raises(DataError, match=r"sample_weight is .* row \d+"):
        dlogreg.fit(lines[["a"]], y, sample_weight=lines.w)
    with pytest.raises(DataError, match=r"sample_weight is nan in row 1"):
        dlogreg.fit(frame[["a"]], y, sample_weight=frame.w)


def test_weights_that_are_all_zero(data):
    X, y = data
    with pytest.raises(DataError, match=r"no rows with a positive weight"):
        dlogreg.fit(X, y, sample_weight=np.zeros(N))


@pytest.mark.parametrize("kind", ["numpy", "zarr", "dask", "pandas"])
def test_zero_rows(kind):
    with pytest.raises(DataError, match=r"X has zero rows"):
        dlogreg.fit(KINDS[kind](np.empty((0, 3))), np.empty(0))


def test_zero_rows_after_a_filter(data):
    X, y = data
    X, y = da.from_array(X, chunks=(100, D)), da.from_array(y, chunks=100)
    with pytest.raises(DataError, match=r"no rows|zero rows"):
        dlogreg.fit(X[X[:, 0] > 100], y[X[:, 0] > 100])


def test_shapes(data):
    X, y = data
    with pytest.raises(DataError, match=r"X must be 2-D.*reshape\(-1, 1\)"):
        dlogreg.fit(X[:, 0], y)
    with pytest.raises(DataError, match=r"X must be 2-D.* 3 dimension"):
        dlogreg.fit(X[:, :, None], y)
    with pytest.raises(DataError, match=r"y must be 1-D.* \(900, 1\)"):
        dlogreg.fit(X, y[:, None])
    with pytest.raises(DataError, match=r"y must be 1-D"):
        dlogreg.fit(X, pd.DataFrame({"a": y, "b": y}))
    several = dd.from_pandas(pd.DataFrame({"a": y, "b": y}), npartitions=2)
    with pytest.raises(DataError, match=r"y must be one column"):
        dlogreg.fit(X, several)
    with pytest.raises(DataError, match=r"sample_weight must be 1-D"):
        dlogreg.fit(X, y, sample_weight=X)
    with pytest.raises(DataError, match=r"no columns"):
        dlogreg.fit(X[:, :0], y)
    with pytest.raises(DataError, match=r"differ in length"):
        dlogreg.fit([[1.0], [1.0, 2.0]], [0, 1])
    with pytest.raises(DataError, match=r"y must be 1-D"):
        dlogreg.fit(X, 1)


def test_other_kinds_of_data(data):
    X, y = data
    blocks = da.from_array(X, chunks=(100, D)).map_blocks(
        sp.csr_matrix, dtype=float, meta=np.empty((0, D))
    )
    with pytest.raises(DataError, match=r"block \d of X is sparse, but .*meta=scipy"):
        dlogreg.fit(blocks, y)
    sparse = sp.csr_array(y[:, None])
    with pytest.raises(DataError, match=r"y is sparse; .*y\.toarray\(\)\.ravel"):
        dlogreg.fit(X, sparse)
    labels = da.from_array(y, chunks=100).map_blocks(
        lambda part: sp.csr_array(part[:, None]), meta=np.empty(0)
    )
    with pytest.raises(DataError, match=r"block \d of y is sparse; make it dense"):
        dlogreg.fit(da.from_array(X, chunks=(100, D)), labels)
    with pytest.raises(DataError, match=r"masked arrays are not supported"):
        dlogreg.fit(np.ma.masked_greater(X, 1), y)
    with pytest.raises(DataError, match=r"Zarr group.*\[\"X\"\]"):
        dlogreg.fit(zarr.create_group(zarr.storage.MemoryStore()), y)
    with pytest.raises(DataError, match=r"dask Bag is not an array"):
        dlogreg.fit(db.from_sequence([1, 2]), y)
    with pytest.raises(DataError, match=r"dask Delayed\w* is not an array"):
        dlogreg.fit(dask.delayed(X), y)
    for nothing in ("trips.csv", None, {"a": X[:, 0]}):
        with pytest.raises(DataError, match=r"X must be 2-D.*give an array"):
            dlogreg.fit(nothing, y)
    with pytest.raises(DataError, match=r"y must be labels, not complex"):
        dlogreg.fit(X, y + 0j)


def test_more_columns_than_rows():
    X = np.random.default_rng(0).normal(size=(8, 20))
    with pytest.raises(DataError, match=r"21 coefficients .* from 8 rows.* alpha > 0"):
        dlogreg.fit(X, [0, 1] * 4)
    res = dlogreg.fit(X, [0, 1] * 4, alpha=0.1, inference=False)
    assert res.status.converged


def quiet(X, y, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return dlogreg.fit(X, y, **options)


@pytest.mark.parametrize("kind", ["numpy", "zarr", "dask", "pandas"])
def test_a_constant_column(data, kind):
    X, y = data
    X[:, 1] = 7
    with pytest.warns(CollinearityWarning, match=r"'x2' \(it is constant \(7"):
        res = dlogreg.fit(KINDS[kind](X), y)
    assert np.isnan(res.params[2])
    without = dlogreg.fit(np.delete(X, 1, axis=1), y)
    np.testing.assert_allclose(np.delete(res.params, 2), without.params, rtol=1e-6)


@pytest.mark.parametrize("kind", ["numpy", "dask"])
def test_two_equal_columns(data, kind):
    X, y = data
    X[:, 2] = X[:, 0]
    with pytest.warns(CollinearityWarning, match=r"'x3' \(it equals 1 \* x1"):
        res = dlogreg.fit(KINDS[kind](X), y)
    assert list(res.dropped) == ["x3"]


def test_a_linear_combination(data):
    X, y = data
    X[:, 2] = 2 * X[:, 0] - 0.5 * X[:, 1] + 3
    with pytest.warns(CollinearityWarning, match=r"'x3' .*2 \* x1 \+ -0.5 \* x2"):
        res = dlogreg.fit(X, y)
    assert np.isnan(res.params[3])


@pytest.mark.parametrize("kind", ["numpy", "zarr", "dask"])
def test_one_column_separates(data, kind):
    X, _ = data
    y = (X[:, 1] > 0.2).astype(int)
    with pytest.warns(SeparationWarning, match=r"'x2': y = 0 only where x2 <= 0"):
        res = dlogreg.fit(KINDS[kind](X), y)
    assert res.status is Status.SEPARATED
    assert res.separated == ("x2",)
    assert res.error_bound == np.inf


def test_a_combination_of_columns_separates(data):
    X, _ = data
    y = (X[:, 0] + X[:, 1] > 0).astype(int)
    with pytest.warns(SeparationWarning, match=r"x1|x2"):
        res = dlogreg.fit(X, y)
    assert res.status in (Status.SEPARATED, Status.SEPARATION_SUSPECTED)
    assert not res.status.converged


def test_an_indicator_with_one_outcome(data):
    X, y = data
    X[:, 2] = np.arange(N) % 10 == 0
    y[X[:, 2] == 1] = 1
    with pytest.warns(SeparationWarning, match=r"every row with x3 = 1 has y = 1"):
        res = dlogreg.fit(X, y)
    assert res.separated == ("x3",)


def test_a_penalty_takes_care_of_separation(data):
    X, _ = data
    y = (X[:, 1] > 0.2).astype(int)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        res = dlogreg.fit(X, y, alpha=0.01, inference=False)
    assert res.status.converged


def test_values_too_large(data):
    X, y = data
    X[:, 1] *= 1e307
    with pytest.raises(DataError, match=r"'x2' has values so large .* divide"):
        quiet(X, y)


@pytest.mark.parametrize("compressors", ["auto", None])
@pytest.mark.parametrize("width", [2, 3])
class TestStores:
    @pytest.fixture
    def array(self, tmp_path, data, compressors, width):
        array = zarr.create_array(
            tmp_path / "X.zarr",
            shape=(N, D),
            chunks=(100, width),
            dtype="f8",
            compressors=compressors,
        )
        array[:] = data[0]
        return array

    def test_a_truncated_chunk(self, array, data, small_blocks):
        path = array.store.root / "c/5/0"
        path.write_bytes(path.read_bytes()[:-50])
        with pytest.raises(DataError, match=r"chunk c/5/0 of .*X.zarr is truncated"):
            dlogreg.fit(array, data[1])

    def test_a_truncated_chunk_of_a_dask_array(self, array, data):
        path = array.store.root / "c/5/0"
        path.write_bytes(path.read_bytes()[:-50])
        with pytest.raises(DataError, match=r"block 5 .* cannot be computed"):
            dlogreg.fit(da.from_zarr(array), data[1])

    def test_a_deleted_chunk(self, array, data, small_blocks):
        (array.store.root / "c/5/0").unlink()
        with pytest.warns(MissingChunkWarning, match=r"chunk c/5/0 .* does not exist"):
            dlogreg.fit(array, data[1])
