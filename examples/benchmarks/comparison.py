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

Result = dict[str, Any]


@dataclass
class Line:
    """A program, the tolerance that was found for it, and its runs."""

    peer: Peer
    tol: float | None = None
    runs: list[Result] = field(default_factory=list)
    enough: bool = False
    """Whether one run has to do, because it takes so long."""
    failure: str = ""


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
        tolerances = line.peer.tolerances
        if not tolerances:
            return
        self._settle_on_sample(line)
        if line.failure or self.sample is None:
            return
        place = tolerances.index(line.tol)
        gap = self._try(line, place)
        if gap <= ACCURACY:
            while place and self._try(line, place - 1) <= ACCURACY:
                place -= 1
        else:
            while place + 1 < len(tolerances) and gap > ACCURACY:
                tighter = self._try(line, place + 1)
                if tighter > BETTER * gap:
                    break
                place, gap = place + 1, tighter
        line.tol = tolerances[place]
        line.runs = [run for run in line.runs if run.get("tol") == line.tol]
        line.failure = "" if line.runs else line.failure
        line.enough = any(run["seconds"] > self.slow for run in line.runs)
        line.runs = line.runs if line.enough else []

    def _settle_on_sample(self, line: Line) -> None:
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
            line.failure = tried[-1]["error"]
            return
        enough = max(accuracy, min(gaps.values()) / BETTER)
        line.tol = next(tol for tol, gap in gaps.items() if gap <= enough)

    def _try(self, line: Line, place: int) -> float:
        """Run on all rows; return the distance, infinite if the run fails."""
        line.tol = line.peer.tolerances[place]
        result = self.fit(line)
        if "error" in result:
            line.failure = result["error"]
            return float("inf")
        line.runs.append(result)
        return distance(result, self.optimum)

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
                if line.failure or line.enough:
                    continue
                result = self.fit(line)
                line.failure = result.get("error", "")
                if not line.failure:
                    line.runs.append(result)
                    line.enough = result["seconds"] > self.slow
