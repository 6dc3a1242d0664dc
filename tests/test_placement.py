"""What goes where on a cluster: few tasks, few transfers, blocks where they lie."""

from __future__ import annotations

import pickle
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import dask.array as da
import distributed
import numpy as np
import pytest
from distributed import Client, get_worker
from hypothesis import given
from hypothesis import strategies as st

import dlogreg
from dlogreg import layout
from dlogreg.partition import partition_rows
from dlogreg.reduction import Reduction, compute_shared, count_rows, placement
from dlogreg.reduction import reduction as reduction_module
from dlogreg.reduction.placement import array_bytes, homes, spread
from dlogreg.source import as_source
from tests.benchmarks.nothing import ZerosKernel
from tests.conftest import make_cluster
from tests.faulty import rows, stored

SCRIPT = Path(__file__).parents[1] / "examples" / "benchmarks" / "many_workers.py"


@given(
    threads=st.dictionaries(st.text("abc", min_size=1), st.integers(1, 5), min_size=1),
    n_partitions=st.integers(1, 200),
)
def test_neighbours_go_together_and_threads_share_evenly(threads, n_partitions):
    homes = spread(threads, n_partitions)
    assert len(homes) == n_partitions
    assert homes == sorted(homes)
    share = n_partitions / sum(threads.values())
    for worker, count in threads.items():
        assert abs(homes.count(worker) - share * count) <= count


class Holding:
    """Stands for a client that knows where three values lie."""

    def who_has(self, futures):
        places = {"x": ("c", "b"), "y": ("b",), "z": ("gone",)}
        return {future.key: places[future.key] for future in futures}


def test_partitions_go_to_the_worker_that_holds_most_of_their_data():
    def part(*names):
        held = [SimpleNamespace(client=None, key=name) for name in names]
        return SimpleNamespace(inputs=((1.0, *held[:1]), tuple(held[1:])))

    parts = [part("x", "y"), part("x"), part("z"), part(), part("y", "x")]
    threads = {"a": 1, "b": 1, "c": 1}
    assert spread(threads, 5) == ["a", "a", "b", "b", "c"]
    assert homes(Holding(), parts, threads) == ["b", "b", "b", "b", "b"]
    assert homes(None, [part(), part()], threads) == ["a", "b"]


def test_without_workers_nothing_has_a_home():
    assert spread({}, 3) == [None, None, None]


def test_bytes_of_a_kernel():
    kernel = ZerosKernel(3)
    assert array_bytes(kernel) == 0
    assert array_bytes((np.zeros(10), [np.zeros(2, "f4")], "text", None)) == 88
    assert array_bytes(Wide(np.zeros(5))) == 40


@dataclass(frozen=True)
class Wide:
    """Counts rows, and carries much."""

    coefficients: object
    name: str = "wide"

    def open(self):
        return None

    def start(self):
        return [0]

    def add(self, sums, rows, buffers):
        sums[0] += len(rows)

    def finish(self, sums):
        return sums[0]


@dataclass(frozen=True)
class Where:
    """Tells on which worker every block was summed."""

    name: str = "where"

    def open(self):
        return None

    def start(self):
        return []

    def add(self, sums, rows, buffers):
        sums.append((rows.index, get_worker().address))

    def finish(self, sums):
        return tuple(sums)


def source_of(X, y):
    return as_source(X, y, compute=compute_shared, count_rows=count_rows)


@pytest.mark.cluster
@pytest.mark.parametrize("n_values", [10_000, 20_000])
def test_wide_coefficients_are_sent_once(client, monkeypatch, tmp_path, n_values):
    """Above 100 KB they do not go with every task."""
    group = stored(tmp_path / "rows.zarr", *rows(), chunk=200)
    reduction = Reduction(partition_rows(source_of(group["X"], group["y"]), 5, 8))
    sent, given = [], []
    scatter, submitted = client.scatter, reduction_module.submitted

    def note_scattered(values, **options):
        sent.extend(v for v in values if isinstance(v, Wide))
        return scatter(values, **options)

    def note_submitted(client, function, calls, *rest, **options):
        given.extend(a for call in calls for a in call if isinstance(a, Wide))
        return submitted(client, function, calls, *rest, **options)

    monkeypatch.setattr(client, "scatter", note_scattered)
    monkeypatch.setattr(reduction_module, "submitted", note_submitted)
    kernel = Wide(np.zeros(n_values))
    for _ in range(2):
        assert reduction.sum(kernel)[0] == 6000
    wide = len(pickle.dumps(kernel)) > placement.WIDE_BYTES
    assert wide == (n_values == 20_000)
    assert len(sent) == (2 if wide else 0)
    assert len(given) == (0 if wide else 2 * len(reduction.partitions))


