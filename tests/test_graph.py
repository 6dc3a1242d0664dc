"""Dask collections: what is computed, how often, and what travels with a recipe."""

from __future__ import annotations

import pickle
import weakref

import dask
import dask.array as da
import dask.dataframe as dd
import numpy as np
import pandas as pd
import pytest
from dask.delayed import delayed

from dlogreg.errors import DataError
from dlogreg.estimator.class_weights import resolve_class_weight
from dlogreg.partition import partition_rows
from dlogreg.reduction import compute_shared, count_rows
from dlogreg.source import as_source
from dlogreg.source.sharing import SHARED_BYTES
from tests.counting import CountedPartition, counted_array, forget, reads


def source_of(X, y, weight=None):
    return as_source(X, y, weight, compute=compute_shared, count_rows=count_rows)


def read(source, n_partitions=1):
    """Return X and y as a pass sees them."""
    blocks = [
        rows
        for partition in partition_rows(source, 1, n_partitions)
        for leaf in partition.stream(partition.inputs)
        for rows in leaf
    ]
    X = np.concatenate([rows.X for rows in blocks])
    return X, np.concatenate([rows.y for rows in blocks])


@pytest.fixture
def values():
    return np.random.default_rng(0).normal(size=(1000, 3))


def test_matrix_and_outcome_of_one_array_are_loaded_once(values):
    raw = counted_array("raw", values, 100)
    X, y = raw[:, :2] * 2, raw[:, 2] > 0
    source = source_of(X, y, raw[:, 1] ** 2)
    assert reads("raw") == []
    found, labels = read(source)
    assert reads("raw") == [1] * 10
    np.testing.assert_array_equal(found, values[:, :2] * 2)
    np.testing.assert_array_equal(labels, values[:, 2] > 0)


def test_a_column_mean_is_computed_once_for_the_whole_fit(values):
    raw = counted_array("mean", values, 100)
    source = source_of((raw - raw.mean(axis=0)) / raw.std(axis=0), values[:, 0] > 0)
    assert set(reads("mean")) <= {1, 2}
    forget("mean")
    for _ in range(3):
        found, _ = read(source, 4)
    assert reads("mean") == [3] * 10
    scaled = (values - values.mean(axis=0)) / values.std(axis=0)
    np.testing.assert_allclose(found, scaled, atol=1e-12)


def test_means_of_parts_are_computed_once_too(values):
    parts = [counted_array(f"part{i}", values + i, 100) for i in range(4)]
    X = da.concatenate([part - part.mean(axis=0) for part in parts])
    source = source_of(X, np.tile(values[:, 0] > 0, 4))
    for i in range(4):
        assert reads(f"part{i}") == [1] * 10
        forget(f"part{i}")
    read(source)
    assert [reads(f"part{i}") for i in range(4)] == [[1] * 10] * 4


@pytest.mark.parametrize("rows", [37, 130, 1000])
def test_a_chunk_cut_by_a_rechunk_is_read_once_per_run(values, rows):
    raw = counted_array("cut", values, 100)
    source = source_of(raw.rechunk((rows, 3)), values[:, 0] > 0)
    found, _ = read(source)
    assert reads("cut") == [1] * 10
    np.testing.assert_array_equal(found, values)
    forget("cut")
    partitions = partition_rows(source, 1, 4)
    found, _ = read(source, 4)
    assert sum(reads("cut")) <= 10 + len(partitions) - 1
    np.testing.assert_array_equal(found, values)


def test_duplicate_blocks(values):
    raw = counted_array("twice", values, 100)
    doubled = da.concatenate([raw, raw])
    found, _ = read(source_of(doubled, np.tile(values[:, 0] > 0, 2)))
    assert reads("twice") == [2] * 10
    np.testing.assert_array_equal(found, np.tile(values, (2, 1)))


def test_shuffled_rows_are_not_all_held_as_shared_work(values):
    order = np.random.default_rng(1).permutation(1000)
    raw = counted_array("shuffled", values, 20)
    source = source_of(raw[order], values[order, 0] > 0)
    assert reads("shuffled") == []
    found, _ = read(source)
    np.testing.assert_array_equal(found, values[order])


def test_shared_results_are_kept_up_to_a_limit(monkeypatch, values):
    raw = counted_array("large", values, 250)
    monkeypatch.setattr("dlogreg.reduction.beforehand.SHARED_BYTES", 1)
    assert SHARED_BYTES == 64 * 2**20
    source = source_of(raw - raw.mean(axis=0), values[:, 0] > 0)
    assert source.blocks.inputs == () or all(
        value.size > 3 for value in source.blocks.inputs
    )
    np.testing.assert_allclose(read(source)[0], values - values.mean(axis=0))


def test_matrix_and_outcome_of_one_dataframe_are_loaded_once(values):
    frame = pd.DataFrame(values, columns=["a", "b", "y"])
    lines = dd.from_map(CountedPartition("frame", frame, 5), range(5))
    source = source_of(lines[["a", "b"]], lines["y"] > 0, lines["a"] ** 2)
    forget("frame")
    found, labels = read(source)
    assert reads("frame") == [1] * 5
    np.testing.assert_array_equal(found, values[:, :2])
    np.testing.assert_array_equal(labels, values[:, 2] > 0)


def test_arrays_made_of_one_dataframe_are_loaded_once(values):
    frame = pd.DataFrame(values, columns=["a", "b", "y"])
    lines = dd.from_map(CountedPartition("arrays", frame, 5), range(5))
    X, y = lines[["a", "b"]].to_dask_array(), (lines["y"] > 0).to_dask_array()
    source = source_of(X, y)
    forget("arrays")
    found, labels = read(source)
    assert reads("arrays") == [1] * 5
    np.testing.assert_array_equal(found, values[:, :2])
    np.testing.assert_array_equal(labels, values[:, 2] > 0)


