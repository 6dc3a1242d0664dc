"""Where tasks run, what is sent there, and what happens when one fails."""

from __future__ import annotations

import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import dask
import dask.array as da
import distributed
import numpy as np
import pytest
import threadpoolctl
import zarr
from hypothesis import given
from hypothesis import strategies as st

from dlogreg import scheduling
from dlogreg.errors import DataError
from dlogreg.evaluation import Tally, TrialPoints
from dlogreg.partition import partition_rows
from dlogreg.passes import Passes
from dlogreg.reduction import (
    Reduction,
    active_client,
    add_pairwise,
    compute_shared,
    count_rows,
    n_threads,
    single_threaded_blas,
    sum_partition,
)
from dlogreg.reduction.parcels import Parcels
from dlogreg.reduction.partition_sum import add_nodes
from dlogreg.source import as_source
from dlogreg.tree_sum import SiblingSum, TreeSum
from tests.counting import forget, note, reads


@dataclass(frozen=True)
class Concatenation:
    """A sum that shows in which order it was made."""

    text: str

    def __add__(self, other):
        return Concatenation(f"({self.text} {other.text})")


@dataclass(frozen=True)
class ShowRows:
    """A kernel whose sum lists the rows of each leaf."""

    fail_at: int = -1
    name: str = "show"

    def open(self):
        return threading.get_ident()

    def start(self):
        return []

    def add(self, sums, rows, buffers):
        assert buffers == threading.get_ident()
        if self.fail_at in rows.X[:, 0]:
            raise DataError(f"row {self.fail_at} is bad")
        sums.extend(rows.X[:, 0].astype(int).tolist())

    def finish(self, sums):
        return Concatenation("-".join(map(str, sums)))


def partitions_of(n_leaves, n_partitions, chunk=8):
    rows = np.arange(float(n_leaves * 8))[:, None]
    X = da.from_array(rows, chunks=(chunk, 1))
    source = as_source(
        X, np.zeros(len(rows)), compute=compute_shared, count_rows=count_rows
    )
    return partition_rows(source, 1, n_partitions)


def tree(low, high):
    """Return the fixed tree over leaves low to high, of 8 rows each."""
    if high - low == 1:
        return "-".join(map(str, range(8 * low, 8 * high)))
    half = 1 << (high - low - 1).bit_length() - 1
    return f"({tree(low, low + half)} {tree(low + half, high)})"


@given(st.integers(1, 70), st.integers(1, 70), st.sampled_from([2, 4, 8]))
def test_the_tree_is_fixed(n_leaves, n_partitions, chunk):
    partitions = partitions_of(n_leaves, n_partitions, chunk)
    with dask.config.set(scheduler="synchronous"):
        total, tally = Reduction(partitions).sum(ShowRows())
    assert total.text == tree(0, n_leaves)
    assert tally.n_rows == 8 * n_leaves
    assert tally.n_blocks == 8 * n_leaves // chunk
    assert tally.n_tasks == len(partitions)


@dataclass(frozen=True)
class TellRows(ShowRows):
    """The same, and tells of every leaf that is begun."""

    begun: tuple = ()

    def add(self, sums, rows, buffers):
        self.begun[0].append(int(rows.X[0, 0]))
        super().add(sums, rows, buffers)


@pytest.mark.parametrize("scheduler", ["synchronous", "threads"])
def test_tasks_of_a_process_take_leaves_in_their_order(scheduler):
    """Few of their sums wait then; dask would begin with 8, 9, 7 of these."""
    begun = []
    with dask.config.set(scheduler=scheduler, num_workers=1):
        total, _ = Reduction(partitions_of(12, 12)).sum(TellRows(begun=(begun,)))
    assert begun == list(range(0, 96, 8))
    assert total.text == tree(0, 12)


@given(st.permutations(range(9)), st.integers(1, 9))
def test_siblings_that_come_in_any_order_make_the_same_tree(order, n):
    siblings = SiblingSum(n, lambda a, b: a + b)
    for i in order:
        if i < n:
            siblings.push(i, Concatenation(f"{i}"))
    expected = add_pairwise([Concatenation(f"{i}") for i in range(n)])
    assert siblings.total() == expected


@given(st.integers(1, 300))
def test_few_siblings_wait_where_they_come_in_order(n):
    waiting, most = SiblingSum(n, lambda a, b: a + b), 0
    for i in range(n):
        waiting.push(i, 1)
        most = max(most, len(waiting._waiting))
    assert waiting.total() == n
    assert most <= n.bit_length()


