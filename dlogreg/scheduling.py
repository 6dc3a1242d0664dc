"""Where tasks run: the active cluster or the scheduler that dask is set to use."""

from __future__ import annotations

import os
import resource
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any

import dask
import dask.threaded
from dask.base import get_scheduler
from dask.system import CPU_COUNT
from threadpoolctl import OpenBLASController, ThreadpoolController

from dlogreg.choice import numba_version, worth_compiling
from dlogreg.errors import DataError
from dlogreg.extras import DISABLED, advice
from dlogreg.source.task_graph import is_future

ALWAYS = "always"


class _SingleThreadedBlas:
    """Holds BLAS at one thread while any task computes.

    The setting belongs to the process, so tasks that overlap share one change of it:
    the first sets it and the last takes it back.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._users = 0
        self._before: list[tuple[Any, int]] = []
        self._controller: ThreadpoolController | None = None

    def __enter__(self) -> None:
        with self._lock:
            if self._users == 0:
                _let_any_thread_set_limits()
                self._before = [(blas, blas.get_num_threads()) for blas in self._found]
                for blas, _ in self._before:
                    blas.set_num_threads(1)
            self._users += 1

    def __exit__(self, *raised: object) -> None:
        with self._lock:
            self._users -= 1
            if self._users == 0:
                _let_any_thread_set_limits()
                for blas, n_threads in self._before:
                    blas.set_num_threads(n_threads)
                _let_any_thread_set_limits()

    @property
    def _found(self) -> list[Any]:
        """Each BLAS of this process; ``limit`` of threadpoolctl asks all else too."""
        if self._controller is None:
            self._controller = ThreadpoolController().select(user_api="blas")
        return list(self._controller.lib_controllers)


def _let_any_thread_set_limits() -> None:
    """Take control of BLAS from the thread that set a limit before.

    From 3.8 on, threadpoolctl lets only the first thread set limits until control is
    given up; what others ask for is silently left undone.
    """
    clear = getattr(OpenBLASController, "clear_controlling_thread", None)
    if clear is not None:
        clear(force=True)


single_threaded_blas = _SingleThreadedBlas()


STATUS = Path("/proc/self/status")


class _PeakMemory:
    """Tells the largest resident set of this process so far, in bytes.

    Linux counts in ``ru_maxrss`` what the parent held when it started this process, so
    that the text of its status is read; but that takes longer than a pass over a few
    rows, and while ``ru_maxrss`` stands still above all that was counted in, so does
    what it said.
    """

    def __init__(self) -> None:
        self._known = (0, 0)

    def __call__(self) -> int:
        counted = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        counted = int(counted if sys.platform == "darwin" else counted * 1024)
        before, peak = self._known
        if counted == before:
            return peak
        with suppress(OSError, ValueError, IndexError):
            _, _, rest = STATUS.read_text().partition("VmHWM:")
            peak = 1024 * int(rest.split(maxsplit=1)[0])
            if peak >= counted:
                self._known = counted, peak
            return peak
        return counted


peak_memory = _PeakMemory()


def active_client() -> Any:
    """Return the active ``distributed.Client``, or None."""
    if "distributed" not in sys.modules:
        return None
    client = getattr(get_scheduler(), "__self__", None)
    return client if hasattr(client, "scheduler_info") else None


def dashboard_address() -> str | None:
    """Return where the active cluster shows its tasks, None without a dashboard."""
    client = active_client()
    if client is None:
        return None
    try:
        return str(client.dashboard_link or "") or None
    except Exception:  # a scheduler that just went away; only the link is lost
        return None


def local_scheduler() -> Any:
    """Return the ``get`` that dask is configured to use; threads by default.

    dask's own look-up imports distributed, which takes 0.2 s, even to find no client.
    """
    if dask.config.get("scheduler", None) is None:
        return dask.threaded.get
    return get_scheduler() or dask.threaded.get


def machine_memory() -> int:
    """Return the bytes of this machine's memory, or of what its container may take."""
    # loaded on first use, because all of distributed comes with it
    return int(import_module("distributed.system").MEMORY_LIMIT)


def compiles(n_rows: int | None, n_columns: int) -> bool:
    """Tell whether so many dense rows are to be summed by compiled loops.

    Dask's option ``dlogreg.compiled`` is True where that saves time, the default;
    "always", whatever their number; or False, never. Nor is anything compiled where
    numba's own setting forbids it. Raises ValueError for another option, and
    ImportError where what is always to be done cannot be.
    """
    asked = dask.config.get("dlogreg.compiled", True)
    if asked not in (True, False, ALWAYS):
        raise ValueError(
            f"dask's option dlogreg.compiled is {asked!r}; it may be True, False or \""
            f'{ALWAYS}"'
        )
    forbidden = os.environ.get("NUMBA_DISABLE_JIT") not in (None, "", "0")
    if asked != ALWAYS:
        return bool(asked) and not forbidden and worth_compiling(n_rows, n_columns)
    if forbidden:
        raise ImportError(DISABLED)
    if numba_version() is None:
        raise ImportError(advice("numba", "numba"))
    return True


def n_threads() -> int:
    """Return how many tasks can run at the same time."""
    client = active_client()
    if client is not None:
        return max(1, int(sum(client.nthreads().values())))
    if local_scheduler() is dask.get:
        return 1
    pool = dask.config.get("pool", None)
    configured = dask.config.get("num_workers", None)
    return int(configured or getattr(pool, "_max_workers", None) or CPU_COUNT)


def check_reachable(values: Sequence[Any]) -> None:
    """Refuse to sum on this machine what lies on a cluster."""
    if any(map(is_future, values)):
        raise DataError(
            "the data were persisted on a cluster whose client is not active; call fit "
            "while that distributed.Client is open and the default scheduler"
        )
