"""Categories as codes: a pass beside its floor, and a fit beside dense indicators.

    python examples/benchmarks/categories.py

generated: 10 million rows of 3 numbers and 5 categories of 10 to 1,000 levels in a
Parquet file. A pass of Newton's method beside its floor: reading the rows, tabmat's
products of them, and the functions of every row in numpy (category_floor.py), timed in
turn on the same threads.

flights: the flights out of New York, destinations among the categories, repeated to 30
million rows of a Parquet file. ``fit_formula``, and ``fit`` of the same rows that
pandas.get_dummies has expanded to dense indicators of one byte, each in a process of
its own: seconds, and by how much its memory grew at most. Both must find the same
log-likelihood, and say that the destination with one flight separates the classes.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import statistics
import time
import warnings
from collections import defaultdict
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

CASES = {"generated": 10_000_000, "flights": 30_000_000}
SAME = 1e-6
"""Relative difference of log-likelihoods."""

Result = dict[str, Any]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cases", default=",".join(CASES))
    parser.add_argument("--rows", type=int, help="of every case")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--folder", type=Path, help="where the data are written")
    parser.add_argument("--markdown", action="store_true")
    arguments = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = str(arguments.threads)  # read by tabmat
    from generated import data_folder
    from machine import describe

    print("\n".join(describe(arguments.threads, ["tabmat", "pandas", "pyarrow"])))
    for case in arguments.cases.split(","):
        measure = {"generated": passes, "flights": flights}[case]
        with data_folder(arguments.folder) as folder:
            measure(folder, arguments.rows or CASES[case], arguments)


def passes(folder: Path, rows: int, arguments: argparse.Namespace) -> None:
    """Print the seconds of every pass, and of what it cannot do without."""
    from category_data import write_generated
    from category_floor import product_seconds, read_seconds, row_seconds
    from table import note, render, seconds_text

    path, threads = folder / "generated.parquet", arguments.threads
    note(f"generated: writing {rows:,} rows")
    write_generated(path, rows)
    times: dict[str, list[float]] = defaultdict(list)
    for number in range(arguments.rounds):
        note(f"round {number + 1} of {arguments.rounds}")
        times["read"].append(read_seconds(path, threads))
        times["tabmat's products"].append(product_seconds(path))
        times["functions of a row"].append(row_seconds(rows, threads))
        for name, seconds in fit_passes(path, threads).items():
            times[name].append(seconds)
    medians = {name: statistics.median(found) for name, found in times.items()}
    parts = ("read", "tabmat's products", "functions of a row")
    floor = sum(medians[name] for name in parts)
    print(f"\ngenerated, {rows:,} rows: the floor is {seconds_text(floor)} s")
    lines = [
        [name, seconds_text(value), f"{value / floor:.2f}"]
        for name, value in medians.items()
    ]
    print(render(("", "seconds", "over floor"), lines, markdown=arguments.markdown))


def fit_passes(path: Path, threads: int) -> dict[str, float]:
    """Fit once and return the mean seconds of every kind of pass."""
    import dask
    from category_data import FORMULA

    import dlogreg

    began, kinds = time.perf_counter(), defaultdict(list)
    with dask.config.set(scheduler="threads", num_workers=threads):
        res = dlogreg.fit_formula(FORMULA, str(path), progress=False)
    whole = time.perf_counter() - began
    assert res.converged, res.status
    for record in res.trace:
        kinds[record.kind].append(record.seconds)
    means = {f"pass: {kind}": statistics.mean(found) for kind, found in kinds.items()}
    return {**means, f"fit, {res.n_passes} passes": whole}


def flights(folder: Path, rows: int, arguments: argparse.Namespace) -> None:
    """Print what a fit of codes and one of dense indicators cost."""
    from category_data import write_flights
    from table import note, render, seconds_text

    path = folder / "flights.parquet"
    note(f"flights: writing {rows:,} rows")
    write_flights(path, rows)
    found: dict[str, list[Result]] = defaultdict(list)
    for number in range(arguments.rounds):
        note(f"round {number + 1} of {arguments.rounds}")
        for name in ("codes", "dense indicators"):
            found[name].append(apart(name, path, arguments.threads))
    lines = []
    for name, results in found.items():
        last = results[-1]
        seconds, mib = (
            statistics.median(result[key] for result in results)
            for key in ("seconds", "mib")
        )
        lines.append([name, seconds_text(seconds), f"{mib:,.0f}", str(last["passes"])])
    likelihoods = [results[-1]["llf"] for results in found.values()]
    assert abs(likelihoods[0] / likelihoods[1] - 1) < SAME, likelihoods
    separated = [results[-1]["separated"] for results in found.values()]
    assert [len(names) for names in separated] == [len(separated[0])] * 2, separated
    print(f"\nflights, {rows:,} rows; infinite: {', '.join(separated[0]) or 'none'}")
    header = ("", "seconds", "MiB grown", "passes")
    print(render(header, lines, markdown=arguments.markdown))


def apart(name: str, path: Path, threads: int) -> Result:
    """Fit in a process of its own."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context) as pool:
        return pool.submit(fit_once, name, path, threads).result()


def fit_once(name: str, path: Path, threads: int) -> Result:
    """Return what a fit has cost and found."""
    import dask
    import numpy as np
    from meter import timed

    import dlogreg

    warnings.simplefilter("ignore", dlogreg.SeparationWarning)
    dask.config.set(scheduler="threads", num_workers=threads)
    fit = {"codes": fit_codes, "dense indicators": fit_dense}[name]

    def measured() -> Result:
        res = fit(path)
        separated = [n for n in res.names if np.isinf(res.params[n])]
        return {"llf": res.llf, "passes": res.n_passes, "separated": separated}

    result = timed(measured, repeat=False)
    return {**result, "mib": result["growth"] / 2**20}


def fit_codes(path: Path) -> Any:
    """Fit a formula."""
    from category_data import FLIGHT_FORMULA

    import dlogreg

    return dlogreg.fit_formula(FLIGHT_FORMULA, str(path), progress=False)


def fit_dense(path: Path) -> Any:
    """Expand all categories to dense indicators, and fit them."""
    import pandas as pd
    from category_data import FLIGHT_FACTORS

    import dlogreg

    table = pd.read_parquet(path)
    y = table.pop("late")
    X = pd.get_dummies(table, columns=list(FLIGHT_FACTORS), drop_first=True)
    del table
    return dlogreg.fit(X, y, progress=False)


if __name__ == "__main__":
    main()
