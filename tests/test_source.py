"""What the user gives and what a pass then sees, for every kind of array."""

from __future__ import annotations

import pickle
from itertools import product

import dask.array as da
import dask.dataframe as dd
import numpy as np
import pandas as pd
import pytest
import zarr
from hypothesis import given
from hypothesis import strategies as st

import dlogreg
from dlogreg.errors import DataError, MissingChunkWarning
from dlogreg.partition import partition_rows
from dlogreg.reduction import compute_shared, count_rows
from dlogreg.source import as_source
from dlogreg.source.memmap import MappedFile, MemmapBlocks
from dlogreg.source.zarr_store import ZarrBlocks

N, D = 1000, 3


def source_of(X, y, weight=None, **options):
    return as_source(
        X, y, weight, compute=compute_shared, count_rows=count_rows, **options
    )


def read(source, n_partitions=3):
    """Return X, y and weights as a pass sees them, after a trip by pickle."""
    blocks = []
    for partition in partition_rows(source, 1, n_partitions):
        recipe = pickle.loads(pickle.dumps(partition))
        for leaf in recipe.stream(partition.inputs):
            blocks.extend(leaf)
    X = np.concatenate([rows.X for rows in blocks])
    y = np.concatenate([rows.y for rows in blocks])
    if blocks[0].sample_weight is None:
        return X, y, None
    return X, y, np.concatenate([rows.sample_weight for rows in blocks])


@pytest.fixture
def values():
    rng = np.random.default_rng(2)
    return rng.normal(size=(N, D)), rng.integers(0, 2, N), rng.integers(0, 3, N)


def mapped(path, values, order="C"):
    stored = np.memmap(path, values.dtype, "w+", shape=values.shape, order=order)
    stored[:] = values
    stored.flush()
    return stored


def stored(values, chunks, **options):
    store = zarr.storage.MemoryStore()
    array = zarr.create_array(
        store, shape=values.shape, chunks=chunks, dtype=values.dtype, **options
    )
    array[:] = values
    return array


KINDS = {
    "list": lambda v, path: v.tolist(),
    "numpy": lambda v, path: v,
    "fortran": lambda v, path: np.asfortranarray(v),
    "strided": lambda v, path: np.repeat(v, 2, axis=0)[::2],
    "reversed": lambda v, path: v[::-1].copy()[::-1],
    "big-endian": lambda v, path: v.astype(v.dtype.newbyteorder(">")),
    "memmap": lambda v, path: mapped(path / "m", v),
    "zarr": lambda v, path: stored(v, (130, 2)[: v.ndim]),
    "zarr v2": lambda v, path: stored(v, (300, 1)[: v.ndim], zarr_format=2),
    "zarr shards": lambda v, path: stored(
        v, (50, 2)[: v.ndim], shards=(100, 4)[: v.ndim]
    ),
    "zarr large chunks": lambda v, path: stored(v, (5000, 7)[: v.ndim]),
    "dask": lambda v, path: da.from_array(v, chunks=(170, 2)[: v.ndim]),
    "dask of zarr": lambda v, path: da.from_zarr(stored(v, (130, 2)[: v.ndim])),
    "dask, empty chunks": lambda v, path: da.from_array(
        v, chunks=((0, 1, 0, 600, 399, 0), D)[: v.ndim]
    ),
    "dask, unknown rows": lambda v, path: da.concatenate(
        [da.from_array(v, chunks=(170, 2)[: v.ndim])] * 2
    )[da.arange(2 * N, chunks=170) < N],
}


ARRAYS = ("list", "fortran", "strided", "reversed", "big-endian", "memmap")
"""What lies in memory, as "numpy" does: one array to all that is cut into blocks."""
FEW = ("numpy", "zarr", "dask")
PAIRS = [
    (kind, kind_y)
    for kind, kind_y in product(KINDS, KINDS)
    if (kind not in ARRAYS or kind_y in FEW) and (kind_y not in ARRAYS or kind in FEW)
]


