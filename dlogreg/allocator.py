"""What glibc does with memory that tasks free: it keeps it for their next slab.

glibc learns from what a process frees how much is worth keeping, but not if it was told
a threshold when the process began, as Dask's nannies tell their workers
(``MALLOC_TRIM_THRESHOLD_``). It then maps every array of 128 kB and more anew, and
gives back the free top of a heap from 64 kB on. Tasks free and want the same sizes slab
after slab, so that workers spent a fifth of a pass on fresh pages.
"""

from __future__ import annotations

import os
import threading
from contextlib import suppress
from ctypes import CDLL
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

LONG = 2**16
"""Columns from which sums of a pass are so long that freed ones count."""
KEPT_BYTES = 2**25
"""The largest array that glibc takes from a heap, up to which its own threshold grows;
and how much of a heap's free top it keeps while tasks compute."""
LEARNED_BYTES = 2**23
"""The same, of a process that has been told nothing and sums small data."""
MAPPED_BYTES = 2**17
"""From here on it maps an array of its own, unless told otherwise (``malloc.h``)."""
LARGEST = 2**31 - 1
"""What ``mallopt`` can be told, which takes an int."""
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
"""Names of the thresholds in ``malloc.h``."""
ENVIRONMENT = Path("/proc/self/environ")
"""As it was when the process began, which is when glibc read it."""


class Thresholds(NamedTuple):
    """Bytes from which memory that is free goes back to the system."""

    trim: int
    """Of the free top of a heap."""
    mapped: int
    """Of an array, which then is mapped for itself, and goes when it is freed."""


def give_memory_back() -> None:
    """Let the allocator give what is free to the system, where it is glibc's.

    It keeps vectors that threads have freed for these threads: after a pass over a
    million columns several times what is in use.
    """
    trim = _function("malloc_trim")
    if trim is not None:
        trim(0)


@cache
def keep_free_memory() -> None:
    """Let the allocator keep what small fits free, where it is glibc's.

    It maps arrays from 128 KiB on and unmaps them when they are freed, so that every
    pass would have its slabs in fresh pages, each zeroed at the first touch. But it
    learns from the longest array that was freed, and takes such from its heap, of
    which it keeps twice as much: here from one whose pages nobody touches.
    """
    np.empty(LEARNED_BYTES, dtype=np.uint8)


class _KeptMemory:
    """Has glibc keep what is freed while any task computes.

    The thresholds belong to the process, so tasks that overlap share one change of
    them: the first sets them and the last takes them back, so that glibc gives memory
    back again as it was told to. Nothing is done where glibc decides by itself.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._users = 0
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._renew)

    def __enter__(self) -> None:
        told = thresholds_told()
        if told is None:
            return
        with self._lock:
            if self._users == 0:
                set_thresholds(Thresholds(KEPT_BYTES, max(KEPT_BYTES, told.mapped)))
            self._users += 1

    def __exit__(self, *raised: object) -> None:
        told = thresholds_told()
        if told is None:
            return
        with self._lock:
            self._users -= 1
            if self._users == 0:
                set_thresholds(told)

    def _renew(self) -> None:
        """Have a lock that no thread of the process this one was forked from holds."""
        self._lock = threading.Lock()


kept_memory = _KeptMemory()


@cache
def thresholds_told() -> Thresholds | None:
    """Return what this process was told when it began.

    None where it was told nothing, or to keep as much as tasks need, or what cannot be
    told again, or where the C library is not glibc.
    """
    if _function("mallopt") is None:
        return None
    told: dict[bytes, bytes] = {}
    with suppress(OSError):
        pairs = ENVIRONMENT.read_bytes().split(b"\0")
        told = {name: value for name, _, value in (p.partition(b"=") for p in pairs)}
    try:
        trim = int(told[b"MALLOC_TRIM_THRESHOLD_"])
        mapped = int(told.get(b"MALLOC_MMAP_THRESHOLD_", MAPPED_BYTES))
    except (KeyError, ValueError):
        return None
    known = 0 <= trim < KEPT_BYTES and 0 <= mapped <= LARGEST
    return Thresholds(trim, mapped) if known else None


def set_thresholds(thresholds: Thresholds) -> None:
    """Tell glibc from now on."""
    mallopt = _function("mallopt")
    mallopt(M_TRIM_THRESHOLD, thresholds.trim)
    mallopt(M_MMAP_THRESHOLD, thresholds.mapped)


@cache
def _function(name: str) -> Any:
    """Return a function of the C library, None where it has none of this name."""
    return getattr(CDLL(None), name, None) if os.name == "posix" else None
