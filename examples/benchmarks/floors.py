"""Every pass of a fit beside its floor, measured in the same run on the same threads.

    python examples/benchmarks/floors.py

The floor of a pass over stored data is reading them once and doing nothing, with the
fastest of three readers, plus the bare BLAS products (bare.py). Over data in memory it
is the larger of one sweep through them and the products. A first pass that learns has
about two products, and the closing pass has two, one of the scores; the floor of a fit
is the sum over its passes. Floors are told for both types of products, ratios to the
type that a pass has used.

Fits, readings and products take turns; medians are printed, passes alike in one line,
the slowest of them under "worst". L-BFGS makes eight passes only: what a pass costs
does not depend on how many there are.
"""

from __future__ import annotations

import argparse
import statistics
import time
import warnings
from collections import defaultdict
from dataclasses import dataclass, field
from itertools import groupby, product
from pathlib import Path
from typing import Any

import dask
from bare import seconds, sweep
from generated import Data, data_folder
from machine import describe
from pass_work import Pass, Work, kernels_noted
from readers import available_readers, reader
from table import note, render, seconds_text

import dlogreg

TYPES = ("float32", "float64")
USED = "used"
"""The type that the passes used."""
HEADER = (
    "case",
    "fit",
    "pass",
    "seconds",
    "floor",
    "ratio",
    "worst",
    "type",
    "floor float32",
    "floor float64",
)
TO_A_HUNDREDTH = {"tol": 0.01, "inference": False}
NEWTON_FITS = {"tol=0.01 inference=False": TO_A_HUNDREDTH, "default": {}}
LBFGS_FITS = {"alpha=1e-3": {"alpha": 1e-3, "inference": False, "max_passes": 8}}


@dataclass(frozen=True)
class Case:
    """A shape of data, by kind, and the fits that are made of it."""

    columns: int
    rows: dict[str, int]
    fits: dict[str, dict[str, Any]] = field(default_factory=lambda: NEWTON_FITS)


CASES = {
    "narrow": Case(28, {"zarr": 10_000_000, "memory": 4_000_000}),
    "medium": Case(100, {"zarr": 5_000_000, "memory": 1_000_000}),
    "wide": Case(1000, {"zarr": 200_000, "memory": 100_000}),
    "lbfgs": Case(20_000, {"zarr": 50_000, "memory": 50_000}, LBFGS_FITS),
}


@dataclass
class Times:
    """The seconds of everything that is repeated, by name."""

    runs: dict[Any, list[float]] = field(default_factory=lambda: defaultdict(list))

    def add(self, name: Any, value: float) -> None:
        """Take note of a repetition."""
        self.runs[name].append(value)

    def median(self, name: Any) -> float:
        """Return the median of the repetitions."""
        return statistics.median(self.runs[name])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cases", default=",".join(CASES))
    parser.add_argument("--kinds", default="zarr,memory")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--scale", type=float, default=1.0, help="multiplies the rows")
    parser.add_argument("--folder", type=Path, help="where the data are written")
    parser.add_argument("--markdown", action="store_true")
    arguments = parser.parse_args()
    dask.config.set(scheduler="threads", num_workers=arguments.threads)
    warnings.simplefilter("ignore", dlogreg.ConvergenceWarning)
    print("\n".join(describe(arguments.threads, ["zarrs"])))
    rows: list[list[str]] = []
    for name in arguments.cases.split(","):
        for kind in arguments.kinds.split(","):
            rows += measure(name, kind, arguments)
    print()
    print(render(HEADER, rows, markdown=arguments.markdown))


def measure(name: str, kind: str, arguments: argparse.Namespace) -> list[list[str]]:
    """Return the table's lines of a case."""
    case, label = CASES[name], f"{name}, {kind}"
    with data_folder(arguments.folder) as folder:
        n_rows = int(arguments.scale * case.rows[kind])
        data = Data.of(folder, kind, n_rows, case.columns)
        note(f"{label}: writing {n_rows:,} rows x {case.columns:,} columns")
        data.write()
        times, passes = take_turns(data, case, arguments)
    print(f"{label}: {n_rows:,} x {case.columns:,}; {floors_text(times)}")
    return [
        line
        for fit, made in passes.items()
        for line in lines(label, fit, made, times, kind)
    ]