@pytest.mark.parametrize(("kind", "kind_y"), PAIRS)
def test_every_pair_of_kinds(small_blocks, tmp_path, values, kind, kind_y):
    X, y, weight = values
    (tmp_path / "X").mkdir()
    source = source_of(
        KINDS[kind](X, tmp_path / "X"), KINDS[kind_y](y, tmp_path), weight
    )
    found = read(source)
    np.testing.assert_array_equal(found[0], X)
    np.testing.assert_array_equal(found[1], y)
    np.testing.assert_array_equal(found[2], weight)


@pytest.mark.parametrize("kind", ["numpy", "zarr", "dask"])
@pytest.mark.parametrize(
    "dtype", ["f2", "f4", "f8", "i1", "i8", "u1", "u8", "?", "longdouble"]
)
def test_types_of_numbers(tmp_path, kind, dtype):
    if (kind, dtype) == ("zarr", "longdouble"):
        pytest.skip("Zarr stores no such type")
    X = (np.arange(60).reshape(20, 3) % 2).astype(dtype)
    source = source_of(KINDS[kind](X, tmp_path), np.arange(20) % 2)
    found, _, _ = read(source)
    assert found.dtype == source.dtype == X.dtype
    np.testing.assert_array_equal(found, X)


@given(
    st.integers(1, 200),
    st.integers(5, 60),
    st.integers(1, 4),
    st.sampled_from(["C", "F"]),
)
def test_zarr_grids(n_rows, rows, columns, order):
    X = np.arange(n_rows * 4.0).reshape(n_rows, 4)
    array = stored(X, (rows, columns), filters=None)
    blocks = ZarrBlocks.of("X", array)
    assert sum(blocks.row_counts) == n_rows
    assert all(bound % rows == 0 for bound in blocks.bounds[:-1])
    y = np.asarray(np.arange(n_rows), order=order)
    np.testing.assert_array_equal(read(source_of(array, y))[0], X)


VIEWS = {
    "whole": lambda m: m,
    "rows": lambda m: m[7:80],
    "columns": lambda m: m[:, 1:3],
    "box": lambda m: m[7:80, 1:],
    "steps": lambda m: m[::3, ::2],
    "backwards": lambda m: m[::-1],
    "view of a view": lambda m: m[10:][5:, 1:][:40],
    "transposed": lambda m: m.T[:, :3],
    "reinterpreted": lambda m: m.view("i8"),
}


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("mode", ["r", "r+", "c"])
def test_memory_maps_and_their_views(tmp_path, order, view, mode):
    path = tmp_path / "data"
    path.write_bytes(b"header--" + np.arange(400.0).tobytes())
    stored = np.memmap(path, "f8", mode, offset=8, shape=(100, 4), order=order)
    if view == "reinterpreted" and order == "F":
        stored = stored.T
    X = VIEWS[view](stored)
    source = source_of(X, np.zeros(len(X)))
    assert isinstance(source.blocks, MemmapBlocks) == (mode != "c")
    np.testing.assert_array_equal(read(source)[0], X)


def test_a_memory_map_travels_as_a_path(tmp_path):
    stored = mapped(tmp_path / "big", np.ones((100_000, 4)))
    source = source_of(stored, np.zeros(100_000))
    (partition,) = partition_rows(source, 1, 1)
    assert partition.blocks.inputs == ()
    assert len(pickle.dumps(partition)) < 1000
    assert not source.in_memory
    assert MappedFile.of(np.ones(3)) is None
    copied = stored.copy()
    assert MappedFile.of(copied) is None


def test_a_relative_store_is_found_from_anywhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    array = zarr.create_array("X.zarr", shape=(20, 2), chunks=(5, 2), dtype="f8")
    array[:] = np.arange(40).reshape(20, 2)
    source = source_of(array, np.zeros(20))
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    found = pickle.loads(pickle.dumps(source.blocks)).open(())(0)["X"]
    np.testing.assert_array_equal(found, np.arange(40).reshape(20, 2))


