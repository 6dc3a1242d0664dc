"""What one process is made of: packages, BLAS, memory, clock, and what it can read.

Everything returned is plain: text, numbers, lists and dicts, as JSON has them.
"""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
import time
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

import dask
import numpy as np
import zarr
from distributed import get_worker
from distributed.system import MEMORY_LIMIT
from threadpoolctl import threadpool_info

import dlogreg
from dlogreg.doctor.answers import Facts
from dlogreg.extras import require
from dlogreg.formula.parquet import open_path
from dlogreg.scheduling import single_threaded_blas
from dlogreg.source.group import open_data
from dlogreg.source.sparse_store import StoredCSR
from dlogreg.source.zarr_store import ZarrBlocks

PACKAGES = (
    *("dask", "distributed", "cloudpickle", "msgpack", "tornado"),
    *("numpy", "scipy", "numba", "zarr", "numcodecs", "pandas", "pyarrow"),
)


def probe() -> Facts:
    """Return the facts of the process that runs this, a worker's task included."""
    return {
        "node": platform.node(),
        "versions": versions(),
        "blas": blas(),
        "simd": simd(),
        "n_cpus": _n_cpus(),
        "memory": int(MEMORY_LIMIT),
        "worker": _worker(),
        "now": time.time(),
    }


def probe_scheduler(dask_scheduler: Any) -> Facts:
    """Return the facts of a scheduler; dask hands itself over under this name."""
    return {
        "node": platform.node(),
        "versions": versions(),
        "now": time.time(),
        "listens": _listening(dask_scheduler),
        "http": _http(dask_scheduler),
    }


def versions() -> dict[str, str]:
    """Return the version of Python and of every package that is installed."""
    found = {"python": platform.python_version(), "dlogreg": dlogreg.__version__}
    for name in PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return {**found, "dlogreg code": _code()}


@cache
def _code() -> str:
    """Return what tells apart two states of dlogreg's code of one version."""
    root = Path(dlogreg.__file__).parent
    digest = hashlib.sha256()
    for path in sorted(root.rglob("*.py")):
        digest.update(path.relative_to(root).as_posix().encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()[:12]


def blas() -> list[dict[str, Any]]:
    """Return each BLAS: its threads outside of tasks, and those inside of them."""
    with single_threaded_blas:
        inside = {lib["filepath"]: lib["num_threads"] for lib in _libraries()}
    return [
        {
            "name": lib["internal_api"],
            "version": lib["version"],
            "kernels": lib.get("architecture", ""),
            "threads": lib["num_threads"],
            "inside": inside.get(lib["filepath"]),
        }
        for lib in _libraries()
    ]


def simd() -> dict[str, str]:
    """Return the instructions by which numpy computes exponentials on this processor.

    Others give other last bits, as do other kernels of BLAS.
    """
    found = np.lib.introspect.opt_func_info("^(exp|log1p)$", "float64")
    return {
        name: str(target["current"])
        for name, targets in found.items()
        for target in targets.values()
    }


def _libraries() -> list[dict[str, Any]]:
    return [lib for lib in threadpool_info() if lib["user_api"] == "blas"]


def _n_cpus() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _worker() -> Facts | None:
    """Return how the worker is set up in whose task this runs; None: in no task."""
    try:
        worker = get_worker()
    except ValueError:
        return None
    manager = worker.memory_manager
    folder = worker.local_directory
    return {
        "threads": worker.state.nthreads,
        "memory_limit": manager.memory_limit,
        "target": _share(manager.memory_target_fraction),
        "spill": _share(manager.memory_spill_fraction),
        "pause": _share(manager.memory_pause_fraction),
        "terminate": _share(_terminate(worker)),
        "folder": folder,
        "folder_free": shutil.disk_usage(folder).free,
        "listens": _listening(worker),
        "http": _http(worker),
    }


def _terminate(worker: Any) -> Any:
    """Return the share at which the nanny restarts a worker, if there is a nanny."""
    key = "distributed.worker.memory.terminate"
    return None if worker.nanny is None else dask.config.get(key)


def _share(value: Any) -> float | None:
    """Return a share of the memory limit; None where it is switched off."""
    return float(value) if value else None


def _listening(server: Any) -> list[str]:
    """Return the addresses at which a scheduler or worker takes connections."""
    found = []
    for listener in server.listeners:
        given = getattr(listener, "listen_address", "")
        found.append(given or server.address)
    return found


def _http(server: Any) -> list[str]:
    """Return the addresses at which its pages of figures are served."""
    http = getattr(server, "http_server", None)
    if http is None:
        return []
    scheme = "http" if http.ssl_options is None else "https"
    names = [s.getsockname() for s in http._sockets.values()]
    hosts = [f"[{h}]" if ":" in h else h for h, *_ in names]
    return [f"{scheme}://{h}:{n[1]}" for h, n in zip(hosts, names, strict=True)]


def first_block(path: str) -> Facts:
    """Read the first block of a store or of Parquet files; tell its size and digest."""
    began = time.perf_counter()
    facts = _parquet(path) if is_parquet(path) else _zarr(path)
    return {**facts, "seconds": time.perf_counter() - began}


def is_parquet(path: str) -> bool:
    """Tell whether a path means Parquet files by its name, or a folder of them."""
    if any(mark in path for mark in "*?") or path.lower().endswith((".parquet", ".pq")):
        return True
    here = Path(path)
    stores = ("zarr.json", ".zgroup", ".zmetadata")
    return here.is_dir() and not any((here / name).exists() for name in stores)


def _zarr(path: str) -> Facts:
    stored = open_data(path, needs_y=False)
    digest, n_bytes = hashlib.sha256(), 0
    for name, array in (("X", stored.X), ("y", stored.y)):
        if array is not None:
            values = _first(name, array)
            digest.update(np.ascontiguousarray(values).data)
            n_bytes += values.nbytes
    n_rows, n_columns = map(int, stored.X.shape)
    return _described(n_rows, n_columns, n_bytes, digest.hexdigest())


def _first(name: str, array: zarr.Array[Any] | StoredCSR) -> Any:
    if isinstance(array, StoredCSR):
        rows = array.blocks().take(0, 1).open(())(0)["X"]
        return rows.data
    blocks = ZarrBlocks.of(name, array)
    return blocks.take(0, 1).open(blocks.inputs)(0)[name]


def _parquet(path: str) -> Facts:
    arrow, parquet = require("pyarrow", "frames"), require("pyarrow.parquet", "frames")
    files = [parquet.ParquetFile(file.path) for file in open_path(path).files]
    group = files[0].read_row_group(0)
    sink = arrow.BufferOutputStream()
    with arrow.ipc.new_stream(sink, group.schema) as stream:
        stream.write_table(group)
    n_rows = sum(file.metadata.num_rows for file in files)
    digest = hashlib.sha256(sink.getvalue()).hexdigest()
    return _described(n_rows, group.num_columns, group.nbytes, digest)


def _described(n_rows: int, n_columns: int, n_bytes: int, digest: str) -> Facts:
    return {
        "n_rows": n_rows,
        "n_columns": n_columns,
        "n_bytes": n_bytes,
        "digest": digest,
    }
