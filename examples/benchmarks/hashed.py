"""A hashed sparse design: a million columns, 40 of them not zero in a row.

    python examples/benchmarks/hashed.py

Columns are drawn as hashed words are, some often and most hardly ever, and stored as
CSR in Zarr. Told are

- the passes of a ridge fit by L-BFGS beside their floor: reading all chunks once and,
  by scipy, one X @ b and one X.T @ r of every block, on the same threads, in turn with
  the fits;
- growth of memory, in vectors of all columns;
- how far the summed objective is above its optimum, relatively: beneath a bound that
  strong convexity proves, gradient^2 / (2 alpha n), from a fit that goes on far longer;
- the same for a subset of the rows, where scikit-learn gives the optimum.
"""

from __future__ import annotations

import argparse
import statistics
import threading
import time
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import dask
import numpy as np
import zarr
from generated import data_folder
from machine import describe
from meter import Meter
from scipy.sparse import csr_array
from table import note, render, seconds_text

import dlogreg

ALPHA = 1e-6
ROWS_AT_ONCE = 2**15
LONGER = 10
"""How much nearer to the optimum the fit goes that others are compared with."""
HEADER = ("what", "value")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=5_000_000)
    parser.add_argument("--columns", type=int, default=1_000_000)
    parser.add_argument("--values", type=int, default=40, help="stored in a row")
    parser.add_argument("--subset", type=int, default=100_000, help="rows")
    parser.add_argument("--tol", type=float, default=0.1, help="standard errors")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--folder", type=Path, help="where the data are written")
    parser.add_argument("--markdown", action="store_true")
    arguments = parser.parse_args()
    dask.config.set(scheduler="threads", num_workers=arguments.threads)
    warnings.simplefilter("ignore", dlogreg.ConvergenceWarning)
    print("\n".join(describe(arguments.threads, [])))
    with data_folder(arguments.folder) as folder:
        note(f"writing {arguments.rows:,} rows x {arguments.columns:,} columns")
        group = write(folder / "data.zarr", arguments)
        rows = [*timed(group, arguments), *checked(group, arguments)]
    print(render(HEADER, rows, markdown=arguments.markdown))


def write(path: Path, arguments: argparse.Namespace) -> zarr.Group:
    """Write CSR and labels batch by batch."""
    n, width, columns = arguments.rows, arguments.values, arguments.columns
    group = zarr.create_group(path)
    X = group.create_group("X", attributes={"shape": [n, columns]})
    X.attrs["encoding-type"] = "csr_matrix"
    parts = {
        name: X.create_array(name, shape=(size,), chunks=(chunk,), dtype=dtype)
        for name, size, chunk, dtype in (
            ("indptr", n + 1, 2**20, "i8"),
            ("indices", n * width, 2**15 * width, "i4"),
            ("data", n * width, 2**15 * width, "f4"),
        )
    }
    y = group.create_array("y", shape=(n,), chunks=(2**20,), dtype="i1")
    parts["indptr"][:] = np.arange(0, n * width + 1, width)
    rng = np.random.default_rng(20)
    beta = rng.normal(size=columns)
    for low in range(0, n, ROWS_AT_ONCE):
        high = min(n, low + ROWS_AT_ONCE)
        draws = rng.random((high - low, width))
        indices = np.sort((columns * draws**3).astype("i4"), axis=1)
        values = 1 + rng.random(indices.shape, dtype="f4")
        eta = (values * beta[indices]).sum(axis=1) / np.sqrt(width) - 1.0
        cut = slice(low * width, high * width)
        parts["indices"][cut], parts["data"][cut] = indices.ravel(), values.ravel()
        y[low:high] = rng.random(high - low) < 1 / (1 + np.exp(-eta))
    return group


def timed(group: zarr.Group, arguments: argparse.Namespace) -> list[tuple[str, str]]:
    """Time fits and floors in turn.

    Memory is that of the first fit: what a floor's threads have held and freed would
    hide some of it. Imports are made before.
    """
    fitted({"X": csr_array(np.eye(100)), "y": np.arange(100) % 2}, arguments.tol)
    floors, passes, fits, growths = [], [], [], []
    for number in range(arguments.rounds):
        note(f"round {number + 1} of {arguments.rounds}")
        meter, began = Meter(), time.perf_counter()
        res = fitted(group, arguments.tol)
        fits.append(time.perf_counter() - began)
        growths.append(meter.reading()["growth"])
        passes.append(statistics.median(one.seconds for one in res.trace[1:]))
        floors.append(floor(group["X"], arguments))
    bare, own, growth = statistics.median(floors), statistics.median(passes), growths[0]
    assert growth is not None
    return [
        ("passes", str(res.n_passes)),
        ("status", res.status.name),
        ("seconds of the fit", seconds_text(statistics.median(fits))),
        ("seconds of a pass", seconds_text(own)),
        ("floor: read, X @ b, X.T @ r", seconds_text(bare)),
        ("pass / floor", f"{own / bare:.2f}"),
        ("growth of memory, MB", f"{growth / 1e6:.0f}"),
        ("in vectors of all columns", f"{growth / 8 / arguments.columns:.0f}"),
    ]


