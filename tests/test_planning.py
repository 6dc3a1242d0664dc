import inspect
import math
import threading

import dask
import dask.array as da
import dask.dataframe as dd
import distributed
import numpy as np
import pandas as pd
import pytest
import zarr

import dlogreg
from dlogreg.errors import DataError, MemoryLimitError
from dlogreg.kernel import LossKernel
from dlogreg.passes import Silent
from dlogreg.survey import SurveyKernel
from tests.counting import CountingStore, counted_array, forget, reads


def data(n=4000, d=3, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, d))
    return X, (rng.random(n) < 1 / (1 + np.exp(-X[:, 0]))).astype(np.int8)


def stored(tmp_path, X, rows):
    array = zarr.create_array(
        tmp_path / "x.zarr", shape=X.shape, chunks=(rows, X.shape[1]), dtype=X.dtype
    )
    array[:] = X
    return array


class Counting:
    """Makes dask arrays that count how often their blocks are computed."""

    def __init__(self):
        self.n, self._lock = 0, threading.Lock()

    def __call__(self, array):
        def touch(block):
            with self._lock:
                self.n += 1
            return block

        return array.map_blocks(touch, dtype=array.dtype, meta=array._meta)


def unwrapped(planned):
    return " ".join(str(planned).split())


def test_a_plan_takes_what_fit_takes():
    fit, plan = (inspect.signature(f) for f in (dlogreg.fit, dlogreg.plan))
    *same, measure = plan.parameters.values()
    one_model = [given for name, given in fit.parameters.items() if name != "by"]
    assert one_model == same
    assert (measure.name, measure.default) == ("measure", True)


@pytest.mark.parametrize("kind", ["numpy", "zarr", "dask", "dask, y cut otherwise"])
@pytest.mark.parametrize("weighted", [False, True])
def test_the_plan_is_what_the_fit_does(tmp_path, kind, weighted):
    X, y = data(20_000, 40)
    weight = np.ones(len(y)) if weighted else None
    given, labels, weights = X, y, weight
    if kind == "zarr":
        given = stored(tmp_path, X, 1000)
    if kind.startswith("dask"):
        given = da.from_array(X, chunks=(1500, -1))
        labels = da.from_array(y, chunks=1500 if kind == "dask" else 700)
        weights = None if weight is None else da.from_array(weight, chunks=1500)
    planned = dlogreg.plan(given, labels, sample_weight=weights)
    result = dlogreg.fit(given, labels, sample_weight=weights)
    for record in result.trace[1:]:
        assert record.tally.n_bytes == planned.bytes_per_pass
        assert record.tally.n_rows == planned.n_rows == 20_000
        assert record.tally.n_tasks == planned.n_tasks
        assert record.tally.n_blocks == planned.n_blocks
    assert planned.solver == result.solver == "newton"
    low, high = planned.passes
    assert low <= result.n_passes <= high
    assert planned.kind == kind.partition(",")[0]
    assert (planned.n_features, planned.n_params) == (40, 41)


@pytest.mark.parametrize("seed", range(8))
def test_expected_passes_hold_the_real_ones(seed):
    X, y = data(2000, 5, seed)
    X *= 10.0 ** np.random.default_rng(seed).uniform(-1, 0.5)
    y = np.random.default_rng(seed + 100).random(len(X)) < 1 / (1 + np.exp(-X.sum(1)))
    for options in ({}, {"inference": False}, {"start": np.zeros(6)}):
        low, high = dlogreg.plan(X, y, **options).passes
        assert low <= dlogreg.fit(X, y, **options).n_passes <= high


def test_without_measuring_no_block_of_a_dask_array_is_computed():
    X, y = data()
    calls = Counting()
    lazy = calls(da.from_array(X, chunks=(100, -1)))
    planned = dlogreg.plan(lazy, da.from_array(y, chunks=333), measure=False)
    assert planned.n_blocks == 40
    assert calls.n == 0
    assert planned.block is None
    assert planned.seconds is planned.seconds_per_pass is None
    assert "not measured: measure=False" in str(planned)


def test_not_even_to_count_rows():
    X, y = data()
    calls = Counting()
    lazy = calls(da.from_array(X, chunks=(100, -1)))
    lazy = lazy[lazy[:, 0] > 0]  # unknown row counts
    planned = dlogreg.plan(lazy, y[X[:, 0] > 0])
    assert calls.n == 0
    assert planned.n_rows is None
    assert planned.bytes_per_pass is None
    assert "once more to count" in " ".join(planned.advice)
    assert "unknown" in str(planned)
    assert "cannot be matched before" in planned.why_not_timed