def test_a_store_that_a_worker_does_not_see_is_refused(tmp_path):
    """Zarr would read it as fill values."""
    array = zarr.create_array(tmp_path / "X.zarr", data=np.ones((20, 2)))
    blocks = source_of(array, np.zeros(20)).blocks
    (tmp_path / "X.zarr").rename(tmp_path / "moved.zarr")
    with pytest.raises(DataError, match=r"holds X, does not exist on .* all workers"):
        blocks.open(())


def test_a_store_in_memory_does_not_travel_with_every_recipe():
    array = stored(np.random.default_rng(0).normal(size=(10_000, 4)), (1000, 4))
    source = source_of(array, np.zeros(10_000))
    (partition,) = partition_rows(source, 1, 1)
    assert len(pickle.dumps(partition)) < 1000
    assert partition.blocks.inputs == (array,)


FRAME = pd.DataFrame(
    {
        "whole": pd.array([1, None, 3, 4], dtype="Int64"),
        "flag": pd.array([True, False, None, True], dtype="boolean"),
        "real": pd.array([0.5, 1.5, 2.5, None], dtype="Float32"),
        "arrow": pd.array([1, 2, 3, 4], dtype="int8[pyarrow]"),
        "bits": [True, False, True, True],
        "small": np.array([1, 2, 3, 4], dtype="u1"),
    }
)


@pytest.mark.parametrize("n_partitions", [0, 1, 3])
def test_columns_of_dataframes(n_partitions):
    frame = dd.from_pandas(FRAME, npartitions=n_partitions) if n_partitions else FRAME
    source = source_of(frame, np.array([0, 1, 0, 1]))
    assert source.feature_names == tuple(FRAME.columns)
    nan = np.nan
    expected = [
        [1, 1, 0.5, 1, 1, 1],
        [nan, 0, 1.5, 2, 0, 2],
        [3, nan, 2.5, 3, 1, 3],
        [4, 1, nan, 4, 1, 4],
    ]
    np.testing.assert_array_equal(read(source)[0], expected)


def test_a_dataframe_of_one_type_is_not_copied():
    frame = pd.DataFrame(np.ones((100, 3), dtype="f4"), columns=list("abc"))
    source = source_of(frame, np.zeros(100))
    assert source.dtype == np.float32
    assert np.shares_memory(source.blocks.values, frame.to_numpy())


LABELS = {
    "bool": ([True, False, True, False], None),
    "nullable bool": ([True, False, True, False], "boolean"),
    "nullable int": ([2, 1, 2, 1], "Int8"),
    "arrow int": ([2, 1, 2, 1], "int64[pyarrow]"),
    "text": (["b", "a", "b", "a"], "str"),
    "objects": (["b", "a", "b", "a"], object),
    "arrow text": (["b", "a", "b", "a"], "string[pyarrow]"),
    "categories": (["b", "a", "b", "a"], "category"),
    "number categories": ([7, 3, 7, 3], "category"),
}


@pytest.mark.parametrize("kind", LABELS)
@pytest.mark.parametrize("n_partitions", [0, 2])
def test_labels_of_series(kind, n_partitions):
    labels, dtype = LABELS[kind]
    series = pd.Series(labels, dtype=dtype, name="y")
    frame = pd.DataFrame({"x": [1.0, 2, 3, 4]})
    if n_partitions:
        frame = dd.from_pandas(frame, npartitions=n_partitions)
        series = dd.from_pandas(series, npartitions=n_partitions)
    found = read(source_of(frame, series))[1]
    assert found.tolist() == labels


@pytest.mark.parametrize("dtype", ["Int64", "boolean", "string", "category", "str"])
@pytest.mark.parametrize("n_partitions", [0, 2])
def test_missing_labels_become_none(dtype, n_partitions):
    values = [1, None, 0] if dtype in ("Int64", "boolean") else ["a", None, "b"]
    series = pd.Series(values, dtype=dtype, name="y")
    if n_partitions:
        series = dd.from_pandas(series, npartitions=n_partitions)
    found = read(source_of(np.ones((3, 1)), series))[1]
    assert found[1] is None
    assert [found[0], found[2]] == [values[0], values[2]]


