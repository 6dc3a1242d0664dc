"""Many fits while workers are killed at random: ``python -m tests.soak``.

Every fit must end by itself with the bits of the undisturbed one. The data are sent to
the workers or read from a store, solvers and sizes vary, and the kills come at random
moments of random passes. A report is printed at the end; the exit code is 1 if any fit
was wrong or failed.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
import traceback
from dataclasses import dataclass
from pathlib import Path

import dask.array as da
import numpy as np
from distributed import Client
from distributed.core import Status

from tests.conftest import make_cluster
from tests.faulty import Killer, OnPass, bits, fitted, rows, stored

WORKERS = 3
KILLS_PER_PASS = 2
"""At most; dask gives a task up whose workers died more than three times."""


@dataclass
class Report:
    """What a soak has seen."""

    n_fits: int = 0
    n_kills: int = 0
    n_wrong: int = 0
    longest: float = 0.0
    """Seconds of the longest fit."""

    def __str__(self) -> str:
        """Return a line."""
        return (
            f"{self.n_fits} fits, {self.n_kills} kills, {self.n_wrong} not right; "
            f"the longest fit took {self.longest:.1f} s"
        )


class Started(Killer):
    """Kills workers that have started.

    A nanny gives its worker up that dies before, and nobody starts another.
    """

    def living(self):
        known = set(self.cluster.scheduler.workers)
        running = [
            nanny
            for nanny in list(self.cluster.workers.values())
            if nanny.process is not None
            and nanny.process.status is Status.running
            and nanny.worker_address in known
        ]
        return [nanny.pid for nanny in running if nanny.pid not in (None, *self.killed)]


def cases(folder):
    """Return fits of several kinds, each with its undisturbed bits."""
    X, y = rows()
    group = stored(folder / "rows.zarr", X, y)
    blocks = da.from_array(X, chunks=(100, 4))
    drawn = np.random.default_rng(1).random(len(y)) < 0.2
    kinds = [
        (group["X"], group["y"], {}),
        (group["X"], group["y"], {"solver": "lbfgs"}),
        (blocks, y, {}),
        (blocks, y, {"solver": "lbfgs"}),
        (X, np.where(drawn, 2, y), {}),
    ]
    return [(*kind, bits(fitted(kind[0], kind[1], **kind[2]))) for kind in kinds]


def soak(n_fits, n_kills, seed=0, say=lambda line: None):
    """Fit until there were so many fits and kills; return the report."""
    rng, report = np.random.default_rng(seed), Report()
    with (
        tempfile.TemporaryDirectory() as folder,
        make_cluster(WORKERS, processes=True) as cluster,
    ):
        prepared = cases(Path(folder))
        with Client(cluster) as client:
            client.wait_for_workers(WORKERS)
            while report.n_fits < n_fits or report.n_kills < n_kills:
                per_fit = -(-n_kills // n_fits)
                one_fit(cluster, prepared, rng, per_fit, report)
                say(str(report))
    return report


def one_fit(cluster, prepared, rng, n_kills, report):
    """Make a fit during which workers are killed, and compare it."""
    killer, left = Started(cluster), [n_kills]

    def strike(number):
        killer.join()  # those of the pass before, should they be late
        if number and left[0]:
            count = int(rng.integers(0, min(KILLS_PER_PASS, left[0]) + 1))
            left[0] -= count
            for _ in range(count):
                killer.kill_later(rng.uniform(0, 0.3), int(rng.integers(WORKERS)))

    X, y, options, expected = prepared[int(rng.integers(len(prepared)))]
    began = time.monotonic()
    try:
        same = bits(fitted(X, y, **options, progress=OnPass(strike))) == expected
    except Exception:
        traceback.print_exc()
        same = False
    killer.join()
    report.n_fits += 1
    report.n_kills += len(killer.killed)
    report.n_wrong += not same
    report.longest = max(report.longest, time.monotonic() - began)


def main():
    """Run a soak from the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--fits", type=int, default=50)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()

    def say(line):
        sys.stdout.write(line + "\n")
        sys.stdout.flush()

    report = soak(given.fits, given.kills, given.seed, say)
    sys.exit(int(report.n_wrong > 0))


if __name__ == "__main__":
    main()
