"""What many models in shared passes cost, against one fit and against scikit-learn.

    python examples/benchmarks/many_models.py

Cross-validation of ridge and of lasso, and the bootstrap, over a Zarr store: seconds,
how many single fits that is, and passes beyond those of a fit. The last column is the
proven distance from the optimum in standard errors, estimated for the bootstrap.

scikit-learn's LogisticRegressionCV gets the same folds and penalties, of rows that lie
in memory already, as many folds side by side as there are threads, with its own tol and
then smaller ones until it is as near to the optimum; it is ended when ``--limit``
seconds have gone by. The last column is then the distance of its coefficients from
ours, in standard errors of the fit. ``--refits`` fits so many
replicates of the bootstrap by themselves, and the last column is the worst relative
difference between standard errors.
"""

from __future__ import annotations

import argparse
import multiprocessing
import statistics
import tempfile
import time
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import dask
import numpy as np
from generated import Data, data_folder
from machine import describe
from table import note, render

import dlogreg
from dlogreg.kernel import Rows
from dlogreg.kernel.parts import RandomParts
from dlogreg.kernel.resampling import PoissonDraws

TOL = 0.01
PEERS = {"ridge": ("newton-cholesky", "lbfgs"), "lasso": ("saga",)}
PEER_TOLS = (1e-4, 1e-5, 1e-6, 1e-7)
SPANS = {0.0: (1e1, 1e-4), 1.0: (1e-1, 1e-5)}
"""Strongest and weakest alpha by l1_ratio."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=2_000_000)
    parser.add_argument("--columns", type=int, default=50)
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--alphas", type=int, default=20)
    parser.add_argument("--replicates", type=int, default=200)
    parser.add_argument("--refits", type=int, default=0)
    parser.add_argument("--rounds", type=int, default=3, help="of the single fit")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--no-peers", action="store_true", help="no scikit-learn")
    parser.add_argument("--limit", type=float, default=900, help="s, of a peer's run")
    parser.add_argument("--folder", type=Path, help="where the data are written")
    parser.add_argument("--markdown", action="store_true")
    arguments = parser.parse_args()
    print("\n".join(describe(arguments.threads)))
    print(f"\n{arguments.rows:,} rows x {arguments.columns} columns, float32 in Zarr\n")
    with data_folder(arguments.folder) as folder:
        data = Data.of(folder, "zarr", arguments.rows, arguments.columns)
        data.write()
        with dask.config.set(num_workers=arguments.threads):
            lines = measured(data, arguments)
    header = ("", "seconds", "single fits", "passes", "more passes", "worst SE")
    print(render(header, lines, markdown=arguments.markdown))


def measured(data: Data, arguments: argparse.Namespace) -> list[tuple[str, ...]]:
    """Return the lines of the table."""
    X, y = data.open()
    warm_up(dlogreg.cross_validate)
    dlogreg.fit(X, y, tol=TOL)  # imports, and the page cache
    fit, seconds = timed(lambda: dlogreg.fit(X, y, tol=TOL), arguments.rounds)
    one = (seconds, fit.n_passes)
    lines = [line("one fit", seconds, one, fit.n_passes, fit.error_bound)]
    for l1_ratio, name in ((0.0, "ridge"), (1.0, "lasso")):
        alphas = np.geomspace(*SPANS[l1_ratio], arguments.alphas)
        options = {"alphas": alphas, "l1_ratio": l1_ratio, "n_folds": arguments.folds}
        cv, seconds = timed(lambda o=options: dlogreg.cross_validate(X, y, **o), 1)
        title = f"cross-validation, {name}"
        bound = float(np.nanmax(cv.error_bounds))
        lines.append(line(title, seconds, one, cv.n_passes, bound))
        if not arguments.no_peers:
            for solver in PEERS[name]:
                lines += peer_lines(name, solver, data, cv, fit, one, arguments)
    found, seconds = timed(lambda: fit.bootstrap(arguments.replicates), 1)
    lines.append(line("bootstrap", seconds, one, found.n_passes, found.error))
    if arguments.refits:
        lines.append(refitted(data, fit, found, arguments.refits, one))
    return lines


def warm_up(call: Callable[[Any, Any], Any]) -> None:
    """Call a program with small data before it is timed: what it imports late."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(2000, 5)).astype("f4")
    call(X, X[:, 0] + rng.normal(size=len(X)) > 0)


def timed(call: Callable[[], Any], rounds: int) -> tuple[Any, float]:
    """Return the result and the median of the seconds."""
    seconds, result = [], None
    for _ in range(rounds):
        began = time.perf_counter()
        result = call()
        seconds.append(time.perf_counter() - began)
    return result, statistics.median(seconds)


