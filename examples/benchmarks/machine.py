"""Describes the machine and the versions that figures belong to."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

PACKAGES = ("dlogreg", "numpy", "scipy", "dask", "distributed", "zarr")


def describe(threads: int, packages: Iterable[str] = ()) -> list[str]:
    """Return lines that name the machine and the versions."""
    pages, size = os.sysconf("SC_PHYS_PAGES"), os.sysconf("SC_PAGE_SIZE")
    installed = [f"{name} {number}" for name, number in _versions(packages)]
    system = f"{platform.system()} {platform.machine()}"
    memory = f"{pages * size / 2**30:.0f} GiB"
    python = f"Python {platform.python_version()}"
    return [
        f"{_processor()}, {os.cpu_count()} cores, {memory}, {system}",
        f"{threads} threads; {python}, {', '.join(installed)}; {_blas()}",
    ]


def _versions(packages: Iterable[str]) -> Iterable[tuple[str, str]]:
    for name in dict.fromkeys((*PACKAGES, *packages)):
        try:
            yield name, version(name)
        except PackageNotFoundError:
            continue


def _processor() -> str:
    """Return the processor's name."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.split(":")[1].strip() for line in lines if "model name" in line]
    return names[0] if names else platform.machine()


def _blas() -> str:
    import numpy  # noqa: F401 - loads the library that is asked for
    from threadpoolctl import threadpool_info

    found = [pool for pool in threadpool_info() if pool["user_api"] == "blas"]
    names = {
        f"{pool['internal_api']} {pool['version']} ({pool.get('architecture', '?')})"
        for pool in found
    }
    return ", ".join(sorted(names))
