"""dlogreg beside its peers on the same generated data, one process each.

    python examples/benchmarks/peers.py zarr       # 10 million x 100 float32, 4 GB
    python examples/benchmarks/peers.py memory     # 1 million x 100 float64
    python examples/benchmarks/peers.py memory --rows 20000 --columns 20

The time of every program is its time to the same accuracy: with the loosest of its own
tolerances that brings every coefficient within 0.01 standard errors of the optimum. A
program that none of them brings there is shown with how near it came. The optimum is a
fit that dlogreg certifies to 1e-7, checked by plain numpy.

Importing is not timed, nor is numba's start. Rounds are interleaved, and medians
printed. Memory is the growth of the resident set after that, of all processes of a
program; bytes are those of its read calls. On data of at most 2 million values calls
are repeated in the same process, and the first told apart. In the ``zarr`` kind,
programs without chunks read the whole store in the fit.
Needs ``pip install ".[benchmark]"``, and for Spark ``".[benchmark-spark]"`` and Java.
"""

from __future__ import annotations

import argparse
import statistics
from pathlib import Path

from comparison import ACCURACY, Comparison, Line
from fits import PEERS
from generated import Data, data_folder
from machine import describe
from optimum import distance
from table import note, render, seconds_text

ROWS = {"zarr": 10_000_000, "memory": 1_000_000}
PACKAGES = ("dask-ml", "scikit-learn", "statsmodels", "glum", "pyspark", "zarrs")
HEADER = (
    "",
    "seconds",
    "min-max",
    "runs",
    "ratio",
    "first call",
    "tol",
    "SE from optimum",
    "passes",
    "iterations",
    "MB read",
    "MB more",
)


def main() -> None:
    arguments = parse()
    lines = choose(arguments)
    with data_folder(arguments.folder) as folder:
        data = Data.of(
            folder, arguments.kind, arguments.rows, arguments.columns, arguments.chunk
        )
        runs = Comparison(data, arguments.threads, arguments.limit, arguments.slow)
        runs.prepare(parquet=any(line.peer.package == "pyspark" for line in lines))
        for line in lines:
            runs.settle(line)
        runs.run_rounds(lines, arguments.rounds)
        report(runs, lines, markdown=arguments.markdown)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("kind", choices=list(ROWS))
    parser.add_argument("--rows", type=int)
    parser.add_argument("--columns", type=int, default=100)
    parser.add_argument("--chunk", type=int, help="rows; default 8 MB of X")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--peers", help="parts of names, comma-separated; default all")
    parser.add_argument("--limit", type=float, default=900, help="seconds of a run")
    parser.add_argument(
        "--slow", type=float, default=60, help="seconds from which one run has to do"
    )
    parser.add_argument("--folder", type=Path, help="where the data are written")
    parser.add_argument("--markdown", action="store_true")
    arguments = parser.parse_args()
    arguments.rows = arguments.rows or ROWS[arguments.kind]
    return arguments


def choose(arguments: argparse.Namespace) -> list[Line]:
    """Return a line for every program that is wanted and can run."""
    parts = arguments.peers.split(",") if arguments.peers else [""]
    lines = []
    for peer in PEERS:
        wanted = any(part in peer.name for part in parts)
        if not wanted or arguments.kind not in peer.kinds:
            continue
        if peer.missing:
            note(f"{peer.name} is left out: {peer.missing}")
            continue
        lines.append(Line(peer))
    return lines


def report(runs: Comparison, lines: list[Line], *, markdown: bool) -> None:
    """Print the conditions, the table and what its lines need to be said."""
    data, optimum = runs.data, runs.optimum
    kind = {"zarr": "float32 in Zarr", "memory": "float64 in memory"}[data.kind]
    size = f", {runs.stored / 1e6:,.0f} MB stored" if runs.stored else ""
    print(f"{data.rows:,} rows x {data.columns} columns, {kind}{size}")
    print("\n".join(describe(runs.threads, PACKAGES)))
    print(
        f"optimum: certified to {optimum['bound']:.0e} standard errors; by plain numpy "
        f"{optimum['distance']:.0e} away, its standard errors equal to a relative "
        f"{optimum['bse_gap']:.0e}"
    )
    base = next((middle(line) for line in lines if line.runs), None)
    print()
    rows = [cells(runs, line, base) for line in lines if line.runs]
    print(render(HEADER, rows, markdown=markdown))
    print()
    for text in remarks(runs, lines):
        print(f"- {text}" if markdown else text)


def middle(line: Line) -> float:
    """Return the median seconds of a line."""
    return statistics.median(run["seconds"] for run in line.runs)


def cells(runs: Comparison, line: Line, base: float | None) -> list[str]:
    """Return a line of the table."""
    seconds = sorted(run["seconds"] for run in line.runs)
    first = statistics.median(run["first"] for run in line.runs)
    growth = statistics.median(run["growth"] for run in line.runs)
    run = line.runs[-1]
    read = run["read"] if runs.stored else None
    return [
        line.peer.name,
        seconds_text(middle(line)),
        f"{seconds_text(seconds[0])}-{seconds_text(seconds[-1])}",
        f"{len(seconds)}" + (f" x {run['repeats']}" if run["repeats"] else ""),
        f"{middle(line) / base:.2f}" if base else "-",
        seconds_text(first) if run["repeats"] else "-",
        f"{line.tol:.0e}" if line.tol else "-",
        gap_text(runs, line),
        passes_text(runs, line),
        str(run.get("iterations", "-")),
        f"{read / 1e6:,.0f}" if read is not None else "-",
        f"{growth / 1e6:,.0f}",
    ]


def gap(runs: Comparison, line: Line) -> float:
    """Return the largest distance from the optimum of any run."""
    return max(distance(run, runs.optimum) for run in line.runs)


def gap_text(runs: Comparison, line: Line) -> str:
    """Return the distance, and whether it is not the one that was wanted."""
    if "params" not in line.runs[0]:
        return "-"
    found = gap(runs, line)
    return f"stopped at {found:.0e}" if found > ACCURACY else f"{found:.0e}"


def passes_text(runs: Comparison, line: Line) -> str:
    """Return the passes that a program tells, or those that its bytes amount to."""
    run = line.runs[-1]
    if "passes" in run:
        return str(run["passes"])
    if not runs.stored or run["read"] is None or line.peer.package == "pyspark":
        return "-"
    return f"({run['read'] / runs.stored:.1f})"


def remarks(runs: Comparison, lines: list[Line]) -> list[str]:
    """Return what the table does not say."""
    texts = [line.peer.note for line in lines if line.runs and line.peer.note]
    for line in lines:
        texts += [f"{line.peer.name}: {text}" for text in line.remarks]
        texts += [
            f"{line.peer.name}: proven within {run['bound']:.0e} standard errors, "
            f"{run['decoded'] / 1e6:,.0f} MB decoded"
            for run in line.runs[-1:]
            if "bound" in run
        ]
    if runs.stored:
        texts.append("passes in brackets: bytes read over bytes stored")
    return list(dict.fromkeys(texts))


if __name__ == "__main__":
    main()
