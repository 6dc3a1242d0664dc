"""Runs a dlogreg command on worker processes of this machine, each with its memory.

    python cluster/local/run.py --workers 2 --memory "1 GiB" -- fit STORE --model MODEL

Nothing listens beyond loopback, and there is no dashboard. A worker that takes 95 % of
its memory is started again, and its part of the pass made once more.
"""

from __future__ import annotations

import argparse

from distributed import LocalCluster

from dlogreg.cli import main


def run() -> None:
    """Start the workers, run the command on them, stop them."""
    parser = argparse.ArgumentParser(description="Run a dlogreg command on workers.")
    parser.add_argument("--workers", type=int, default=2, help="number of processes")
    parser.add_argument("--memory", default="auto", help='of each, as "1 GiB"')
    parser.add_argument("command", nargs="+", help="of dlogreg, after --")
    given = parser.parse_args()
    with LocalCluster(
        n_workers=given.workers,
        threads_per_worker=1,
        memory_limit=given.memory,
        host="127.0.0.1",
        dashboard_address="127.0.0.1:0",
        silence_logs=40,
    ) as cluster:
        main([*given.command, "--scheduler", cluster.scheduler_address])


if __name__ == "__main__":
    run()