@pytest.mark.cluster
def test_partitions_stay_where_their_blocks_are(client):
    """In every pass, for data in the workers' memory."""
    values = np.random.default_rng(0).normal(size=(24_000, 20))
    lazy = da.from_array(values, chunks=(3000, 20)).map_blocks(np.array)
    held = client.persist(lazy)
    distributed.wait(held)
    place = {key[1]: set(where) for key, where in client.who_has(held).items()}
    assert len(set().union(*place.values())) == 2
    source = source_of(held, np.zeros(24_000))
    reduction = Reduction(partition_rows(source, 20, 4))
    assert len(reduction.partitions) == 8
    for _ in range(3):
        ran = dict(reduction.sum(Where())[0])
        assert all(ran[block] in place[block] for block in place)


@pytest.mark.cluster
@pytest.mark.usefixtures("small_blocks")
def test_few_tasks_are_shared_evenly(tmp_path):
    """Dask would give two to most of the workers, were it told of them together."""
    group = stored(tmp_path / "rows.zarr", *rows(), chunk=100)
    with make_cluster(24, processes=False) as cluster, Client(cluster) as client:
        client.wait_for_workers(24)
        reduction = Reduction(partition_rows(source_of(group["X"], group["y"]), 4, 32))
        assert len(reduction.partitions) == 30
        held = reduction.sum(Slowly())[0]
        assert len(set(held)) == 24


@dataclass(frozen=True)
class Slowly(Where):
    """Takes its time, so that no worker takes a second task before each has one."""

    def add(self, sums, rows, buffers):
        time.sleep(0.1)

    def finish(self, sums):
        return (get_worker().address,)


@pytest.mark.cluster
def test_at_most_four_tasks_for_a_thread(tmp_path, monkeypatch, small_blocks):
    """Whatever the number of leaves; the driver sees one sum."""
    group = stored(tmp_path / "rows.zarr", *rows(), chunk=50)
    expected = dlogreg.fit(group["X"], group["y"])
    with make_cluster(4, processes=False) as cluster, Client(cluster):
        messages, results = [], []
        submitted, result = reduction_module.submitted, distributed.Future.result

        def note_submitted(client, function, calls, *rest, **options):
            messages.append(len(calls))
            return submitted(client, function, calls, *rest, **options)

        def note_result(self, timeout=None):
            results.append(self.key)
            return result(self, timeout=timeout)

        monkeypatch.setattr(reduction_module, "submitted", note_submitted)
        monkeypatch.setattr(distributed.Future, "result", note_result)
        res = dlogreg.fit(group["X"], group["y"])
    assert res.params.tobytes() == expected.params.tobytes()
    passes = [record.tally.n_tasks for record in res.trace]
    assert max(passes) <= layout.CLUSTER_TASKS_PER_THREAD * 4
    assert sum(passes) < sum(messages) <= 4 * 4 * len(passes)
    assert len(messages) <= 3 * len(passes)
    assert len(results) == len(passes)


@pytest.mark.slow
def test_the_benchmark_of_many_workers():
    options = ["--workers", "4", "--leaves", "100", "--columns", "50", "--rounds", "2"]
    done = subprocess.run(
        [sys.executable, str(SCRIPT), "--in-process", "--markdown", *options],
        check=True,
        capture_output=True,
        text=True,
    )
    (line,) = [t for t in done.stdout.splitlines() if "tasks per thread" in t]
    assert 1 <= float(line.split("|")[2]) <= 4
    assert "scheduler, ms per task" in done.stdout
