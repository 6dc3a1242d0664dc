"""What a process of its own does: ``python job.py JOB``, see apart.py."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from typing import Any

from fits import PEERS, Terms
from generated import Data
from meter import limit_memory, timed
from optimum import check_optimum, distance, find_optimum


def main() -> None:
    """Do the job and print a line for every result."""
    job = json.loads(sys.argv[1])
    limit_memory()
    for result in results(job, Data.from_json(job["data"])):
        print(json.dumps(result), flush=True)


def results(job: dict[str, Any], data: Data) -> Iterator[dict[str, Any]]:
    """Do the job."""
    what = job["what"]
    if what == "write":
        data.write()
        yield {"stored": data.stored_bytes()}
    elif what == "parquet":
        data.write_parquet()
    elif what == "optimum":
        yield find_optimum(data)
    elif what == "check":
        yield check_optimum(data, job["optimum"])
    elif what == "search":
        yield from search(job, data)
    else:
        yield fit_once(job, data, job["tol"], repeat=data.is_small)


def search(job: dict[str, Any], data: Data) -> Iterator[dict[str, Any]]:
    """Fit with one tolerance after the other until the accuracy is reached."""
    for tol in job["tolerances"]:
        result = fit_once(job, data, tol, repeat=False)
        yield result
        if distance(result, job["optimum"]) <= job["accuracy"]:
            return


def fit_once(
    job: dict[str, Any], data: Data, tol: float | None, *, repeat: bool
) -> dict[str, Any]:
    """Time a program's fit."""
    peer = next(peer for peer in PEERS if peer.name == job["peer"])
    fit = peer.prepare(data, Terms(tol, job["threads"]))
    return {"tol": tol, **timed(fit, repeat=repeat)}


if __name__ == "__main__":
    main()
