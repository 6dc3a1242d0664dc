"""How often data are read: what a fit costs is counted, not hoped for."""

from __future__ import annotations

import warnings

import dask
import dask.array as da
import dask.dataframe as dd
import numpy as np
import pandas as pd
import pytest
import zarr

import dlogreg
from tests.counting import (
    CountedPartition,
    CountingStore,
    counted_array,
    forget,
    reads,
)


def passes_of(found, n_blocks):
    """Return the passes that explain the counts, the pilot's few blocks apart."""
    assert len(found) == n_blocks
    least = min(found)
    assert sum(n - least for n in found) <= 4
    assert max(found) <= least + 1
    return least


@pytest.mark.parametrize("scheduler", ["threads", "synchronous"])
@pytest.mark.parametrize("tol", [1e-4, 1e-10])
def test_dask_blocks_are_read_once_per_pass(binary_data, scheduler, tol):
    X, y, weight = binary_data
    blocks = counted_array("X", X, 300)
    labels = counted_array("y", y, 300)
    with dask.config.set(scheduler=scheduler):
        res = dlogreg.fit(blocks, labels, sample_weight=weight, tol=tol)
    assert passes_of(reads("X"), 20) == res.n_passes
    assert passes_of(reads("y"), 20) == res.n_passes
    assert sum(reads("X")) == 20 * res.n_passes + 4
    kinds = [record.kind for record in res.trace]
    assert kinds[:2] == ["pilot", "survey"]
    assert kinds.count("pilot") == 1
    for record in res.trace[1:]:
        assert record.tally.n_blocks == 20
        assert record.tally.n_rows == len(X)
        assert record.tally.n_bytes == X.nbytes + y.nbytes + weight.nbytes
    assert res.trace[0].tally.n_blocks == 4


def test_zarr_chunks_are_read_once_per_pass(small_blocks, binary_data):
    X, y, _ = binary_data
    store = CountingStore(zarr.storage.MemoryStore())
    root = zarr.create_group(store)
    stored = root.create_array("X", shape=X.shape, chunks=(500, 2), dtype=X.dtype)
    labels = root.create_array("y", shape=y.shape, chunks=(4000,), dtype="i1")
    stored[:], labels[:] = X, y
    forget("store")
    res = dlogreg.fit(stored, labels)
    counts = reads("store")
    n_tasks = res.trace[1].tally.n_tasks
    assert len(counts) == 26
    assert set(counts[:24]) == {res.n_passes, res.n_passes + 1}
    assert sum(counts[:24]) == 24 * res.n_passes + 2 * 4  # the pilot: 4 pairs of chunks
    for count in counts[24:]:  # chunks of y are larger: once per task that needs them
        assert res.n_passes <= count <= res.n_passes * n_tasks + 4


def test_partitions_of_a_dataframe_are_read_once_per_pass(binary_data):
    X, y, weight = binary_data
    frame = pd.DataFrame(X, columns=list("abcd")).assign(y=y, w=weight)
    lines = dd.from_map(CountedPartition("lines", frame, 12), range(12))
    forget("lines")
    res = dlogreg.fit(lines[list("abcd")], lines.y, sample_weight=lines.w)
    assert passes_of(reads("lines"), 12) == res.n_passes


def test_a_column_mean_costs_one_reading_for_the_whole_fit(binary_data):
    X, y, _ = binary_data
    raw = counted_array("centred", X, 300)
    res = dlogreg.fit(raw - raw.mean(axis=0), y)
    assert sum(reads("centred")) == 20 * (res.n_passes + 1) + 4


def test_tasks_do_not_depend_on_the_number_of_chunks():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(16_000, 2))
    y = (X[:, 0] + rng.normal(size=len(X)) > 0).astype(int)
    for rows in (1000, 250, 40, 25):
        with dask.config.set(num_workers=2):
            res = dlogreg.fit(da.from_array(X, chunks=(rows, 2)), y)
        tasks = [record.tally.n_tasks for record in res.trace[1:]]
        assert len(set(tasks)) == 1
        assert 8 <= tasks[0] <= 16


def test_small_arrays_are_summed_without_a_scheduler(binary_data):
    X, y, _ = binary_data

    def refuse(*args, **kwargs):
        raise AssertionError("no scheduler is needed")

    with dask.config.set(scheduler=refuse):
        res = dlogreg.fit(X, y)
    assert res.status.converged


def test_results_read_nothing_and_predictions_once(binary_data):
    X, y, _ = binary_data
    raw = counted_array("again", X, 300)
    res = dlogreg.fit(raw, y)
    forget("again")
    str(res.summary())
    res.conf_int()
    res.cov_params()
    assert reads("again") == []
    p = res.predict(raw)
    assert reads("again") == []
    p.compute(scheduler="synchronous")
    assert reads("again") == [1] * 20


def test_nothing_is_read_when_options_are_wrong(binary_data):
    X, y, _ = binary_data
    raw = counted_array("refused", X, 300)
    for options in ({"tol": -1}, {"solver": "magic"}, {"memory_limit": 1000}):
        with pytest.raises((ValueError, dlogreg.MemoryLimitError)):
            dlogreg.fit(raw, y, **options)
    assert reads("refused") == []


def test_max_passes_is_kept(binary_data):
    X, y, _ = binary_data
    raw = counted_array("bounded", X, 300)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", dlogreg.ConvergenceWarning)
        res = dlogreg.fit(raw, y, max_passes=3, tol=1e-12)
    assert res.n_passes == 3
    assert passes_of(reads("bounded"), 20) == 3


@pytest.mark.parametrize("inference", [True, False])
@pytest.mark.parametrize("most", [1, 2, 3, 4])
@pytest.mark.parametrize("start", [None, [9.0, -9.0, 9.0]])
def test_a_pass_that_learns_or_a_start_keeps_to_max_passes(start, most, inference):
    if most == 1 and inference:
        return
    rng = np.random.default_rng(4)
    X = rng.normal(size=(60_000, 2)) * [1, 20]
    y = (rng.random(len(X)) < 1 / (1 + np.exp(-X @ [1.0, 0.3]))).astype(int)
    options = {"start": start, "max_passes": most, "inference": inference}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", dlogreg.ConvergenceWarning)
        res = dlogreg.fit(X, y, tol=1e-12, **options)
    assert res.n_passes <= most
    if inference:
        assert np.isfinite(res.bse).all()


def test_the_pilot_looks_further_where_blocks_are_empty():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(4000, 2)) + 1e6
    y = (X[:, 0] + rng.normal(size=len(X)) > 1e6).astype(int)
    blocks = counted_array("sparse", X, 100)
    some = da.arange(4000, chunks=100) // 100 == 29
    res = dlogreg.fit(blocks[some], da.from_array(y, chunks=100)[some], tol=1e-8)
    inside = slice(2900, 3000)
    reference = dlogreg.fit(X[inside], y[inside], tol=1e-8)
    np.testing.assert_allclose(res.params[1:], reference.params[1:], rtol=1e-6)
    assert [r.kind for r in res.trace[:2]] == ["pilot", "pilot"]
    assert res.n_passes == reference.n_passes
