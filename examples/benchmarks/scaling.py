"""What a pass and a fit cost against rows, columns and chunks: a table and plots.

    python examples/benchmarks/scaling.py --plots plots

Expected are cost linear in the rows, quadratic in the columns where the product for the
Hessian is what costs and until L-BFGS takes over, and flat in the chunks. Exponents are
the slopes of a line through the logarithms. Beside each pass stands reading the same
store without arithmetic. Plots need matplotlib.
"""

from __future__ import annotations

import argparse
import statistics
import time
import warnings
from dataclasses import dataclass, field
from pathlib import Path

import dask
import numpy as np
from bare import seconds
from generated import Data, data_folder
from machine import describe
from readers import reader
from table import note, render, seconds_text

import dlogreg

WIDTHS = "10,30,100,200,400,800,1600,2400,3600,4800"
WIDE = 100
"""Columns from which the product for the Hessian is what costs."""


@dataclass
class Point:
    """A shape of data and what was measured on it."""

    rows: int
    columns: int
    chunks: int
    """At least eight, so that no thread is idle."""
    solver: str = ""
    n_tasks: int = 0
    n_passes: int = 0
    passes: list[float] = field(default_factory=list)
    fits: list[float] = field(default_factory=list)
    readings: list[float] = field(default_factory=list)

    @property
    def pass_seconds(self) -> float:
        """Median of the passes after the first, those with Hessian in Newton's."""
        return statistics.median(self.passes)


def shapes(what: str, scale: float, widths: list[int]) -> list[Point]:
    """Return the shapes of a sweep."""

    def rows(number: int) -> int:
        return max(5000, int(scale * number))

    if what == "rows":
        counts = [rows(n) for n in (250_000, 500_000, 1_000_000, 2_000_000, 4_000_000)]
        return [Point(n, 100, max(8, n // 20_000)) for n in counts]
    if what == "columns":
        n = rows(100_000)
        return [Point(n, d, max(8, n * d // 2_000_000)) for d in widths]
    n = rows(4_000_000)
    return [Point(n, 100, k) for k in (200, 1000, 5000, 10_000) if k <= n]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sweeps", default="rows,columns,chunks")
    parser.add_argument("--columns", default=WIDTHS, help="of the sweep of columns")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--scale", type=float, default=1.0, help="multiplies the rows")
    parser.add_argument("--plots", type=Path, help="folder for a PNG of every sweep")
    parser.add_argument("--folder", type=Path, help="where the data are written")
    parser.add_argument("--markdown", action="store_true")
    arguments = parser.parse_args()
    dask.config.set(scheduler="threads", num_workers=arguments.threads)
    warnings.simplefilter("ignore", dlogreg.ConvergenceWarning)
    print("\n".join(describe(arguments.threads)))
    widths = [int(width) for width in arguments.columns.split(",")]
    for what in arguments.sweeps.split(","):
        points = shapes(what, arguments.scale, widths)
        measure(points, arguments)
        print(f"\ncost against {what}: {'; '.join(exponents(what, points))}")
        print(render(HEADER, list(map(cells, points)), markdown=arguments.markdown))
        if arguments.plots:
            plot(what, points, arguments.plots)


def measure(points: list[Point], arguments: argparse.Namespace) -> None:
    """Write all data, then read and fit them in turn."""
    with data_folder(arguments.folder) as folder:
        stores = []
        for number, point in enumerate(points):
            chunk = -(-point.rows // point.chunks)
            own = folder / str(number)
            own.mkdir()
            data = Data.of(own, "zarr", point.rows, point.columns, chunk)
            note(f"writing {point.rows:,} x {point.columns:,}, {point.chunks:,} chunks")
            data.write()
            stores.append(data)
        for number in range(arguments.rounds):
            note(f"round {number + 1} of {arguments.rounds}")
            for point, data in zip(points, stores, strict=True):
                fit(point, data, arguments.threads)


def fit(point: Point, data: Data, threads: int) -> None:
    """Read and fit once; L-BFGS to 20 passes, which is enough to know their cost."""
    store = data.folder / "data.zarr"
    point.readings.append(seconds(reader("chunk files", store, threads)))
    began = time.perf_counter()
    res = dlogreg.fit(*data.open(), tol=0.01, inference=False, max_passes=20)
    point.fits.append(time.perf_counter() - began)
    kind = {"newton": "loss_gradient_hessian", "lbfgs": "loss_gradient"}[res.solver]
    later = [record for record in res.trace if record.kind == kind]
    point.passes += [record.seconds for record in later]
    point.n_tasks, point.n_passes = later[-1].tally.n_tasks, res.n_passes
    point.solver = res.solver


HEADER = (
    "rows",
    "columns",
    "chunks",
    "tasks",
    "solver",
    "passes",
    "pass s",
    "reading s",
    "fit s",
)


def cells(point: Point) -> list[str]:
    """Return a line of the table."""
    return [
        f"{point.rows:,}",
        f"{point.columns:,}",
        f"{point.chunks:,}",
        str(point.n_tasks),
        point.solver,
        str(point.n_passes),
        seconds_text(point.pass_seconds),
        seconds_text(statistics.median(point.readings)),
        seconds_text(statistics.median(point.fits)),
    ]


def exponents(what: str, points: list[Point]) -> list[str]:
    """Return the slopes of a sweep: seconds of a pass grow as this power."""
    newton = [p for p in points if p.solver == "newton"]
    parts = {"all": points}
    if what == "columns":
        parts = {
            f"newton, from {WIDE} columns": [p for p in newton if p.columns >= WIDE],
            "lbfgs": [p for p in points if p.solver == "lbfgs"],
        }
    return [
        f"exponent {slope(what, part):.2f} ({name})"
        for name, part in parts.items()
        if len(part) > 1
    ]


def slope(what: str, points: list[Point]) -> float:
    """Return the slope of log seconds over log size."""
    sizes = [getattr(point, what) for point in points]
    times = [point.pass_seconds for point in points]
    return float(np.polyfit(np.log(sizes), np.log(times), 1)[0])


def plot(what: str, points: list[Point], folder: Path) -> None:
    """Draw seconds over sizes, both axes logarithmic."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5, 4), layout="constrained")
    axes = figure.subplots()
    sizes = [getattr(point, what) for point in points]
    axes.loglog(sizes, [statistics.median(p.fits) for p in points], "s-", label="fit")
    for solver in dict.fromkeys(p.solver for p in points):
        mine = [p for p in points if p.solver == solver]
        x = [getattr(point, what) for point in mine]
        axes.loglog(x, [p.pass_seconds for p in mine], "o-", label=f"pass, {solver}")
    readings = [statistics.median(p.readings) for p in points]
    axes.loglog(sizes, readings, "--", label="reading")
    axes.set(xlabel=what, ylabel="seconds")
    axes.legend()
    folder.mkdir(parents=True, exist_ok=True)
    figure.savefig(folder / f"{what}.png", dpi=150)
    note(f"wrote {folder / what}.png")


if __name__ == "__main__":
    main()