def test_sums_are_added_where_they_lie():
    nodes = [TrialPoints(np.ones(2), np.full((3, 2), float(i))) for i in range(3)]
    first, tree = nodes[0].gradients, TreeSum()
    for node in nodes:
        tree.push(node)
    total = tree.total()
    assert total.gradients is first
    assert (first == 3).all()
    assert (total.losses == 3).all()
    assert (nodes[2].gradients == 2).all()
    bent = TrialPoints(np.ones(2), np.ones((3, 2)), np.ones((3, 2)))
    bent += TrialPoints(np.ones(2), np.ones((3, 2)), np.full((3, 2), 4.0))
    assert (bent.intercept_curvatures == 5).all()
    bent += TrialPoints(np.ones(2), np.ones((3, 2)))
    assert bent.intercept_curvatures is None
    assert (bent.gradients == 3).all()


@given(st.integers(1, 300))
def test_pairs(n):
    total = add_pairwise([Concatenation(f"{i}") for i in range(n)])
    assert total.text.replace("(", "").replace(")", "") == " ".join(
        str(i) for i in range(n)
    )
    depth = max(
        total.text[:i].count("(") - total.text[:i].count(")")
        for i in range(len(total.text) + 1)
    )
    assert depth <= (n - 1).bit_length()


@pytest.mark.parametrize("scheduler", ["threads", "synchronous", "inline", "pool"])
def test_schedulers_of_this_process(scheduler):
    partitions = partitions_of(21, 6)
    done = []
    with ThreadPoolExecutor(2) as pool:
        chosen = {"pool": pool, "inline": "threads"}.get(scheduler, scheduler)
        with dask.config.set(scheduler=chosen):
            reduction = Reduction(partitions, scheduler == "inline", done.append)
            total, tally = reduction.sum(ShowRows())
    assert total.text == tree(0, 21)
    if scheduler != "pool":
        assert sum(done, Tally()).n_rows == tally.n_rows == 168


def test_small_data_are_given_to_no_scheduler(monkeypatch):
    def refuse(*arguments, **options):
        raise AssertionError("a scheduler was asked")

    monkeypatch.setattr(dask.threaded, "get", refuse)
    partitions = partitions_of(21, 6)
    assert Reduction(partitions, inline=True).sum(ShowRows())[0].text == tree(0, 21)
    with pytest.raises(AssertionError, match="a scheduler"):
        Reduction(partitions).sum(ShowRows())


class Clock:
    """A clock that moves only when it is told to."""

    def __init__(self, monkeypatch):
        self.now = 0.0
        monkeypatch.setattr("dlogreg.stopwatch.perf_counter", lambda: self.now)

    def pass_by(self, seconds):
        self.now += seconds


@dataclass(frozen=True)
class Slow:
    """A sum that takes 100 seconds to add."""

    clock: Clock

    def __add__(self, other):
        self.clock.pass_by(100.0)
        return self


@dataclass(frozen=True)
class SlowKernel(ShowRows):
    """A kernel that takes its time for a block and for a leaf."""

    clock: Clock | None = None
    block: float = 0.0
    leaf: float = 0.0

    def add(self, sums, rows, buffers):
        self.clock.pass_by(self.block)

    def finish(self, sums):
        self.clock.pass_by(self.leaf)
        return Slow(self.clock)


@pytest.mark.parametrize("inline", [False, True])
def test_the_time_of_a_pass_is_taken_apart(monkeypatch, inline):
    clock = Clock(monkeypatch)

    def load(block):
        clock.pass_by(1000.0)
        return block

    X = da.from_array(np.arange(40.0)[:, None], chunks=(4, 1))
    X = X.map_blocks(load, dtype=float, meta=np.empty((0, 1)))
    source = as_source(X, np.zeros(40), compute=compute_shared, count_rows=count_rows)
    partitions = partition_rows(source, 1, 3)
    assert [len(p.leaves) - 1 for p in partitions] == [2, 2, 1]  # of 8 rows
    with dask.config.set(scheduler="threads", num_workers=1):
        kernel = SlowKernel(clock=clock, block=10.0, leaf=1.0)
        tally = Reduction(partitions, inline).sum(kernel)[1]
    assert tally.reading == 10 * 1000
    assert tally.computing == 10 * 10 + 5 * 1
    assert tally.reducing == (5 - 1) * 100


def test_the_thread_that_brings_the_second_sibling_adds_both(monkeypatch):
    clock = Clock(monkeypatch)
    with dask.config.set(scheduler="threads", num_workers=1):
        reduction = Reduction(partitions_of(4, 4))
        tally = reduction.sum(SlowKernel(clock=clock))[1]
    assert tally.reducing == 3 * 100


