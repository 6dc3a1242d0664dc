"""dlogreg beside its peers on the same generated data, one process each.

    python examples/benchmarks/peers.py zarr       # 10 million x 100 float32, 4 GB
    python examples/benchmarks/peers.py memory     # 1 million x 100 float64
    python examples/benchmarks/peers.py scheduling # 10,000 blocks that cost nothing

Every figure comes with its accuracy: the largest distance of a coefficient from the
optimum in units of its own standard error. The optimum is a fit certified to 1e-8.
Rounds are interleaved and medians printed; memory is the growth of the resident set
after imports. Needs ``pip install ".[benchmark]"``.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

THREADS = 2
SEED = 20
ROWS_PER_CHUNK = 20_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=["zarr", "memory", "scheduling", "run"])
    parser.add_argument("--rows", type=int)
    parser.add_argument("--columns", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--peers", help="comma-separated; default all")
    parser.add_argument("--folder", type=Path, help="where the data are written")
    parser.add_argument("--peer", help=argparse.SUPPRESS)
    parser.add_argument("--data", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.what == "run":
        print(json.dumps(run_here(arguments.peer, arguments.data)))
    elif arguments.what == "scheduling":
        scheduling()
    else:
        compare(arguments)


def compare(arguments: argparse.Namespace) -> None:
    peers = ZARR_PEERS if arguments.what == "zarr" else MEMORY_PEERS
    chosen = arguments.peers.split(",") if arguments.peers else list(peers)
    rows = arguments.rows or (10_000_000 if arguments.what == "zarr" else 1_000_000)
    folder = Path(tempfile.mkdtemp(dir=arguments.folder))
    try:
        write = write_zarr if arguments.what == "zarr" else write_npy
        data = write(folder, rows, arguments.columns)
        exact = run_apart("optimum", data)
        results = {peer: [] for peer in chosen}
        for _ in range(arguments.rounds):
            for peer in chosen:
                results[peer].append(run_apart(peer, data))
        report(rows, arguments.columns, results, exact)
    finally:
        shutil.rmtree(folder)


def write_zarr(folder: Path, rows: int, columns: int) -> Path:
    """Write X and y in 8 MB chunks, blosc-lz4 with bitshuffle."""
    import zarr
    from zarr.codecs import BloscCodec

    codec = BloscCodec(cname="lz4", shuffle="bitshuffle")
    group = zarr.create_group(folder / "data.zarr")
    chunk = min(rows, ROWS_PER_CHUNK)
    X = group.create_array(
        "X",
        shape=(rows, columns),
        chunks=(chunk, columns),
        dtype="f4",
        compressors=[codec],
    )
    y = group.create_array("y", shape=(rows,), chunks=(rows,), dtype="i1")
    labels = np.empty(rows, dtype="i1")
    for low in range(0, rows, chunk):
        block, labels[low : low + chunk] = generate(
            low, min(chunk, rows - low), columns
        )
        X[low : low + chunk] = block.astype("f4")
    y[:] = labels
    return folder / "data.zarr"


def write_npy(folder: Path, rows: int, columns: int) -> Path:
    X, y = generate(0, rows, columns)
    np.savez(folder / "data.npz", X=X, y=y)
    return folder / "data.npz"


def generate(seed: int, rows: int, columns: int) -> tuple[np.ndarray, np.ndarray]:
    """Return normal columns on different scales, some correlated, and their labels."""
    rng = np.random.default_rng([SEED, seed])
    X = rng.standard_normal((rows, columns), dtype=np.float32).astype(float)
    X[:, 1::4] += 0.7 * X[:, ::4][:, : X[:, 1::4].shape[1]]
    slope = np.random.default_rng(SEED).normal(size=columns) / np.sqrt(columns)
    eta = X @ slope - 0.5
    y = rng.random(rows) < 1 / (1 + np.exp(-eta))
    return X, y.astype("i1")


def run_apart(peer: str, data: Path) -> dict:
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": str(THREADS)}
    command = [sys.executable, __file__, "run", "--peer", peer, "--data", str(data)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    if done.returncode:
        return {"error": done.stderr.strip().splitlines()[-1]}
    return json.loads(done.stdout.strip().splitlines()[-1])


def run_here(peer: str, data: Path) -> dict:
    """Import, load what is to be in memory, and time the fit alone."""
    import dask

    dask.config.set(scheduler="threads", num_workers=THREADS)
    prepare = {**ZARR_PEERS, **MEMORY_PEERS}.get(peer, optimum)
    fit = prepare(data)
    before = peak()
    began = time.perf_counter()
    result = fit()
    result["seconds"] = time.perf_counter() - began
    result["growth"] = peak() - before
    return result


def peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def load(data: Path, *, as_dask: bool = False):
    if data.suffix == ".npz":
        with np.load(data) as arrays:
            return arrays["X"], arrays["y"]
    import dask.array as da
    import zarr

    group = zarr.open_group(data, mode="r")
    if not as_dask:
        return group["X"], group["y"]
    X = da.from_zarr(str(data), component="X")
    return X, da.from_array(group["y"][:], chunks=X.chunks[0])


def optimum(data: Path):
    import dlogreg

    X, y = load(data)

    def fit() -> dict:
        res = dlogreg.fit(X, y, tol=1e-8)
        assert res.error_bound < 1e-7
        return {"params": list(res.params), "bse": list(res.bse)}

    return fit


def dlogreg_fit(data: Path, **options):
    import dlogreg
    import dlogreg.pipeline

    X, y = load(data)

    def fit() -> dict:
        res = dlogreg.fit(X, y, **options)
        return {
            "params": list(res.params),
            "passes": res.n_passes,
            "bytes": res.bytes_read,
            "bound": res.error_bound,
        }

    return fit


def with_inference(data: Path):
    return dlogreg_fit(data)


def without_inference(data: Path):
    return dlogreg_fit(data, inference=False)


def to_a_hundredth(data: Path):
    return dlogreg_fit(data, inference=False, tol=0.01)


def read_only(data: Path):
    """The floor of every pass: decode all chunks and do nothing."""
    from concurrent.futures import ThreadPoolExecutor

    import zarr  # noqa: F401 - imported before the clock starts

    X, _ = load(data)
    step = X.chunks[0]

    def fit() -> dict:
        with ThreadPoolExecutor(THREADS) as pool:
            starts = range(0, X.shape[0], step)
            list(pool.map(lambda low: X[low : low + step][0, 0], starts))
        return {"passes": 1}

    return fit


def dask_ml(solver: str):
    def prepare(data: Path):
        from dask_ml.linear_model import LogisticRegression

        X, y = load(data, as_dask=True)

        def fit() -> dict:
            model = LogisticRegression(solver=solver, C=1e10, max_iter=1000)
            model.fit(X, y)
            return {"params": [float(model.intercept_), *map(float, model.coef_)]}

        return fit

    return prepare


def scikit_learn(solver: str, tol: float):
    def prepare(data: Path):
        from sklearn.linear_model import LogisticRegression

        X, y = load(data)

        def fit() -> dict:
            model = LogisticRegression(
                C=np.inf, solver=solver, tol=tol, max_iter=10_000
            ).fit(X, y)
            params = [*map(float, model.intercept_), *map(float, model.coef_[0])]
            return {"params": params, "passes": int(model.n_iter_[0])}

        return fit

    return prepare


ZARR_PEERS = {
    "dlogreg": with_inference,
    "dlogreg, no inference": without_inference,
    "dlogreg, no inference, tol=0.01": to_a_hundredth,
    "read only": read_only,
    "dask-ml lbfgs": dask_ml("lbfgs"),
}
MEMORY_PEERS = {
    "dlogreg": with_inference,
    "dlogreg, no inference": without_inference,
    "dlogreg, no inference, tol=0.01": to_a_hundredth,
    "scikit-learn lbfgs": scikit_learn("lbfgs", 1e-6),
    "scikit-learn newton-cholesky": scikit_learn("newton-cholesky", 1e-6),
}


def report(rows: int, columns: int, results: dict, exact: dict) -> None:
    print(f"{rows:,} rows x {columns} columns, {THREADS} threads, {machine()}")
    header = (
        "",
        "median s",
        "min",
        "max",
        "ratio",
        "passes",
        "SE from opt.",
        "MB more",
    )
    print("{:<34}{:>9}{:>8}{:>8}{:>8}{:>8}{:>14}{:>9}".format(*header))
    base = None
    for peer, runs in results.items():
        failed = [run["error"] for run in runs if "error" in run]
        if failed:
            print(f"{peer:<34}failed: {failed[0]}")
            continue
        seconds = [run["seconds"] for run in runs]
        middle = statistics.median(seconds)
        base = base or middle
        growth = statistics.median(run["growth"] for run in runs) / 1e6
        print(
            f"{peer:<34}{middle:>9.2f}{min(seconds):>8.2f}{max(seconds):>8.2f}"
            f"{middle / base:>8.2f}{runs[0].get('passes', '-'):>8}"
            f"{distance(runs[0], exact):>14}{growth:>9.0f}"
        )


def distance(run: dict, exact: dict) -> str:
    if "params" not in run:
        return "-"
    gap = np.subtract(run["params"], exact["params"]) / exact["bse"]
    return f"{np.abs(gap).max():.1e}"


def machine() -> str:
    return f"{platform.machine()}, Python {platform.python_version()}"


def scheduling() -> None:
    """Time passes over 10,000 blocks that take no time to load or to sum."""
    from distributed import Client, LocalCluster

    from dlogreg.partition import partition_rows
    from dlogreg.reduction import TASKS_PER_THREAD, Reduction
    from tests.benchmarks.nothing import CountKernel, nothing_source

    partitions = partition_rows(nothing_source(10_000), 101, TASKS_PER_THREAD * THREADS)

    def median_pass() -> float:
        reduction = Reduction(partitions)
        reduction.sum(CountKernel())
        times = []
        for _ in range(10):
            began = time.perf_counter()
            reduction.sum(CountKernel())
            times.append(time.perf_counter() - began)
        return statistics.median(times)

    print(f"10,000 blocks in {len(partitions)} tasks")
    print(f"threads: {median_pass():.3f} s per pass")
    cluster = LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None)
    with cluster, Client(cluster):
        print(f"LocalCluster, two workers: {median_pass():.3f} s per pass")


if __name__ == "__main__":
    main()