def test_not_even_shared_work():
    X, y = data()
    calls = Counting()
    lazy = calls(da.from_array(X, chunks=(100, -1)))
    planned = dlogreg.plan(lazy - lazy.mean(axis=0), da.from_array(y, chunks=100))
    assert calls.n == 0
    assert "intermediate" in planned.why_not_timed
    assert "computed once" in " ".join(planned.advice)


def test_without_measuring_no_chunk_of_a_store_is_read(tmp_path, monkeypatch):
    X, y = data()
    array = stored(tmp_path, X, 500)

    def refuse(self, selection):
        raise AssertionError("the plan read a chunk")

    monkeypatch.setattr(zarr.Array, "__getitem__", refuse)
    assert dlogreg.plan(array, y, measure=False).n_rows == 4000


def test_a_fit_that_would_be_refused_is_planned_and_says_why():
    X, y = data()
    planned = dlogreg.plan(X, y, memory_limit="10 kB")
    with pytest.raises(MemoryLimitError) as caught:
        dlogreg.fit(X, y, memory_limit="10 kB")
    assert planned.refusal == str(caught.value)
    assert planned.refusal in unwrapped(planned)
    assert "not measured: the fit would be refused" in str(planned)
    assert dlogreg.plan(X, y, memory_limit="1 GB").refusal == ""


def test_wide_data_take_lbfgs_and_more_passes():
    y = np.arange(10) % 2
    narrow = dlogreg.plan(np.zeros((10, 1999)), y, measure=False)
    wide = dlogreg.plan(np.zeros((10, 3000)), y, measure=False)
    assert (narrow.solver, wide.solver) == ("newton", "lbfgs")
    assert "so few data that it takes seconds" in narrow.why_solver
    assert "3,001 coefficients takes 69 MiB" in wide.why_solver
    assert wide.passes[1] > narrow.passes[1]
    assert wide.passes[1] <= 100
    limited = dlogreg.plan(np.zeros((10, 1999)), y, max_passes=3, measure=False)
    assert limited.passes == (3, 3)
    chosen = dlogreg.plan(np.zeros((10, 2)), y, solver="lbfgs")
    assert chosen.why_solver == "as asked for"


def advice_on(X, y=None, **options):
    y = np.arange(X.shape[0]) % 2 if y is None else y
    with dask.config.set(num_workers=4):
        return dlogreg.plan(X, y, measure=False, **options).advice


def dask_advice(n_rows, chunk_rows, columns=64):
    X = da.zeros((n_rows, columns), chunks=(chunk_rows, -1))
    return " ".join(advice_on(X, da.zeros(n_rows, chunks=chunk_rows)))


def test_advice_on_chunks():
    good = 20_000  # 10 MB of 64 columns
    assert dask_advice(50 * good, good) == ""
    large = dask_advice(50 * good, 10 * good)
    assert "chunks of 97.7 MiB of rows are large" in large
    assert "X.rechunk((24576, -1))" in large
    assert "16,384 to 32,768 rows" in large
    assert "are small" in dask_advice(5 * good, 500)
    assert "2 block(s) leave some of 4 threads idle" in dask_advice(2 * good, good)
    assert dask_advice(100, 10) == ""
    advised = int(large.split("rechunk((")[1].split(",")[0])
    assert dask_advice(50 * good, advised) == ""


def test_advice_on_narrow_chunks_counts_bytes_and_not_rows():
    few = dask_advice(1_000_000, 2000, columns=5)
    assert "chunks of 78.1 KiB are small" in few
    assert "209,715 to 419,430 rows" in few
    assert dask_advice(4_000_000, 250_000, columns=5) == ""


def empty_store(n_rows, columns, chunks, shards=None):
    """Return an array of which no chunk was written: only its layout counts."""
    return zarr.create_array(
        zarr.storage.MemoryStore(),
        shape=(n_rows, columns) if columns else (n_rows,),
        chunks=chunks,
        shards=shards,
        dtype="f8",
    )


