"""What a pass costs where there are many workers: tasks, scheduler, driver.

    python examples/benchmarks/many_workers.py --workers 32 --leaves 2000 --columns 500

Blocks cost nothing to load, and the kernel returns a Hessian of zeros of true size, so
that all that is measured is scheduling, transfers and sums. Scheduler and driver share
this process. By default workers are processes of their own; more of them than the
machine has cores take turns, so that seconds are then an upper bound. The scheduler's
processor time is that of its thread, which the client's half of the connections shares.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from pathlib import Path
from typing import Any

from distributed import Client, LocalCluster
from machine import describe
from table import note, render

from dlogreg.layout import CLUSTER_TASKS_PER_THREAD
from dlogreg.partition import Partition
from dlogreg.reduction import Reduction
from dlogreg.scheduling import peak_memory

sys.path.insert(0, str(Path(__file__).parents[2]))
from tests.benchmarks.nothing import NothingBlocks, ZerosKernel


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
    with (
        LocalCluster(
            n_workers=arguments.workers,
            threads_per_worker=1,
            processes=not arguments.in_process,
            memory_limit=0,
            dashboard_address=None,
        ) as cluster,
        Client(cluster) as client,
    ):
        client.wait_for_workers(arguments.workers)
        lines = measure(client, arguments)
    print(render(("", "measured", "goal"), lines, markdown=arguments.markdown))


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
    before, began = _done(client), _scheduler_time(client)
    memory, seconds = peak_memory(), []
    for number in range(arguments.rounds):
        note(f"pass {number + 1}")
        start = time.perf_counter()
        reduction.sum(kernel)
        seconds.append(time.perf_counter() - start)
    tasks = (_done(client) - before) / arguments.rounds
    spent = (_scheduler_time(client) - began) / arguments.rounds
    growth = (peak_memory() - memory) / 2**20
    return [
        ["tasks per thread", f"{tasks / arguments.workers:.2f}", "4"],
        ["seconds per pass", f"{statistics.median(seconds):.2f}", "1.5"],
        ["scheduler, ms per task", f"{1000 * spent / tasks:.2f}", "2"],
        ["growth of the driver, MiB", f"{growth:.0f}", "300"],
    ]


def _done(client: Any) -> int:
    """Return how many tasks have been finished so far."""
    prefixes = client.run_on_scheduler(
        lambda dask_scheduler: {
            name: prefix.state_counts["memory"]
            for name, prefix in dask_scheduler.task_prefixes.items()
        }
    )
    return sum(prefixes.values())


def _scheduler_time(client: Any) -> float:
    """Return the processor time of the scheduler's thread, in seconds."""
    return float(client.run_on_scheduler(time.thread_time))


if __name__ == "__main__":
    main()