def test_the_driver_keeps_all_threads_waiting_while_it_adds(monkeypatch):
    clock = Clock(monkeypatch)
    nodes = [(Slow(clock), Tally(reducing=1.0)) for _ in range(4)]
    assert add_nodes(nodes, n_threads=4)[1].reducing == 4 + 4 * 3 * 100


@pytest.mark.parametrize("scheduler", ["synchronous", "threads", "processes"])
def test_the_parts_of_a_pass_add_up(scheduler):
    with dask.config.set(scheduler=scheduler, num_workers=2):
        check_the_parts(Reduction(partitions_of(64, 6)))


def check_the_parts(reduction):
    passes = Passes(reduction)
    passes.run(ShowRows())
    (record,) = passes.trace
    parts = (record.reading, record.computing, record.reducing, record.waiting)
    assert min(parts) >= 0
    assert min(parts[:3]) > 0
    assert sum(parts) == pytest.approx(record.seconds)
    assert record.n_threads == n_threads()


def test_an_error_stops_the_other_tasks():
    with pytest.raises(DataError, match="row 3 is bad"):
        Reduction(partitions_of(64, 6)).sum(ShowRows(3))


def test_the_number_of_threads():
    with dask.config.set(scheduler="synchronous"):
        assert n_threads() == 1
    with dask.config.set(scheduler="threads", num_workers=5):
        assert n_threads() == 5
    with ThreadPoolExecutor(3) as pool, dask.config.set(pool=pool):
        assert n_threads() == 3
    assert active_client() is None


def blas_threads():
    return [
        library["num_threads"]
        for library in threadpoolctl.threadpool_info()
        if library["user_api"] == "blas"
    ]


def test_blas_runs_with_one_thread_inside_tasks_and_is_set_back():
    before = blas_threads()
    with single_threaded_blas:
        assert set(blas_threads()) <= {1}
        with single_threaded_blas:
            pass
        assert set(blas_threads()) <= {1}
    assert blas_threads() == before
    with pytest.raises(ZeroDivisionError), single_threaded_blas:
        raise ZeroDivisionError
    assert blas_threads() == before


def test_libraries_are_looked_for_once(monkeypatch):
    scans = []

    class Counted(threadpoolctl.ThreadpoolController):
        def __init__(self):
            scans.append(self)
            super().__init__()

    monkeypatch.setattr(scheduling, "ThreadpoolController", Counted)
    hold = scheduling._SingleThreadedBlas()
    for _ in range(3):
        with hold, hold:
            assert set(blas_threads()) <= {1}
    assert len(scans) == 1


def test_blas_obeys_whichever_thread_comes_first_and_last():
    before = blas_threads()
    seen = []
    entered, leave = threading.Event(), threading.Event()

    def compute():
        with single_threaded_blas:
            seen.append(set(blas_threads()))

    def outlast():
        with single_threaded_blas:
            entered.set()
            leave.wait(10)
            seen.append(set(blas_threads()))

    for _ in range(2):  # a thread that has come first lives on
        last = threading.Thread(target=outlast)
        last.start()
        entered.wait(10)
        entered.clear()
        with single_threaded_blas:
            seen.append(set(blas_threads()))
        other = threading.Thread(target=compute)
        other.start()
        other.join()
        leave.set()
        last.join()
        leave.clear()
        assert blas_threads() == before
        compute()
        assert blas_threads() == before
    with ThreadPoolExecutor(1) as first, ThreadPoolExecutor(1) as second:
        for pool in (first, second, first):
            pool.submit(compute).result()
            assert blas_threads() == before
        compute()
    assert len(seen) == 12
    assert set().union(*seen) <= {1}


def test_shared_work_is_computed_together():
    forget("once")

    def once(x):
        note("once", 0)
        return np.full(3, float(x))

    graph = {"a": 2, "b": (once, "a"), "c": (np.sum, "b"), "d": (np.prod, "b")}
    assert compute_shared(graph, ["c", "d"]) == {"c": 6.0, "d": 8.0}
    assert reads("once") == [1]
    assert compute_shared(graph, []) == {}


def test_shared_work_is_kept_up_to_a_total(monkeypatch):
    monkeypatch.setattr("dlogreg.reduction.beforehand.SHARED_BYTES", 1000)
    graph = dict.fromkeys("abc", (np.zeros, 60))
    assert list(compute_shared(graph, ["a", "b", "c"])) == ["a", "b"]