def test_fused_tasks_are_taken_apart(values):
    raw = counted_array("fused", values, 100)
    X, y = dask.optimize(raw[:, :2] + 1, raw[:, 2] > 0)
    found, labels = read(source_of(X, y))
    np.testing.assert_array_equal(found, values[:, :2] + 1)
    np.testing.assert_array_equal(labels, values[:, 2] > 0)
    assert reads("fused") == [1] * 10


def test_persisted_arrays_are_used_where_they_lie(values):
    raw = counted_array("kept", values, 100).persist(scheduler="synchronous")
    source = source_of(raw + 1, values[:, 0] > 0)
    forget("kept")
    np.testing.assert_array_equal(read(source)[0], values + 1)
    assert reads("kept") == []


def test_recipes_do_not_carry_the_data():
    values = np.zeros((100_000, 8))
    for X in (
        da.from_array(values, chunks=(5000, 8)),
        da.from_array(values, chunks=(5000, 8)) + 1,
        da.from_array(values, chunks=(5000, 3)) * 2,
    ):
        source = source_of(X, values[:, 0] > 0)
        (partition,) = partition_rows(source, 1, 1)
        assert len(pickle.dumps(partition)) < 50_000
        again = pickle.loads(pickle.dumps(partition))
        inputs = partition.inputs
        blocks = [rows for leaf in again.stream(inputs) for rows in leaf]
        assert sum(map(len, blocks)) == 100_000


def test_results_are_let_go_as_soon_as_they_are_used():
    made, alive = [], []

    def grow(block):
        result = block + 1
        made.append(weakref.ref(result))
        alive.append(sum(ref() is not None for ref in made))
        return result

    X = da.zeros((10, 1), chunks=(10, 1))
    for _ in range(8):
        X = X.map_blocks(grow, meta=np.empty((0, 1)), dtype=float)
    read(source_of(X, np.zeros(10)))
    assert len(made) == 8
    assert max(alive) == 2


def test_what_fails_in_a_block_names_the_block():
    def fail(block, block_info=None):
        if block_info[0]["chunk-location"][0] == 7:
            raise OSError("connection lost")
        return block

    X = da.ones((100, 2), chunks=(10, 2)).map_blocks(
        fail, dtype=float, meta=np.empty((0, 2))
    )
    with pytest.raises(DataError, match=r"block 7 .* OSError: connection lost"):
        read(source_of(X, np.zeros(100)))


def test_delayed_blocks():
    def load(i):
        return np.full((10, 2), float(i))

    parts = [da.from_delayed(delayed(load)(i), (10, 2), float) for i in range(5)]
    found, _ = read(source_of(da.concatenate(parts), np.zeros(50)))
    np.testing.assert_array_equal(found[:, 0], np.repeat(np.arange(5.0), 10))


def test_blocks_of_unknown_length_are_counted_only_where_needed(values):
    raw = counted_array("unknown", values, 100)
    some = raw[:, 0] > -0.5
    X = raw[some]
    together = source_of(X, X[:, 1] > 0)
    assert reads("unknown") == []
    assert together.n_rows is None
    expected = values[values[:, 0] > -0.5]
    np.testing.assert_array_equal(read(together)[0], expected)
    assert reads("unknown") == [1] * 10
    forget("unknown")
    apart = source_of(X, expected[:, 1] > 0)
    assert apart.n_rows == len(expected)
    assert reads("unknown") == [1] * 10
    np.testing.assert_array_equal(read(apart)[1], expected[:, 1] > 0)


@pytest.mark.cluster
class TestOnCluster:
    def test_data_in_cluster_memory_are_used_where_they_lie(self, client, values):
        X = da.from_array(values, chunks=(100, 3)).map_blocks(np.array, dtype=float)
        X = client.persist(X)
        source = source_of(X + 1, values[:, 0] > 0)
        assert source.on_cluster
        parts = partition_rows(source, 1, 2)
        assert len(parts) == 10
        keys = [value.key for part in parts for value in part.blocks.inputs]
        assert sorted(keys) == sorted(dask.core.flatten(X.__dask_keys__()))
        for part in parts:
            assert len(part.blocks.inputs) == 1
            pickle.dumps(part)

    def test_futures_inside_tasks_are_found(self, client, values):
        shift = client.scatter(np.ones(3))
        X = da.from_array(values, chunks=(100, 3)).map_blocks(
            np.add, shift, dtype=float
        )
        source = source_of(X, values[:, 0] > 0)
        (partition,) = partition_rows(source, 1000, 1)
        pickle.dumps(partition)
        inputs = [
            value.result() if hasattr(value, "client") else value
            for value in partition.blocks.inputs
        ]
        found = [
            rows.X
            for leaf in partition.stream((tuple(inputs), partition.inputs[1]))
            for rows in leaf
        ]
        np.testing.assert_array_equal(np.concatenate(found), values + 1)

    def test_labels_are_weighed_where_they_lie(self, client, values):
        y = np.arange(1000) % 2
        weight = da.ones(1000, chunks=100).persist()
        found = dict(resolve_class_weight("balanced", y, weight))
        assert found == {0: 1.0, 1: 1.0}

    def test_without_the_client_the_message_says_what_to_do(self, client, values):
        X = client.persist(da.from_array(values, chunks=(100, 3)).map_blocks(np.array))
        source = source_of(X, values[:, 0] > 0)
        from dlogreg import fit

        with (
            dask.config.set(scheduler="threads"),
            pytest.raises(DataError, match="client is not active"),
        ):
            fit(X, values[:, 0] > 0)
        assert source.n_rows == 1000