def take_turns(
    data: Data, case: Case, arguments: argparse.Namespace
) -> tuple[Times, dict[str, list[Pass]]]:
    """Time readings, fits and products in turn; return the passes of the last fits."""
    X, y = data.open()
    times, passes, threads = Times(), {}, arguments.threads
    readers = {} if data.kind == "memory" else readers_of(data, threads)
    for number in range(arguments.rounds):
        note(f"round {number + 1} of {arguments.rounds}")
        for name, read in readers.items():
            times.add(("read", name), seconds(read))
        if data.kind == "memory":
            times.add(("sweep", ""), sweep(X, threads))
        for name, options in case.fits.items():
            passes[name] = fit(name, X, y, options, times)
        works = {one.work for made in passes.values() for one in made}
        for work, dtype in product(works, TYPES):
            spent = work.seconds(data.rows, data.columns, dtype, threads)
            times.add((work, dtype), spent)
    return times, passes


def fit(name: str, X: Any, y: Any, options: dict[str, Any], times: Times) -> list[Pass]:
    """Fit once, take note of its times, and return its passes."""
    began = time.perf_counter()
    with kernels_noted() as kernels:
        res = dlogreg.fit(X, y, progress=False, **options)
    times.add(("fit", name), time.perf_counter() - began)
    for record in res.trace:
        times.add((name, record.number), record.seconds)
    records = zip(res.trace, kernels, strict=True)
    return [Pass.of(*pair) for pair in records if pair[0].number]


def readers_of(data: Data, threads: int) -> dict[str, Any]:
    store = data.folder / "data.zarr"
    return {name: reader(name, store, threads) for name in available_readers()}


def floor(times: Times, kind: str, work: Work, dtype: str) -> float:
    """Return the floor of a pass."""
    bare = times.median((work, dtype))
    if kind == "memory":
        return max(times.median(("sweep", "")), bare)
    return fastest_reading(times)[1] + bare


def fastest_reading(times: Times) -> tuple[str, float]:
    """Return the name and the seconds of the fastest reader."""
    readings = {k[1]: times.median(k) for k in times.runs if k[0] == "read"}
    return min(readings.items(), key=lambda item: item[1])


def floors_text(times: Times) -> str:
    """Return the medians of what the floors are made of."""
    texts = []
    for key in times.runs:
        if key[0] in ("read", "sweep"):
            texts.append((" ".join(key).strip(), key))
        elif isinstance(key[0], Work):
            work, dtype = key
            texts.append((f"{work.what} x {work.count} {dtype}", key))
    return ", ".join(f"{text} {seconds_text(times.median(key))}" for text, key in texts)


def lines(
    label: str, fit: str, passes: list[Pass], times: Times, kind: str
) -> list[list[str]]:
    """Return a line for every run of passes alike, and one for the whole fit."""
    found, sums, inside = [], dict.fromkeys((*TYPES, USED), 0.0), 0.0
    for (what, work, used), group in groupby(passes, lambda one: one.traits):
        numbers = [one.number for one in group]
        floors = {dtype: floor(times, kind, work, dtype) for dtype in TYPES}
        floors[USED] = floors[used]
        spent = [times.median((fit, number)) for number in numbers]
        inside += sum(spent)
        for name, value in floors.items():
            sums[name] += value * len(numbers)
        span = f"{numbers[0]}-{numbers[-1]}" if len(numbers) > 1 else f"{numbers[0]}"
        found.append([label, fit, f"{span} {what}", *cells(spent, floors, used)])
    whole = times.median(("fit", fit))
    what = f"whole fit ({seconds_text(whole - inside)} between)"
    return [*found, [label, fit, what, *cells([whole], sums, "")]]


def cells(spent: list[float], floors: dict[str, float], used: str) -> list[str]:
    """Return seconds, the floor and their ratios; the floors of both types."""
    middle, own = statistics.median(spent), floors[USED]
    ratios = [f"{value / own:.2f}" for value in (middle, max(spent))]
    each = [seconds_text(floors[dtype]) for dtype in TYPES]
    return [seconds_text(middle), seconds_text(own), *ratios, used, *each]


if __name__ == "__main__":
    main()