@pytest.mark.cluster
class TestOnCluster:
    def test_the_tree_is_fixed(self, client):
        for n_leaves, n_partitions in ((1, 1), (21, 6), (64, 64), (67, 100)):
            done = []
            partitions = partitions_of(n_leaves, n_partitions)
            reduction = Reduction(partitions, on_task=done.append)
            total, tally = reduction.sum(ShowRows())
            assert total.text == tree(0, n_leaves)
            assert tally.n_tasks == len(partitions)

    def sent_by(self, client, monkeypatch, rows, chunk):
        """Return what three passes send, and how often they send anything."""
        sent, calls = [], []
        scatter = client.scatter

        def note_values(values, **options):
            sent.extend(values)
            calls.append(len(values))
            return scatter(values, **options)

        monkeypatch.setattr(client, "scatter", note_values)
        X = da.from_array(rows, chunks=(chunk, rows.shape[1]))
        source = as_source(
            X, np.zeros(len(rows)), compute=compute_shared, count_rows=count_rows
        )
        reduction = Reduction(partition_rows(source, 1, 4))
        totals = {reduction.sum(ShowRows())[0].text for _ in range(3)}
        assert len(totals) == 1
        return sent, len(calls)

    def test_small_values_are_sent_once_with_their_recipe(self, client, monkeypatch):
        rows = np.arange(40_000.0)[:, None]
        parcels, calls = self.sent_by(client, monkeypatch, rows, 5000)
        assert calls == len(parcels) == 4
        values = [v for p in parcels for given in p.inputs for v in given]
        assert len(values) == 8 + 4
        assert sum(value.nbytes for value in values) == 2 * rows.nbytes
        assert sum(map(sys.getsizeof, parcels)) >= 2 * rows.nbytes

    def test_large_values_are_sent_once_by_themselves(self, client, monkeypatch):
        rows = np.arange(40_000.0)[:, None] * np.ones((1, 30))
        sent, calls = self.sent_by(client, monkeypatch, rows, 5000)
        assert calls == 4
        arrays = [value for value in sent if isinstance(value, np.ndarray)]
        assert len(arrays) == 8
        assert sum(value.nbytes for value in arrays) == rows.nbytes

    def test_recipes_of_stores_go_with_the_task(self, client, tmp_path, monkeypatch):
        stored = zarr.create_array(
            tmp_path / "X", shape=(20, 2), chunks=(5, 2), dtype="f8"
        )
        stored[:] = np.arange(40).reshape(20, 2)
        source = as_source(
            stored, stored[:, 0], compute=compute_shared, count_rows=count_rows
        )
        (partition,) = partition_rows(source, 1, 4)
        store_alone = replace(partition, vectors=())
        sent, parcel, beside = Parcels().send(client, store_alone, None)
        assert (sent, parcel, beside) == (store_alone, None, [])

    def test_the_parts_of_a_pass_add_up(self, client):
        check_the_parts(Reduction(partitions_of(64, 64)))

    def test_errors_come_back_as_they_are(self, client):
        with pytest.raises(DataError, match="row 100 is bad"):
            Reduction(partitions_of(64, 6)).sum(ShowRows(100))

    def test_errors_leave_the_data_on_the_cluster(self, client):
        kept = client.persist(da.ones((40, 2), chunks=(10, 2)))
        distributed.wait(kept)
        for _ in range(10):
            with pytest.raises(DataError, match="row 100 is bad"):
                Reduction(partitions_of(64, 64)).sum(ShowRows(100))
        connected = client.run_on_scheduler(
            lambda dask_scheduler: list(dask_scheduler.clients)
        )
        assert client.id in connected
        assert all(client.who_has(kept).values())
        assert kept.sum().compute() == 80

    def test_the_cluster_is_found(self, client):
        assert active_client() is client
        assert n_threads() == 2
        with dask.config.set(scheduler="threads"):
            assert active_client() is None

    def test_nothing_stays_on_the_cluster(self, client):
        def held():
            return client.run_on_scheduler(
                lambda dask_scheduler: len(dask_scheduler.tasks)
            )

        before = held()
        reduction = Reduction(partitions_of(64, 6))
        reduction.sum(ShowRows())
        del reduction
        for _ in range(100):
            if held() <= before:
                break
            client.sync(wait)
        assert held() <= before

    def test_partitions_run_by_themselves(self, client):
        (partition,) = partitions_of(5, 1)
        future = client.submit(
            sum_partition, ShowRows(), partition, partition.inputs, pure=False
        )
        assert future.result()[0].text == tree(0, 5)


async def wait():
    import asyncio

    await asyncio.sleep(0.05)
