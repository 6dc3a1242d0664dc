"""What it costs to let a cluster of this machine do what threads can do.

    python examples/benchmarks/scheduling.py

Passes of a second or more over a Zarr store on the threaded scheduler, on two workers
of one thread, and on one worker of two threads, in turn; then passes over blocks that
take no time to load or to sum, whose tasks must not grow with the blocks.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import dask
from distributed import Client, LocalCluster
from generated import Data, data_folder
from machine import describe
from table import note, render, seconds_text

import dlogreg
from dlogreg.partition import partition_rows
from dlogreg.reduction import TASKS_PER_THREAD, Reduction

sys.path.insert(0, str(Path(__file__).parents[2]))
from tests.benchmarks.nothing import CountKernel, nothing_source

BLOCKS = (100, 1000, 10_000)
THREADS = "threads"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=5_000_000)
    parser.add_argument("--columns", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--folder", type=Path, help="where the data are written")
    parser.add_argument("--markdown", action="store_true")
    arguments = parser.parse_args()
    print("\n".join(describe(arguments.threads)))
    with schedulers(arguments.threads) as available:
        print(
            f"\n{arguments.rows:,} rows x {arguments.columns} columns, float32 in Zarr"
        )
        table = overhead(available, arguments)
        header = ("", "pass s", "over threads", "fit s", "over threads")
        print(render(header, table, markdown=arguments.markdown))
        print("\nblocks that cost nothing")
        header = ("blocks", "tasks", *(f"{name}: s" for name in available))
        table = empty_passes(available, arguments)
        print(render(header, table, markdown=arguments.markdown))


@contextmanager
def schedulers(threads: int) -> Iterator[dict[str, Any]]:
    """Start the clusters; yield what dask is to be configured with."""
    layouts = {
        f"{threads} workers x 1 thread": (threads, 1),
        f"1 worker x {threads} threads": (1, threads),
    }
    with ExitStack() as stack:
        available: dict[str, Any] = {THREADS: "threads"}
        for name, (workers, each) in layouts.items():
            cluster = LocalCluster(
                n_workers=workers, threads_per_worker=each, dashboard_address=":0"
            )
            stack.enter_context(cluster)
            client = Client(cluster, set_as_default=False)
            available[name] = stack.enter_context(client)
        with dask.config.set(num_workers=threads):
            yield available


def overhead(
    available: dict[str, Any], arguments: argparse.Namespace
) -> list[list[str]]:
    """Return the seconds of a pass after the first, and of a fit, on each scheduler."""
    passes, fits = defaultdict(list), defaultdict(list)
    with data_folder(arguments.folder) as folder:
        data = Data.of(folder, "zarr", arguments.rows, arguments.columns)
        note("writing")
        data.write()
        X, y = data.open()
        for number in range(arguments.rounds + 1):
            for name, scheduler in available.items():
                note(f"round {number}: {name}")
                with dask.config.set(scheduler=scheduler):
                    began = time.perf_counter()
                    res = dlogreg.fit(X, y, progress=False)
                    spent = time.perf_counter() - began
                if number:  # workers import dlogreg in the first
                    fits[name].append(spent)
                    passes[name] += [r.seconds for r in res.trace if r.number > 1]
    table = []
    for name in available:
        line = [name]
        for times in (passes, fits):
            line += _beside(*(statistics.median(times[x]) for x in (name, THREADS)))
        table.append(line)
    return table


def _beside(spent: float, base: float) -> list[str]:
    return [seconds_text(spent), f"{100 * (spent / base - 1):+.0f} %"]


def empty_passes(
    available: dict[str, Any], arguments: argparse.Namespace
) -> list[list[str]]:
    """Return the seconds of a pass over so many blocks on each scheduler."""
    table = []
    for n_blocks in BLOCKS:
        n_tasks = TASKS_PER_THREAD * arguments.threads
        partitions = partition_rows(nothing_source(n_blocks), 101, n_tasks)
        line = [f"{n_blocks:,}", str(len(partitions))]
        for scheduler in available.values():
            with dask.config.set(scheduler=scheduler):
                line.append(seconds_text(_median_pass(Reduction(partitions))))
        table.append(line)
    return table


def _median_pass(reduction: Reduction) -> float:
    reduction.sum(CountKernel())
    times = []
    for _ in range(10):
        began = time.perf_counter()
        reduction.sum(CountKernel())
        times.append(time.perf_counter() - began)
    return statistics.median(times)


if __name__ == "__main__":
    main()