@pytest.mark.parametrize(
    ("chunks", "shards", "texts"),
    [
        ((20_000, 64), None, ()),
        ((100_000, 64), None, ("chunks of 48.8 MiB of rows", "whole rows")),
        ((100_000, 1), None, ("chunks of 48.8 MiB of rows", "whole rows")),
        ((500, 64), None, ("chunks of 250 KiB are small", "16,384 to 32,768 rows")),
        ((20_000, 2), None, ("chunks of 312 KiB are small", "chunks of whole rows")),
        ((20_000, 64), (20_000, 64), ()),
        ((20_000, 64), (200_000, 64), ("shards of 97.7 MiB", "shards no larger")),
        ((500, 64), (20_000, 64), ("chunks of 250 KiB are small", "shards no")),
    ],
)
def test_advice_on_stores(chunks, shards, texts):
    found = " ".join(advice_on(empty_store(600_000, 64, chunks, shards)))
    assert bool(found) == bool(texts)
    for text in texts:
        assert text in found


@pytest.mark.parametrize(
    ("chunk", "texts"),
    [
        (20_000, ()),
        (131_072, ()),
        (2_000_000, ("y lies in chunks of 15.3 MiB", "reads whole", "131,072 rows")),
        (500, ("y lies in 4,000 chunks of 500 rows", "131,072 rows")),
    ],
)
@pytest.mark.parametrize("kind", ["zarr", "dask"])
def test_advice_on_labels_cut_otherwise(kind, chunk, texts):
    n_rows = 2_000_000
    X = empty_store(n_rows, 10, (20_000, 10))
    if kind == "zarr":
        y = empty_store(n_rows, 0, (chunk,))
    else:
        y = da.zeros(n_rows, chunks=chunk)
    found = " ".join(advice_on(X, y))
    assert bool(found) == bool(texts)
    for text in texts:
        assert text in found
    if texts:  # weights are judged in the same way, labels in memory not at all
        found = " ".join(advice_on(X, np.zeros(n_rows), sample_weight=y))
        assert found.startswith("sample_weight lies in")


def test_labels_in_huge_chunks_are_in_the_projected_memory():
    X = empty_store(2_000_000, 10, (20_000, 10))
    small, huge = (
        dlogreg.plan(X, empty_store(2_000_000, 0, (n,)), measure=False).memory.per_task
        for n in (20_000, 2_000_000)
    )
    assert huge - small >= 8 * 2_000_000


def test_advice_where_rows_are_unknown():
    X, y = data()
    lazy = da.from_array(X, chunks=(100, -1))
    keep = lazy[:, 0] > 0
    (text,) = advice_on(lazy[keep], da.from_array(y, chunks=100)[keep])
    assert "found in the first pass" in text
    assert "compute_chunk_sizes()" in text
    frame = dd.from_pandas(pd.DataFrame(X).assign(y=y), npartitions=4)
    (text,) = advice_on(frame[[0, 1, 2]], frame.y)
    assert "X.to_dask_array(lengths=True)" in text
    assert "compute_chunk_sizes" not in text


def test_advice_where_blocks_repeat_work():
    X, y = data()
    calls = Counting()
    lazy = calls(da.from_array(X, chunks=(100, -1)))
    order = np.random.default_rng(0).permutation(len(X))
    planned = dlogreg.plan(lazy[order], y)
    assert calls.n == 0
    assert "as after a shuffle" in planned.why_not_timed
    (text,) = planned.advice
    times = float(text.split("piece ")[1].split()[0])
    assert "store X first" in text
    begun = []

    class Watch(Silent):
        def pass_started(self, number, kind, n_tasks):
            begun.append(calls.n)

    dlogreg.fit(lazy[order], y, progress=Watch())
    _, first, second, *_ = begun
    assert times == pytest.approx((second - first) / 40, abs=0.05)


def test_no_advice_where_blocks_share_only_with_their_neighbours():
    X, y = data()
    lazy = Counting()(da.from_array(X, chunks=(20, -1)))
    for blocks in (lazy, lazy.rechunk((30, -1)), lazy.rechunk((70, 2)), lazy[7:] * 2):
        assert advice_on(blocks, y[-blocks.shape[0] :]) == ()


def test_too_few_rows_are_warned_of():
    X, y = np.zeros((300, 40)), np.arange(300) % 2
    (text,) = dlogreg.plan(X, y).warnings
    assert "300 rows for 41 coefficients" in text
    assert "L-BFGS" not in text
    (text,) = dlogreg.plan(X, y, solver="lbfgs").warnings
    assert "L-BFGS takes many passes" in text
    assert "warning   300 rows" in str(dlogreg.plan(X, y))
    assert dlogreg.plan(X, y, alpha=1e-3).warnings == ()
    assert dlogreg.plan(X[:, :29], y).warnings == ()


def test_bad_options_are_refused_as_in_fit():
    X, y = data(50)
    for options in ({"tol": 0}, {"solver": "sag"}, {"alpha": -1}, {"start": [1.0]}):
        with pytest.raises(ValueError, match=next(iter(options))):
            dlogreg.plan(X, y, **options)
    with pytest.raises(DataError, match="49"):
        dlogreg.plan(X, y[:-1])


