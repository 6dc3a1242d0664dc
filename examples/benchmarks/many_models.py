"""What many models in shared passes cost, against one fit and against scikit-learn.

    python examples/benchmarks/many_models.py

Cross-validation of ridge and of lasso, and the bootstrap, over a Zarr store: seconds,
how many single fits that is, and passes beyond those of a fit. scikit-learn's
LogisticRegressionCV gets the same folds and penalties, of rows that lie in memory
already; its coefficients are compared in standard errors of the fit. ``--refits`` fits
so many replicates of the bootstrap by themselves.
"""

from __future__ import annotations

import argparse
import statistics
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import dask
import numpy as np
from generated import Data, data_folder
from machine import describe
from table import render

import dlogreg
from dlogreg.kernel import Rows
from dlogreg.kernel.parts import RandomParts
from dlogreg.kernel.resampling import PoissonDraws

TOL = 0.01
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
            lines.append(peer(data, cv, fit, name, one))
    found, seconds = timed(lambda: fit.bootstrap(arguments.replicates), 1)
    lines.append(line("bootstrap", seconds, one, found.n_passes, found.error))
    if arguments.refits:
        lines.append(refitted(data, fit, found, arguments.refits, one))
    return lines


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


def peer(
    data: Data, cv: Any, fit: Any, name: str, one: tuple[float, int]
) -> tuple[str, ...]:
    """Run scikit-learn in memory, with the same folds and penalties."""
    from sklearn.linear_model import LogisticRegressionCV

    X, y = data.loader()()
    part = RandomParts(len(cv.fold_sizes)).of(Rows(X, y, start=0))
    rows = np.arange(len(y))
    folds = [(rows[part != j], rows[part == j]) for j in range(part.max() + 1)]
    smallest = min(len(train) for train, _ in folds)
    solver = "newton-cholesky" if name == "ridge" else "saga"
    model = LogisticRegressionCV(
        Cs=1 / (cv.alphas * smallest),
        l1_ratios=(cv.l1_ratio,),
        cv=folds,
        solver=solver,
        scoring="neg_log_loss",
        use_legacy_attributes=False,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        _, seconds = timed(lambda: model.fit(X, y), 1)
    paths = model.coefs_paths_[:, 0, :, 0, :-1].swapaxes(0, 1)
    away = (paths - cv.fold_params[:, :, 1:]) / np.asarray(fit.bse)[1:]
    title = f"scikit-learn {solver}, {name}"
    return line(title, seconds, one, None, float(np.abs(away).max()))


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
