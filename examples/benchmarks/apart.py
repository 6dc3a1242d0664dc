"""Starts a job in a process of its own, with limits on its threads and its time."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

from generated import Data

JOB = Path(__file__).with_name("job.py")
BLAS_VARIABLES = ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "BLIS_NUM_THREADS")


def run_apart(
    what: str,
    data: Data,
    *,
    threads: int,
    limit: float | None = None,
    own_threads: bool = False,
    **more: Any,
) -> list[dict[str, Any]]:
    """Return what the job printed; the last entry has an "error" if it failed.

    BLAS gets one thread where the program runs several tasks at once, else all.
    """
    job = {"what": what, "data": data.to_json(), "threads": threads, **more}
    environment = {
        **os.environ,
        **dict.fromkeys(BLAS_VARIABLES, "1" if own_threads else str(threads)),
        "OMP_NUM_THREADS": str(threads),
    }
    process = subprocess.Popen(
        [sys.executable, str(JOB), json.dumps(job)],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    error = ""
    try:
        out, err = process.communicate(timeout=limit)
    except subprocess.TimeoutExpired:
        error = f"did not end in {limit:g} s"
        _end(process)
        out, err = process.communicate()
    except BaseException:
        _end(process)
        raise
    if process.returncode and not error:
        error = _reason(err, process.returncode)
    lines = [json.loads(line) for line in out.splitlines() if line.startswith("{")]
    return [*lines, {"error": error}] if error else lines


def _end(process: subprocess.Popen[str]) -> None:
    """End the process and those that it has started."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def _reason(err: str, code: int) -> str:
    """Return the line of a traceback that names the exception."""
    lines = [line for line in err.splitlines() if line and not line.startswith(" ")]
    return lines[-1][:120] if lines else f"exit code {code}"