def line(
    name: str, seconds: float, one: tuple[float, int], passes: int | None, worst: float
) -> tuple[str, ...]:
    """Return a line of the table."""
    counted = ("-", "-") if passes is None else (str(passes), str(passes - one[1]))
    return name, f"{seconds:.2f}", f"{seconds / one[0]:.1f}", *counted, f"{worst:.1e}"


def peer_lines(
    name: str,
    solver: str,
    data: Data,
    cv: Any,
    fit: Any,
    one: tuple[float, int],
    arguments: Any,
) -> list[tuple[str, ...]]:
    """Run scikit-learn with smaller and smaller tol; return the lines."""
    lines: list[tuple[str, ...]] = []
    limit, unit = arguments.limit, np.asarray(fit.bse)[1:]
    for tol in PEER_TOLS:
        title = f"scikit-learn {solver}, {name}, tol={tol:g}"
        note(title)
        found = peer(data, cv, solver, tol, arguments)
        if found is None:
            times = f"> {limit:.0f}", f"> {limit / one[0]:.0f}"
            return [*lines, (title, *times, "-", "-", "not ended")]
        away = np.abs((found["paths"] - cv.fold_params[:, :, 1:]) / unit).max()
        lines.append(line(title, float(found["seconds"]), one, None, float(away)))
        if away <= 2 * TOL:  # either may be TOL away
            break
    return lines


def peer(
    data: Data, cv: Any, solver: str, tol: float, arguments: Any
) -> dict[str, Any] | None:
    """Return seconds and coefficients of scikit-learn, None if it took too long."""
    job = {"alphas": cv.alphas, "n_folds": len(cv.fold_sizes), "tol": tol}
    job |= {"solver": solver, "l1_ratio": cv.l1_ratio, "threads": arguments.threads}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "paths.npz"
        process = multiprocessing.get_context("spawn").Process(
            target=peer_paths, args=(data, job, path)
        )
        process.start()
        process.join(arguments.limit)
        if process.is_alive():
            process.kill()
            process.join()
            return None
        assert not process.exitcode, f"{solver} failed"
        return dict(np.load(path))


def peer_paths(data: Data, job: dict[str, Any], path: Path) -> None:
    """Cross-validate with scikit-learn; write its seconds and coefficients."""
    from threadpoolctl import threadpool_limits

    warnings.simplefilter("ignore")
    X, y = data.loader()()
    part = RandomParts(job["n_folds"]).of(Rows(X, y, start=0))
    small = {**job, "alphas": job["alphas"][:1]}
    warm_up(lambda X, y: fold_path(X, y, np.arange(len(y)) % 5 == 0, small))
    began = time.perf_counter()
    with threadpool_limits(1), ThreadPoolExecutor(job["threads"]) as pool:
        folds = [(X, y, part == j, job) for j in range(job["n_folds"])]
        paths = list(pool.map(lambda fold: fold_path(*fold), folds))
    seconds = time.perf_counter() - began
    np.savez(path, seconds=seconds, paths=np.stack(paths, axis=1))


def fold_path(X: Any, y: Any, out: Any, job: dict[str, Any]) -> Any:
    """Return coefficients by penalty, of the rows that are not left out.

    Fold by fold: LogisticRegressionCV has one C for all folds, where alpha of the mean
    loss is another C for another number of rows.
    """
    from sklearn.linear_model import LogisticRegressionCV

    model = LogisticRegressionCV(
        Cs=1 / (job["alphas"] * np.count_nonzero(~out)),
        l1_ratios=(job["l1_ratio"],),
        cv=[(np.flatnonzero(~out), np.flatnonzero(out))],
        solver=job["solver"],
        tol=job["tol"],
        scoring="neg_log_loss",
        refit=False,
        use_legacy_attributes=False,
    )
    return model.fit(X, y).coefs_paths_[0, 0, :, 0, :-1]


def refitted(
    data: Data, fit: Any, found: Any, n_refits: int, one: tuple[float, int]
) -> tuple[str, ...]:
    """Fit replicates by themselves; the last column compares standard errors."""
    X, y = data.loader()()
    X = X.astype("f4")
    params, began = [], time.perf_counter()
    for replicate in range(n_refits):
        draws = PoissonDraws((replicate,), found.seed)
        step, weight = 2**20, np.empty(len(y))
        for low in range(0, len(y), step):
            rows = Rows(X[low : low + step], y[low : low + step], start=low)
            weight[low : low + step] = draws.weights(rows, range(1), "f8")[0]
        own = dlogreg.fit(X, y, sample_weight=weight, tol=TOL, inference=False)
        params.append(np.asarray(own.params))
    seconds = time.perf_counter() - began
    exact = np.std(params, axis=0, ddof=1)
    ours = np.std(found.params[:n_refits], axis=0, ddof=1)
    worst = float(np.abs(ours / exact - 1).max())
    return line(f"{n_refits} replicates refitted", seconds, one, None, worst)


if __name__ == "__main__":
    main()
