"""What a pass costs where there are many workers: tasks, scheduler, driver.

    python examples/benchmarks/many_workers.py --workers 32 --leaves 2000 --columns 500

Blocks cost nothing to load, and the kernel returns a Hessian of zeros of true size, so
that all that is measured is scheduling, transfers and sums. As on a cluster, the
scheduler has a process of its own, and what starts and watches the workers another:
where they share the scheduler's thread, as in a ``LocalCluster``, that thread spends a
sixth of its time on 32 of them, pass or no pass. The scheduler's processor time is that
of its whole process, what it does for idle workers included.

More workers than the machine has cores take turns, so that seconds are an upper bound.
What is beyond any program's power is measured beside them: the sums alone, in this
process, shared by as many cores as can work; as many tasks that do nothing; and what
workers and scheduler take when nothing is asked of them.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from distributed import Client, LocalCluster
from machine import describe
from table import note, render

from dlogreg.layout import CLUSTER_TASKS_PER_THREAD
from dlogreg.partition import Partition
from dlogreg.reduction import Reduction
from dlogreg.reduction.partition_sum import add_nodes, sum_partition
from dlogreg.scheduling import peak_memory

sys.path.insert(0, str(Path(__file__).parents[2]))
from tests.benchmarks.nothing import NothingBlocks, ZerosKernel

ROOT = Path(__file__).parents[2]
IDLE_SECONDS = 3.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--workers", type=int, default=32)
    parser.add_argument("--leaves", type=int, default=2000)
    parser.add_argument("--columns", type=int, default=500)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--in-process", action="store_true", help="workers as threads")
    parser.add_argument("--folder", type=Path, help="not used: nothing is written")
    parser.add_argument("--markdown", action="store_true")
    arguments = parser.parse_args()
    print("\n".join(describe(arguments.workers)))
    note("starting workers")
    start = in_process if arguments.in_process else in_processes
    with start(arguments.workers) as client:
        client.wait_for_workers(arguments.workers)
        lines = measure(client, arguments)
    print(render(("", "measured", "goal"), lines, markdown=arguments.markdown))


@contextmanager
def in_process(n_workers: int) -> Iterator[Client]:
    """Yield the client of a cluster that lives in this process."""
    options = {"threads_per_worker": 1, "memory_limit": 0, "dashboard_address": None}
    with (
        LocalCluster(n_workers=n_workers, processes=False, **options) as cluster,
        Client(cluster) as client,
    ):
        yield client


@contextmanager
def in_processes(n_workers: int) -> Iterator[Client]:
    """Yield the client of a scheduler and of workers in processes of their own."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    with tempfile.TemporaryDirectory() as folder:
        file = str(Path(folder) / "scheduler.json")
        ours = ["--scheduler-file", file, "--no-dashboard"]
        here = ["--host", "127.0.0.1"]
        many = ["--nworkers", str(n_workers), "--nthreads", "1", "--memory-limit", "0"]
        places = ["--local-directory", folder]
        commands = (
            ["distributed.cli.dask_scheduler", *ours, *here, "--port", "0"],
            ["distributed.cli.dask_worker", *ours, *here, *many, *places],
        )
        started = [
            subprocess.Popen(
                [sys.executable, "-m", *command], env=environment, cwd=folder, **quiet
            )
            for command in commands
        ]
        try:
            with Client(scheduler_file=file, timeout=60) as client:
                yield client
        finally:
            for process in reversed(started):
                process.terminate()
                process.wait()


def cut(n_leaves: int, n_partitions: int) -> list[Partition]:
    """Return leaves of one block each, in runs of a power of two."""
    run = 1
    while -(-n_leaves // run) > n_partitions:
        run *= 2
    lengths = [min(run, n_leaves - low) for low in range(0, n_leaves, run)]
    return [
        Partition(NothingBlocks(n), (), tuple(range(n + 1)), 100, i * run, None)
        for i, n in enumerate(lengths)
    ]


def measure(client: Any, arguments: argparse.Namespace) -> list[list[str]]:
    """Return what passes cost, and what they may."""
    most = int(CLUSTER_TASKS_PER_THREAD * arguments.workers)
    reduction = Reduction(cut(arguments.leaves, most))
    kernel = ZerosKernel(arguments.columns)
    note("warming up")
    reduction.sum(kernel)  # workers import dlogreg
    idle = idle_shares(client)
    before, began = _done(client), _scheduler_time(client)
    memory, seconds = peak_memory(), []
    for number in range(arguments.rounds):
        note(f"pass {number + 1}")
        start = time.perf_counter()
        reduction.sum(kernel)
        seconds.append(time.perf_counter() - start)
    spent = (_scheduler_time(client) - began) / arguments.rounds
    tasks = (_done(client) - before) / arguments.rounds
    growth = (peak_memory() - memory) / 2**20
    cores = min(arguments.workers, len(os.sched_getaffinity(0)))
    sums = summing_time(reduction, kernel) / cores
    return [
        ["tasks per thread", f"{tasks / arguments.workers:.2f}", "4"],
        ["seconds per pass", f"{statistics.median(seconds):.2f}", "1.5"],
        [f"the sums alone, on {cores} cores", f"{sums:.2f}", ""],
        ["as many tasks that do nothing", f"{empty_pass(client, int(tasks)):.2f}", ""],
        ["cores taken by idle workers", f"{idle[1]:.2f}", ""],
        ["scheduler, ms per task", f"{1000 * spent / tasks:.2f}", "2"],
        ["cores taken by the idle scheduler", f"{idle[0]:.3f}", ""],
        ["growth of the driver, MiB", f"{growth:.0f}", "300"],
    ]


def idle_shares(client: Any) -> tuple[float, float]:
    """Return the cores that the scheduler and all workers take with nothing to do."""

    def spent() -> tuple[float, float]:
        workers = dict(client.run(_process_time).values())
        return _scheduler_time(client), sum(workers.values())

    time.sleep(1.0)
    before = spent()
    time.sleep(IDLE_SECONDS)
    after = spent()
    return tuple((b - a) / IDLE_SECONDS for a, b in zip(before, after, strict=True))


def empty_pass(client: Any, n_tasks: int) -> float:
    """Return the seconds of tasks that do nothing and one that waits for them."""
    seconds = []
    for _ in range(3):
        start = time.perf_counter()
        client.submit(len, client.map(abs, range(n_tasks), pure=False)).result()
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds)


def summing_time(reduction: Reduction, kernel: Any) -> float:
    """Return the processor time of all sums of a pass, in this thread."""
    start = time.thread_time()
    add_nodes([sum_partition(kernel, p, p.inputs) for p in reduction.partitions])
    return time.thread_time() - start


def _done(client: Any) -> int:
    """Return how many tasks have been finished so far."""
    prefixes = client.run_on_scheduler(
        lambda dask_scheduler: {
            name: prefix.state_counts["memory"]
            for name, prefix in dask_scheduler.task_prefixes.items()
        }
    )
    return sum(prefixes.values())


def _process_time() -> tuple[int, float]:
    return os.getpid(), time.process_time()


def _scheduler_time(client: Any) -> float:
    """Return the processor time of the scheduler's process, in seconds."""
    return float(client.run_on_scheduler(time.process_time))


if __name__ == "__main__":
    main()