def fitted(group: Any, tol: float, **options: Any) -> Any:
    """Return the ridge fit of the rows of X and y."""
    X, y = group["X"], group["y"]
    fixed = {"alpha": ALPHA, "inference": False, "solver": "lbfgs"}
    options = {"tol": tol, "max_passes": 200, **fixed, **options}
    return dlogreg.fit(X, y, progress=False, **options)


def floor(X: zarr.Group, arguments: argparse.Namespace) -> float:
    """Time reading everything once with one product each way by scipy."""
    n_rows, columns = X.attrs["shape"]
    b = np.random.default_rng(0).normal(size=columns)
    own = threading.local()

    def work(low: int) -> None:
        if not hasattr(own, "total"):
            own.total = np.zeros(columns)
        rows = stored_rows(X, low, min(n_rows, low + ROWS_AT_ONCE))
        own.total += rows.T @ (rows @ b)

    began = time.perf_counter()
    with ThreadPoolExecutor(arguments.threads) as pool:
        list(pool.map(work, range(0, n_rows, ROWS_AT_ONCE)))
    return time.perf_counter() - began


def stored_rows(X: zarr.Group, low: int, high: int) -> csr_array:
    """Read some of the rows."""
    indptr = X["indptr"][low : high + 1]
    cut = slice(int(indptr[0]), int(indptr[-1]))
    parts = (X["data"][cut], X["indices"][cut], indptr - indptr[0])
    return csr_array(parts, shape=(high - low, X.attrs["shape"][1]))


def checked(group: zarr.Group, arguments: argparse.Namespace) -> list[tuple[str, str]]:
    """Compare with the optimum of all rows, and with scikit-learn's of some."""
    note("comparing with the optimum")
    res = fitted(group, arguments.tol)
    far = fitted(group, tol=arguments.tol / LONGER, max_passes=500)
    n, best = res.nobs, objective(far)
    proven = proven_gap(group["X"], group["y"], far)
    subset = min(arguments.subset, arguments.rows)
    X, y = stored_rows(group["X"], 0, subset), group["y"][:subset]
    part = fitted({"X": X, "y": y}, tol=arguments.tol / LONGER, max_passes=500)
    other = objective_at(X, y, *sklearn_optimum(X, y))
    return [
        ("objective / n", f"{objective(res) / n:.9f}"),
        ("gap to the long fit, relative", f"{objective(res) / best - 1:.1e}"),
        ("proven gap of the long fit, relative", f"{proven / best:.1e}"),
        ("passes of the long fit", str(far.n_passes)),
        (
            f"gap to scikit-learn on {subset:,} rows, relative",
            f"{objective(part) / other - 1:.1e}",
        ),
    ]


def objective(res: Any) -> float:
    """Return the summed loss plus the ridge term."""
    slopes = np.asarray(res.params)[1:]
    return float(-res.llf + 0.5 * ALPHA * res.nobs * (slopes @ slopes))


def objective_at(X: csr_array, y: Any, intercept: float, slopes: np.ndarray) -> float:
    """Return the objective from scratch."""
    eta = intercept + X @ slopes
    loss = np.logaddexp(0.0, np.where(y > 0, -eta, eta)).sum()
    return float(loss + 0.5 * ALPHA * len(y) * (slopes @ slopes))


def proven_gap(X: zarr.Group, y: zarr.Array, res: Any) -> float:
    """Bound how far the objective is above its optimum.

    The penalty leaves the intercept out, which is bounded by its own curvature: the
    objective is at least alpha n convex in the slopes once the intercept is optimal.
    """
    n_rows = X.attrs["shape"][0]
    params = np.asarray(res.params)
    gradient, first = ALPHA * n_rows * params[1:], 0.0
    for low in range(0, n_rows, ROWS_AT_ONCE):
        rows = stored_rows(X, low, min(n_rows, low + ROWS_AT_ONCE))
        eta = params[0] + rows @ params[1:]
        miss = 1 / (1 + np.exp(-eta)) - y[low : low + len(eta)]
        gradient += rows.T @ miss
        first += float(miss.sum())
    note(f"gradient of the intercept {first:.1e}")
    return float(gradient @ gradient) / (2 * ALPHA * n_rows)


def sklearn_optimum(X: csr_array, y: Any) -> tuple[float, np.ndarray]:
    """Return scikit-learn's intercept and slopes, as far as its L-BFGS goes."""
    from sklearn.linear_model import LogisticRegression

    C = 1 / (ALPHA * len(y))
    model = LogisticRegression(C=C, tol=1e-10, max_iter=5000).fit(X, y)
    return float(model.intercept_[0]), model.coef_[0]


if __name__ == "__main__":
    main()
