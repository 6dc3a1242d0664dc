"""How programs are compared: the same data, the same accuracy, interleaved rounds."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from apart import run_apart
from fits import Peer
from generated import Data
from optimum import distance
from table import note

ACCURACY = 0.01
"""Standard errors within which a program has to come."""
SAMPLE_ROWS = 200_000
"""Rows on which tolerances are tried first, where there are twice as many or more."""
BETTER = 0.95
"""A tighter tolerance that leaves more than this share of the distance is no use."""
PATIENCE = 2
"""Tolerances of no use in a row, after which no tighter one is tried."""

Result = dict[str, Any]


@dataclass
class Line:
    """A program, the tolerance that was found for it, and its runs."""

    peer: Peer
    tol: float | None = None
    runs: list[Result] = field(default_factory=list)
    enough: bool = False
    """Whether one run has to do, because it takes so long."""
    failed: bool = False
    """Whether there is to be no further run."""
    remarks: list[str] = field(default_factory=list)

    def fail(self, why: str) -> None:
        """Take note that it cannot run."""
        self.failed = True
        self.remarks.append(why)


@dataclass
class Comparison:
    """The data, their optimum, and the conditions under which programs run."""

    data: Data
    threads: int
    limit: float
    """Seconds that a run may take."""
    slow: float
    """Seconds from which a program runs only once."""
    optimum: Result = field(default_factory=dict)
    sample: Data | None = None
    sample_optimum: Result = field(default_factory=dict)

    @property
    def stored(self) -> int:
        """Bytes of the chunk files of X; 0 if it is in memory."""
        return self.data.stored_bytes()

    def prepare(self, *, parquet: bool) -> None:
        """Write the data and a sample, and find their optima."""
        self.optimum = self._write(self.data, parquet=parquet)
        if self.data.rows >= 2 * SAMPLE_ROWS:
            folder, columns = self.data.folder / "sample", self.data.columns
            self.sample = Data.of(folder, self.data.kind, SAMPLE_ROWS, columns)
            self.sample_optimum = self._write(self.sample, parquet=parquet)

    def _write(self, data: Data, *, parquet: bool) -> Result:
        data.folder.mkdir(parents=True, exist_ok=True)
        self._run("write", data)
        if parquet:
            self._run("parquet", data)
        note(f"{data.rows:,} rows written; searching their optimum")
        optimum = self._run("optimum", data)[0]
        check = self._run("check", data, optimum=optimum)[0]
        return {**optimum, **check}

    def _run(self, what: str, data: Data, **more: Any) -> list[Result]:
        """Run what has to succeed."""
        results = run_apart(what, data, threads=self.threads, **more)
        if results and "error" in results[-1]:
            sys.exit(f"{what}: {results[-1]['error']}")
        return results

    def settle(self, line: Line) -> None:
        """Find the loosest of a program's tolerances with which it arrives.

        Distances in standard errors grow with the root of the number of rows, so the
        sample is fitted to less. On all rows the tolerance is then tightened, or
        loosened, as far as it has to be, or can be.
        """
        if not line.peer.tolerances:
            return
        arrives = self._settle_on_sample(line)
        if line.failed or self.sample is None:
            return
        gaps = self._tighten(line, patience=PATIENCE if arrives else 0)
        if not gaps:
            return
        line.failed, line.tol = False, loosest(gaps, ACCURACY)
        line.runs = [run for run in line.runs if run["tol"] == line.tol]
        line.enough = line.runs[0]["seconds"] > self.slow
        line.runs = line.runs if line.enough else []

    def _settle_on_sample(self, line: Line) -> bool:
        """Try all tolerances on few rows; tell whether one of them arrives."""
        data, optimum = self.sample or self.data, self.sample_optimum or self.optimum
        accuracy = ACCURACY * np.sqrt(data.rows / self.data.rows)
        tried = run_apart(
            "search",
            data,
            threads=self.threads,
            limit=self.limit,
            own_threads=line.peer.own_threads,
            peer=line.peer.name,
            tolerances=line.peer.tolerances,
            optimum=optimum,
            accuracy=accuracy,
        )
        gaps = {r["tol"]: distance(r, optimum) for r in tried if "params" in r}
        if not gaps:
            line.fail(tried[-1]["error"])
            return False
        line.tol = loosest(gaps, accuracy)
        if "error" in tried[-1]:
            last = f"the sample, after tol={min(gaps):.0e}"
            line.remarks.append(f"{last}: {tried[-1]['error']}")
        return gaps[line.tol] <= accuracy

    def _tighten(self, line: Line, patience: int) -> dict[float, float]:
        """Fit all rows with tolerances around the present one; return the distances.

        It ends once so many tighter tolerances in a row have brought nothing.
        """
        tolerances = line.peer.tolerances
        gaps: dict[float, float] = {}
        place = start = tolerances.index(line.tol)
        nearest, idle = self._try(line, place, gaps), 0
        while nearest > ACCURACY and place + 1 < len(tolerances) and idle < patience:
            place += 1
            gap = self._try(line, place, gaps)
            if line.failed:
                return gaps
            idle = idle + 1 if gap > BETTER * nearest else 0
            nearest = min(gap, nearest)
        if place == start and nearest <= ACCURACY:
            while place and self._try(line, place - 1, gaps) <= ACCURACY:
                place -= 1
        return gaps

    def _try(self, line: Line, place: int, gaps: dict[float, float]) -> float:
        """Run on all rows; return the distance, infinite if the run fails."""
        line.tol = line.peer.tolerances[place]
        result = self.fit(line)
        if "error" in result:
            line.fail(f"tol={line.tol:.0e}: {result['error']}")
            return float("inf")
        line.runs.append(result)
        gaps[line.tol] = distance(result, self.optimum)
        return gaps[line.tol]

    def fit(self, line: Line) -> Result:
        """Run a program once."""
        note(f"{line.peer.name}" + (f", tol={line.tol:.0e}" if line.tol else ""))
        return run_apart(
            "fit",
            self.data,
            threads=self.threads,
            limit=self.limit,
            own_threads=line.peer.own_threads,
            peer=line.peer.name,
            tol=line.tol,
        )[-1]

    def run_rounds(self, lines: list[Line], rounds: int) -> None:
        """Run all programs in turn, so many times."""
        for _ in range(rounds):
            for line in lines:
                if line.failed or line.enough:
                    continue
                result = self.fit(line)
                if "error" in result:
                    line.fail(result["error"])
                    continue
                line.runs.append(result)
                line.enough = result["seconds"] > self.slow


def loosest(gaps: dict[float, float], accuracy: float) -> float:
    """Return the loosest tolerance that arrives, or that comes as near as any."""
    enough = max(accuracy, min(gaps.values()) / BETTER)
    return max(tol for tol, gap in gaps.items() if gap <= enough)