class Clock:
    """A clock that moves only when it is told to."""

    def __init__(self, monkeypatch):
        self.now = 0.0
        monkeypatch.setattr("dlogreg.stopwatch.perf_counter", lambda: self.now)
        self.slow_down(monkeypatch, SurveyKernel, 0.25)
        self.slow_down(monkeypatch, LossKernel, 0.125)

    def slow_down(self, monkeypatch, kernel, seconds):
        def add(this, sums, rows, buffers):
            self.now += seconds

        monkeypatch.setattr(kernel, "add", add)

    def reading(self, block):
        self.now += 1.0
        return block


def slow_array(clock, X, rows):
    meta = np.empty((0, X.shape[1]))
    blocks = da.from_array(X, chunks=(rows, -1))
    return blocks.map_blocks(clock.reading, dtype=X.dtype, meta=meta)


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("known", [True, False])
def test_seconds_follow_from_one_block(monkeypatch, threads, known):
    clock = Clock(monkeypatch)
    X, y = data(80_000, 20)
    lazy, labels = slow_array(clock, X, 10_000), da.from_array(y, chunks=10_000)
    if not known:
        keep = labels > -1
        lazy, labels = lazy[keep], labels[keep]
    with dask.config.set(num_workers=threads):
        planned = dlogreg.plan(lazy, labels)
    block = planned.block
    assert (block.n_blocks, block.n_rows) == (1, 10_000)
    assert (block.reading, block.first, block.later) == (1.0, 0.25, 0.125)
    share = math.ceil(8 / threads) / 8
    assert planned.n_tasks == 8
    assert planned.seconds_first_pass == pytest.approx(8 * 1.25 * share)
    assert planned.seconds_per_pass == pytest.approx(8 * 1.125 * share)
    low, high = planned.passes
    for seconds, passes in zip(planned.seconds, (low, high), strict=True):
        expected = (8 * 1.25 + (passes - 1) * 8 * 1.125) * share
        assert seconds == pytest.approx(expected)
    assert planned.bytes_per_second == 10_000 * (20 * 8 + 1)


def test_a_short_last_block_is_not_taken_for_the_whole(monkeypatch):
    clock = Clock(monkeypatch)
    X, y = data(10_010, 20)
    planned = dlogreg.plan(slow_array(clock, X, 10_000), y)
    assert planned.block.n_rows == 10_010
    assert planned.block.reading == 2.0


def test_one_block_is_read_and_one_before_it_to_warm_up():
    X, y = data(80_000, 20)
    lazy = counted_array("large", X, 10_000)
    labels = counted_array("labels", y, 10_000)
    planned = dlogreg.plan(lazy, labels)
    assert reads("large") == reads("labels") == [2, 1]
    assert planned.block.n_rows == 10_000
    assert planned.block.n_bytes == 10_000 * (20 * 8 + 1)


def test_of_small_blocks_several_are_read():
    X, y = data(4000, 3)
    planned = dlogreg.plan(counted_array("small", X, 100), y)
    assert reads("small") == [2, *[1] * 8]
    assert planned.block.n_blocks == 8
    assert planned.block.n_rows == 800


def test_one_chunk_of_a_store_is_read(tmp_path):
    X, y = data(100_000, 20)
    store = CountingStore(zarr.storage.MemoryStore())
    array = zarr.create_array(store, shape=X.shape, chunks=(30_000, 20), dtype="f8")
    array[:] = X
    forget("store")
    planned = dlogreg.plan(array, y)
    assert reads("store") == [2, 1]
    assert 0 < planned.bytes_per_second < math.inf
    assert "on one thread: read in " in unwrapped(planned)


@pytest.mark.parametrize("solver", ["newton", "lbfgs"])
@pytest.mark.parametrize("rows", [50, 4000, 120_000])
def test_arrays_in_memory_are_timed_too(solver, rows):
    X, y = data(rows, 5)
    planned = dlogreg.plan(X, y, solver=solver)
    assert 0 < planned.seconds_per_pass < 60
    assert 0 < planned.seconds_first_pass < 60
    assert planned.bytes_per_second == math.inf
    assert "used where they lie" in unwrapped(planned)


