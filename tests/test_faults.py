"""Faults: a fit ends with the same bits as undisturbed, or with a clear error."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from types import SimpleNamespace

import dask
import dask.array as da
import numpy as np
import pytest
from distributed import Client, LocalCluster

from dlogreg import ClusterError, ClusterWarning, DataError, waiting
from dlogreg.source import retrying
from dlogreg.source.chunk_files import BrokenChunkError, ChunkFiles
from tests.conftest import make_cluster
from tests.counting import forget, note, reads
from tests.faulty import Killer, OnPass, bits, fitted, rows, stored
from tests.soak import soak

X, Y = rows()


@pytest.fixture(scope="module")
def undisturbed():
    """The bits of the fit on threads; of blocks of 100 rows."""
    blocks = da.from_array(X, chunks=(100, 4))
    return bits(fitted(blocks, Y)), bits(fitted(blocks, Y, solver="lbfgs"))


@pytest.fixture
def short_waits(monkeypatch):
    monkeypatch.setattr(waiting, "ASK_AFTER", 0.2)
    monkeypatch.setattr(waiting, "ANSWER_WITHIN", 3.0)
    monkeypatch.setattr(waiting, "TELL_AFTER", 0.3)
    monkeypatch.setattr(waiting, "BACK_WITHIN", 2.0)


@pytest.mark.slow  # test_invariance.py has a death in one pass
@pytest.mark.cluster
@pytest.mark.parametrize("kind", ["zarr", "dask"])
def test_a_worker_is_killed_in_every_pass(kind, tmp_path, undisturbed):
    """Of a store nothing is lost; what was sent to a worker is sent again."""
    group = stored(tmp_path / "rows.zarr", X, Y)
    given = group["X"] if kind == "zarr" else da.from_array(X, chunks=(100, 4))
    with make_cluster(2, processes=True) as cluster, Client(cluster) as client:
        client.wait_for_workers(2)
        killer = Killer(cluster)
        passes = OnPass(lambda number: killer.kill_later(0.01, number))
        res = fitted(given, group["y"] if kind == "zarr" else Y, progress=passes)
        killer.join()
        assert len(killer.killed) >= min(3, res.n_passes)
    expected = undisturbed[0]
    if kind == "zarr":
        expected = bits(fitted(group["X"], group["y"]))
    assert bits(res) == expected


@pytest.mark.slow
@pytest.mark.cluster
def test_a_worker_hangs(undisturbed):
    """The scheduler gives it up after worker-ttl; its tasks run elsewhere."""
    with (
        dask.config.set({"distributed.scheduler.worker-ttl": "2 s"}),
        make_cluster(2, processes=True) as cluster,
        Client(cluster) as client,
    ):
        client.wait_for_workers(2)
        killer = Killer(cluster)

        def hang(number):
            if number == 2:
                killer.kill(how=signal.SIGSTOP)

        res = fitted(da.from_array(X, chunks=(100, 4)), Y, progress=OnPass(hang))
        assert len(killer.killed) == 1
        with suppress(ProcessLookupError):  # its nanny may have ended it
            os.kill(killer.killed[0], signal.SIGKILL)
    assert bits(res) == undisturbed[0]


@pytest.mark.cluster
def test_a_cluster_that_grows_and_shrinks(undisturbed):
    """It has no worker when the fit begins, and other ones in every pass."""
    with make_cluster(0, processes=False) as cluster, Client(cluster) as client:
        sizes = []

        def scale(number):
            sizes.append(len(client.scheduler_info()["workers"]))
            cluster.scale([3, 1, 2][number % 3])

        cluster.adapt(minimum=0, maximum=1, interval="50ms", wait_count=1000)
        blocks = da.from_array(X, chunks=(100, 4))
        res = fitted(blocks, Y, solver="lbfgs", progress=OnPass(scale))
        assert sizes[0] <= 1
    assert bits(res) == undisturbed[1]


def dies(block):
    os.kill(os.getpid(), signal.SIGKILL)


def takes_memory(block):
    held = np.ones(2**27)
    time.sleep(20)
    return block * held[0]


@pytest.mark.slow
@pytest.mark.cluster
@pytest.mark.parametrize("deadly", [dies, takes_memory])
def test_a_task_that_kills_its_workers(deadly):
    """A nanny ends a worker that is over its limit: so dask sees a dead one."""
    settings = {"distributed.scheduler.allowed-failures": 1}
    with (
        dask.config.set(settings),
        LocalCluster(
            2,
            threads_per_worker=1,
            memory_limit="400MB",
            dashboard_address=":0",
            silence_logs=50,
        ) as cluster,
        Client(cluster) as client,
    ):
        client.wait_for_workers(2)
        lazy = da.from_array(X, chunks=(3000, 4)).map_blocks(
            deadly, meta=X[:0], dtype=float
        )
        with pytest.raises(ClusterError, match=r"workers died .* out of memory"):
            fitted(lazy, Y)


@pytest.mark.cluster
@pytest.mark.usefixtures("short_waits")
def test_without_workers_a_fit_waits_and_says_so(undisturbed):
    blocks = da.from_array(X, chunks=(100, 4))
    with make_cluster(0, processes=False) as cluster, Client(cluster):
        timer = threading.Timer(1.0, cluster.scale, (1,))
        timer.start()
        with pytest.warns(ClusterWarning, match=r"has had no worker that runs for \d"):
            res = fitted(blocks, Y)
        timer.join()
    assert bits(res) == undisturbed[0]


@pytest.mark.cluster
@pytest.mark.usefixtures("short_waits")
def test_all_workers_are_lost_for_good(tmp_path):
    """What was sent to them is gone; nobody else runs the tasks."""
    blocks = da.from_array(X, chunks=(100, 4))
    expected = fitted(blocks, Y)
    with make_cluster(1, processes=False) as cluster, Client(cluster):

        def close(number):
            if number == 2:
                cluster.scale(0)
                while cluster.scheduler.workers:
                    time.sleep(0.01)

        options = {"checkpoint": tmp_path / "kept", "progress": OnPass(close)}
        with (
            pytest.warns(ClusterWarning),
            pytest.raises(ClusterError, match="none came back within 2 seconds; sta"),
        ):
            fitted(blocks, Y, **options)
        assert len(list((tmp_path / "kept").glob("*.pass"))) == 1
    res = fitted(blocks, Y, checkpoint=tmp_path / "kept")
    assert bits(res) == bits(expected)


class Scheduler:
    """A scheduler in a process of its own, with one worker."""

    def __init__(self):
        command = [sys.executable, "-m", "distributed.cli.dask_scheduler"]
        options = ["--host", "127.0.0.1", "--port", "0", "--no-dashboard"]
        self.process = subprocess.Popen(
            [*command, *options], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
        )
        for line in self.process.stderr:
            if b"Scheduler at:" in line:
                self.address = line.split()[-1].decode()
                break
        command = [sys.executable, "-m", "distributed.cli.dask_worker", self.address]
        options = ["--nthreads", "2", "--no-dashboard", "--no-nanny"]
        self.worker = subprocess.Popen(
            [*command, *options], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for process in (self.process, self.worker):
            process.kill()
            process.wait()
        self.process.stderr.close()


@pytest.mark.slow
@pytest.mark.cluster
@pytest.mark.usefixtures("short_waits")
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSTOP])
def test_a_scheduler_dies_or_hangs(how, tmp_path):
    """The error says so; the checkpoint goes on with another cluster."""
    group = stored(tmp_path / "rows.zarr", X, Y)
    expected = fitted(group["X"], group["y"])
    timeouts = {"distributed.comm.timeouts.connect": "3s"}
    with dask.config.set(timeouts), Scheduler() as scheduler:
        client = Client(scheduler.address)
        client.wait_for_workers(1)

        def strike(number):
            if number == 2:
                os.kill(scheduler.process.pid, how)

        options = {"checkpoint": tmp_path / "kept", "progress": OnPass(strike)}
        with pytest.raises(ClusterError, match=r"scheduler .*(gone|does not answer)"):
            fitted(group["X"], group["y"], **options)
        scheduler.process.kill()
        client.close(timeout=1)
    assert len(list((tmp_path / "kept").glob("*.pass"))) == 1
    with Scheduler() as scheduler, Client(scheduler.address) as client:
        client.wait_for_workers(1)
        res = fitted(group["X"], group["y"], checkpoint=tmp_path / "kept")
    assert bits(res) == bits(expected)


@pytest.mark.usefixtures("short_waits")
def test_a_broken_connection_is_tried_again(monkeypatch):
    monkeypatch.setattr(waiting, "PAUSE", 0.01)
    monkeypatch.setattr(waiting, "ANSWER_WITHIN", 0.2)
    answers = [OSError("broken"), OSError("broken")]

    def sync(identity, callback_timeout):
        if answers:
            raise answers.pop()
        worker = {"a": {"nthreads": 2, "status": "running"}, "b": {"nthreads": 1}}
        worker["c"] = {"nthreads": 4, "status": "paused"}
        return {"id": "s", "workers": worker}

    here = SimpleNamespace(address="tcp://here", identity=None)
    client = SimpleNamespace(sync=sync, scheduler=here, status="running")
    found = waiting.living_workers(client)
    assert found == waiting.Workers("s", {"a": 2, "b": 1})
    answers[:] = [OSError("broken")] * 100
    with pytest.raises(ClusterError, match=r"here does not answer .OSError: b"):
        waiting.living_workers(client)
    answers[:] = [TimeoutError("slow")]
    with pytest.raises(ClusterError, match=r"does not answer .TimeoutError: slow"):
        waiting.living_workers(client)
    answers[:] = [RuntimeError("no loop")]
    with pytest.raises(RuntimeError, match="no loop"):
        waiting.living_workers(client)
    client.status = "closed"
    answers[:] = [RuntimeError("no loop")]
    with pytest.raises(ClusterError, match="gone, or its client was closed, while the"):
        waiting.living_workers(client)


@pytest.fixture
def fast_retries(monkeypatch):
    monkeypatch.setattr(retrying, "PAUSE", 0.001)


def failing(times, error):
    """Return a function of blocks that fails so often for the block with row 300."""
    forget("attempts")

    def load(block, start):
        if start == 300:
            note("attempts", 0)
            if reads("attempts")[0] <= times:
                raise error
        return block

    def lazily(values):
        lazy = da.from_array(values, chunks=(100, 4))
        starts = da.arange(0, len(values), 100, chunks=1)[:, None]
        return da.map_blocks(load, lazy, starts, dtype=float, meta=values[:0])

    return lazily


@pytest.mark.usefixtures("fast_retries")
@pytest.mark.parametrize("times", [1, 2])
def test_a_block_that_fails_to_read_is_read_again(times, undisturbed):
    lazily = failing(times, ConnectionError("reset by peer"))
    res = fitted(lazily(X), Y)
    assert bits(res) == undisturbed[0]
    assert sum(record.tally.n_retries for record in res.trace) == times
    text = "1 read failed and was" if times == 1 else "2 reads failed and were"
    assert f"{text} repeated" in str(res.trace)
    assert "repeated" not in str(fitted(X, Y).trace)


@pytest.mark.usefixtures("fast_retries")
def test_a_block_that_always_fails_is_named_after_three_attempts():
    lazily = failing(10**9, ConnectionError("reset by peer"))
    with pytest.raises(DataError, match=r"block 3 .*ConnectionError: reset by peer"):
        fitted(lazily(X), Y)
    assert reads("attempts") == [3]


@pytest.mark.usefixtures("fast_retries")
@pytest.mark.parametrize("error", [ZeroDivisionError("x"), KeyError("x")])
def test_mistakes_of_a_program_are_not_repeated(error):
    with pytest.raises(DataError, match="block 3 "):
        fitted(failing(10**9, error)(X), Y)
    assert reads("attempts") == [1]


@pytest.mark.usefixtures("fast_retries")
@pytest.mark.parametrize("field", ["X", "y"])
@pytest.mark.parametrize("times", [1, 5])
def test_a_chunk_of_a_store(field, times, tmp_path, monkeypatch):
    """Read by ourselves, and by Zarr, which reads it alone to find what is broken."""
    group = stored(tmp_path / "rows.zarr", X, Y)
    expected = bits(fitted(group["X"], group["y"]))
    whole, left = ChunkFiles.read, [times]

    def read(self, low, high):
        if self.array.path == field and low == 0 and left[0]:
            left[0] -= 1
            raise BrokenChunkError("c/0", OSError(5, "Input/output error"))
        return whole(self, low, high)

    monkeypatch.setattr(ChunkFiles, "read", read)
    if times == 1:
        res = fitted(group["X"], group["y"])
        assert bits(res) == expected
        assert sum(record.tally.n_retries for record in res.trace) == 1
        return
    with pytest.raises(DataError, match=f"of {field} cannot be read: .*c/0 .*Input"):
        fitted(group["X"], group["y"])
    assert left == [2]


@pytest.mark.usefixtures("fast_retries")
def test_a_truncated_chunk_is_named(tmp_path):
    group = stored(tmp_path / "rows.zarr", X, Y)
    chunk = tmp_path / "rows.zarr/X/c/7/0"
    content = chunk.read_bytes()
    chunk.write_bytes(content[: len(content) // 2])
    with pytest.raises(DataError, match=r"chunk c/7/0 of .* is truncated, corrupt or"):
        fitted(group["X"], group["y"])
    chunk.write_bytes(content)
    fitted(group["X"], group["y"])


PREDICT = """
import resource, signal, sys
from dlogreg.cli import main

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (3000, 3000))
main(sys.argv[1:])
"""


def test_a_disk_that_is_full_while_predictions_are_written(tmp_path):
    """One line, exit code 2, and nothing is left behind."""
    stored(tmp_path / "rows.zarr", X, Y)
    model, out = tmp_path / "model.json", tmp_path / "predicted.zarr"
    fitted(X, Y).save(model)
    command = ["predict", str(model), str(tmp_path / "rows.zarr"), str(out)]
    done = subprocess.run(
        [sys.executable, "-c", PREDICT, *command, "--quiet"],
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2, done.stderr
    assert "File too large" in done.stderr
    assert "Traceback" not in done.stderr
    assert sorted(os.listdir(tmp_path)) == ["model.json", "rows.zarr"]


@pytest.mark.slow
@pytest.mark.cluster
def test_a_short_soak():
    report = soak(n_fits=4, n_kills=8, seed=1)
    assert report.n_fits >= 4
    assert report.n_kills >= 8
    assert report.n_wrong == 0