def test_labels_in_lists_and_stores():
    X = np.ones((4, 1))
    assert read(source_of(X, ["b", "a", "b", "a"]))[1].tolist() == list("baba")
    assert read(source_of(X, ["b", None, "b", "a"]))[1][1] is None
    assert read(source_of(X, [True, False, True, False]))[1].dtype == bool
    array = zarr.create_array(
        zarr.storage.MemoryStore(), shape=(4,), chunks=(3,), dtype=str
    )
    array[:] = np.array(list("baba"), dtype=object)
    assert read(source_of(X, array))[1].tolist() == list("baba")


def test_names():
    X = np.ones((4, 2))
    y = [0, 1, 0, 1]
    assert source_of(X, y).feature_names == ("x1", "x2")
    assert source_of(X, y, feature_names=["a", "b"]).feature_names == ("a", "b")
    with pytest.raises(DataError, match="3 feature_names for 2 columns"):
        source_of(X, y, feature_names=["a", "b", "c"])
    with pytest.raises(DataError, match="'a' occurs twice"):
        source_of(X, y, feature_names=["a", "a"])


class TestChunkFiles:
    @pytest.fixture(params=["zlib", "plain", "shards"])
    def array(self, tmp_path, request):
        options = {
            "zlib": {},
            "plain": {"compressors": None},
            "shards": {"shards": (200, 4)},
        }[request.param]
        array = zarr.create_array(
            tmp_path / "X.zarr",
            shape=(N, 4),
            chunks=(100, 2),
            dtype="f8",
            **options,
        )
        array[:] = np.random.default_rng(0).normal(size=(N, 4))
        return array

    def chunk(self, array, row):
        position = (row // (array.shards or array.chunks)[0], 0)
        return array.store.root / array.metadata.encode_chunk_key(position)

    def test_a_truncated_chunk_is_named(self, array):
        path = self.chunk(array, 650)
        path.write_bytes(path.read_bytes()[:-100])
        name = array.metadata.encode_chunk_key(
            (650 // (array.shards or array.chunks)[0], 0)
        )
        with pytest.raises(DataError, match=f"chunk {name} of .*truncated"):
            read(source_of(array, np.zeros(N)))

    def test_a_deleted_chunk_is_named(self, array):
        self.chunk(array, 650).unlink()
        name = array.metadata.encode_chunk_key(
            (650 // (array.shards or array.chunks)[0], 0)
        )
        with pytest.warns(MissingChunkWarning, match=f"chunk {name} .*does not exist"):
            source_of(array, np.zeros(N))

    def test_a_deleted_chunk_of_a_complete_store_is_an_error(self, array):
        array.attrs["dlogreg_complete"] = True
        self.chunk(array, 650).unlink()
        with pytest.raises(DataError, match=r"chunk .* was deleted: X cannot be read"):
            source_of(array, np.zeros(N))


def test_pandas_rows_in_another_order_are_refused():
    rng = np.random.default_rng(0)
    X = pd.DataFrame(rng.normal(size=(60, 2)), columns=["a", "b"])
    y = pd.Series((rng.random(60) < 0.5).astype(int))
    with pytest.raises(dlogreg.DataError, match=r"y have different indexes.*y\.loc"):
        dlogreg.fit(X, y[::-1])
    aligned = dlogreg.fit(X, y[::-1].loc[X.index])
    plain = dlogreg.fit(X, y[::-1].to_numpy()[::-1])
    assert np.array_equal(aligned.params, plain.params)


def test_warnings_point_at_the_line_of_the_user():
    X = np.random.default_rng(0).normal(size=(60, 2))
    with pytest.warns(dlogreg.SeparationWarning) as caught:
        dlogreg.fit(X, X[:, 0] > 0)
    assert caught[0].filename == __file__