def test_the_kernels_are_those_of_the_fit(monkeypatch):
    seen = []

    def noting(kernel):
        add = kernel.add

        def wrapped(this, sums, rows, buffers):
            seen.append((kernel.__name__, this.order, getattr(this, "chain", None)))
            add(this, sums, rows, buffers)

        monkeypatch.setattr(kernel, "add", wrapped)

    noting(SurveyKernel)
    X, y = data(200_000, 5)
    assert dlogreg.plan(X, y).block
    assert seen
    assert all(chain is not None for _, _, chain in seen)  # a first pass that learns
    seen.clear()
    assert dlogreg.plan(X[:2000], y[:2000]).block
    assert {(order, chain) for _, order, chain in seen} == {(2, None)}


@pytest.mark.parametrize("broken", ["NaN", "text", "chunk", "labels", "graph"])
def test_what_cannot_be_read_raises_as_in_fit(tmp_path, broken):
    X, y = data(400_000, 5)
    if broken == "NaN":
        X[20, 1] = np.nan
    if broken == "labels":
        y = np.arange(len(y)) / 7
    given = X
    if broken == "chunk":
        given = stored(tmp_path, X, 50_000)
        (tmp_path / "x.zarr" / "c" / "0" / "0").write_bytes(b"nothing")
    if broken in ("text", "graph"):
        lazy = da.from_array(X, chunks=(50_000, -1))

        def spoil(block, block_info=None):
            if block_info[0]["chunk-location"][0]:
                return block
            return block.astype(object) if broken == "text" else block.nonsense

        given = lazy.map_blocks(spoil, dtype=float, meta=np.empty((0, 5)))
    errors = []
    for act in (dlogreg.fit, dlogreg.plan):
        with pytest.raises(DataError) as caught:
            act(given, y)
        errors.append(str(caught.value))
    # the fit has counted all that are missing, which reads the data once more
    said, planned = (error.partition(" in row")[0] for error in errors)
    assert said == planned if broken == "NaN" else errors[0] == errors[1]
    assert dlogreg.plan(given, y, measure=False).n_rows == 400_000


def test_rows_of_weight_zero_tell_no_time():
    X, y = data(2000)
    planned = dlogreg.plan(X, y, sample_weight=np.zeros(2000))
    assert planned.block is None
    assert "no rows of positive weight" in planned.why_not_timed


def test_a_plan_that_measures_must_be_told_so_clearly():
    with pytest.raises(ValueError, match="measure must be True or False, not 'no'"):
        dlogreg.plan(*data(50), measure="no")


@pytest.mark.cluster
def test_on_a_cluster_a_worker_takes_the_time(client):
    X, y = data(40_000, 20)

    def where(block):
        distributed.get_worker()  # raises elsewhere
        return block

    lazy = da.from_array(X, chunks=(10_000, -1))
    lazy = lazy.map_blocks(where, dtype=float, meta=np.empty((0, 20)))
    planned = dlogreg.plan(lazy, y)
    assert planned.block.n_rows == 10_000
    assert planned.seconds_per_pass > 0
    assert (planned.n_workers, planned.n_threads) == (2, 2)
    kept = client.persist(da.from_array(X, chunks=(10_000, -1)))
    assert dlogreg.plan(kept, y).block.n_rows == 10_000


def test_everything_promised_is_shown():
    planned = dlogreg.plan(*data(40_000, 5), memory_limit="1 GB")
    lines = dict(planned.rows())
    assert lines["passes"] == "3 to 10"
    assert lines["reading"].startswith("1.56 MiB per pass")
    assert " per pass, " in lines["time"]
    assert " for the first; " in lines["time"]
    assert lines["timed"].startswith("40,000 rows, 1.56 MiB, on one thread: ")
    assert lines["solver"].startswith("newton: 6 coefficients")
    assert lines["memory"].endswith("limit 954 MiB")
    assert lines["per task"].endswith("at a time")
    assert lines["driver"].endswith("for the solver")
    assert repr(planned) == str(planned)
    assert max(map(len, str(planned).split("\n"))) <= 88


def test_text_and_html_say_the_same():
    X, y = data()
    planned = dlogreg.plan(X, y, feature_names=["a", "b", "<c>"])
    text, page = str(planned), planned._repr_html_()
    for name, value in planned.rows():
        assert name in text
        assert value in unwrapped(planned)
        assert name in page
    assert "4,000 rows x 3 columns" in text
    assert page.startswith('<div class="dlogreg-summary">')
    assert "<c>" not in page


def test_the_function_stays_a_function_after_its_module_is_imported():
    import dlogreg.planning

    assert callable(dlogreg.plan)
    assert isinstance(dlogreg.plan(*data(50)), dlogreg.planning.Plan)
