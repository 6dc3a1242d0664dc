"""What a process costs: its time, the growth of its memory, the bytes it reads."""

from __future__ import annotations

import resource
import statistics
import sys
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

REPEATING = 2.0
"""Seconds of repetitions of a short call."""
REPEATS = (3, 200)
"""Fewest and most of them."""
SHARE_OF_MEMORY = 0.9
"""Of the memory that is free, which a process may ask for before it gets an error."""


class Meter:
    """Growth of the resident set, and bytes read, of this process and others.

    Linux tells both of any process of the same user; elsewhere the largest resident
    set of this process so far is all there is, and the bytes are not known.
    """

    def __init__(self, others: Iterable[int] = ()) -> None:
        self._processes = ["self", *map(str, others)]
        for process in self._processes:
            _reset_peak(process)
        self._resident = self._sum("VmRSS")
        self._read = self._bytes_read()

    def reading(self) -> dict[str, int | None]:
        """Return what has grown since the meter was made."""
        read, before = self._bytes_read(), self._read
        return {
            "growth": self._sum("VmHWM") - self._resident,
            "read": None if read is None or before is None else read - before,
        }

    def _sum(self, name: str) -> int:
        return sum(_size(process, name) for process in self._processes)

    def _bytes_read(self) -> int | None:
        """Return the bytes of all read calls, from disk or from the page cache."""
        try:
            return sum(
                int(Path(f"/proc/{process}/io").read_text().split()[1])
                for process in self._processes
            )
        except OSError:
            return None


def _size(process: str, name: str) -> int:
    """Return a size from /proc, in bytes."""
    try:
        lines = Path(f"/proc/{process}/status").read_text().splitlines()
    except OSError:
        unit = 1 if sys.platform == "darwin" else 1024
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
    values = [line.split()[1] for line in lines if line.startswith(name + ":")]
    return 1024 * int(values[0])


def _reset_peak(process: str) -> None:
    """Let the peak begin at what is resident now, where Linux allows it."""
    with suppress(OSError):
        Path(f"/proc/{process}/clear_refs").write_text("5")


def limit_memory() -> None:
    """Let a program that asks for more than there is fail by itself."""
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
    except OSError:
        return
    free = [int(x.split()[1]) for x in lines if x.startswith("MemAvailable:")]
    most = int(SHARE_OF_MEMORY * 1024 * free[0])
    resource.setrlimit(resource.RLIMIT_DATA, (most, most))


def timed(fit: Callable[[], dict[str, Any]], *, repeat: bool) -> dict[str, Any]:
    """Call a fit, and again and again if asked to; its first call is told apart."""
    meter = Meter(getattr(fit, "processes", ()))
    began = time.perf_counter()
    result = fit()
    first = time.perf_counter() - began
    result |= {"first": first, "seconds": first, "repeats": 0, **meter.reading()}
    if repeat:
        times: list[float] = []
        fewest, most = REPEATS
        end = time.perf_counter() + REPEATING
        while len(times) < fewest or (len(times) < most and time.perf_counter() < end):
            began = time.perf_counter()
            fit()
            times.append(time.perf_counter() - began)
        result |= {"seconds": statistics.median(times), "repeats": len(times)}
    return result
