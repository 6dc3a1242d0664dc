"""Waits for a cluster: no fit waits for ever on what does not answer.

Workers are the scheduler's to watch: one that dies is noticed at once, and one that
hangs is given up after ``distributed.scheduler.worker-ttl`` (5 minutes by default, and
looked for as seldom); its tasks run elsewhere. A scheduler that is gone or hangs is
noticed here. A fit that begins on a cluster without workers, as one that queues for
machines, waits for the first, and says so; once it had workers and lost them all, it
waits for others ten minutes.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Iterator, Mapping
from concurrent.futures import CancelledError
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from dlogreg.errors import ClusterError, ClusterWarning

ASK_AFTER = 20.0
"""Seconds without a result after which the scheduler is asked whether it lives."""
PAUSE = 0.5
"""Seconds after which it is asked again, if the connection broke."""
ANSWER_WITHIN = 120.0
"""Seconds within which it must answer."""
TELL_AFTER = 60.0
"""Seconds without any worker after which the user is told."""
BACK_WITHIN = 600.0
"""Seconds within which a worker must be back after all of them were lost."""
RESUME = (
    "start the cluster again and call fit again; with checkpoint= it goes on after the "
    "last whole pass"
)

MEMORY = (
    "most often they run out of memory: dlogreg.plan tells what a task needs, which "
    "smaller chunks, fewer threads per worker or a larger memory limit make fit; then "
    "call fit again, and with checkpoint= it goes on after the last whole pass"
)


@dataclass(frozen=True, slots=True)
class Workers:
    """Who can run tasks now."""

    scheduler: str
    """Identity of the scheduler, another one after a restart."""
    threads: Mapping[str, int]
    """Threads of every worker that runs tasks, by its address; those that are short of
    memory pause, and do not count."""
    limits: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    """Threads and bytes of memory of every worker, paused or not, that has a limit."""


def living_workers(client: Any) -> Workers:
    """Ask the scheduler for its workers.

    Raises
    ------
    ClusterError
        If it does not answer within ``ANSWER_WITHIN`` seconds.
    """
    began = time.monotonic()
    while True:
        left = max(PAUSE, ANSWER_WITHIN - (time.monotonic() - began))
        try:
            with while_open(client):
                answer = client.sync(client.scheduler.identity, callback_timeout=left)
            break
        except OSError as error:  # if the connection broke, it may be mended
            if isinstance(error, TimeoutError) or left <= PAUSE:
                address = getattr(client.scheduler, "address", "its address")
                raise ClusterError(
                    f"the Dask scheduler at {address} does not answer "
                    f"({type(error).__name__}: {error}); {RESUME}"
                ) from error
        time.sleep(PAUSE)
    threads = {
        address: int(worker["nthreads"])
        for address, worker in answer["workers"].items()
        if worker.get("status", "running") == "running"
    }
    limits = {
        address: (int(worker["nthreads"]), int(worker["memory_limit"]))
        for address, worker in answer["workers"].items()
        if worker.get("memory_limit")
    }
    return Workers(str(answer["id"]), threads, limits)


@contextmanager
def while_open(client: Any) -> Iterator[None]:
    """Say what it means where the client was closed, by itself or by others.

    It closes itself when a scheduler that is gone does not come back within
    ``distributed.comm.timeouts.connect``.
    """
    try:
        yield
    except (RuntimeError, AttributeError) as error:
        if client.status in ("running", "connecting", "newly-created"):
            raise
        raise ClusterError(
            "the Dask scheduler is gone, or its client was closed, while the fit ran; "
            f"{RESUME}"
        ) from error


def scattered(values: list[Any], client: Any, home: str | None = None) -> list[Any]:
    """Send values to a worker, or to any; return their futures.

    Raises
    ------
    CancelledError
        If the worker has gone meanwhile.
    """
    workers = None if home is None else [home]
    try:
        with while_open(client):
            sent = client.scatter(values, workers=workers, hash=False)
    except (KeyError, OSError) as error:
        raise CancelledError(f"{type(error).__name__} on the way: {error}") from error
    return list(sent)


def await_workers(client: Any, *, lost: bool) -> Workers:
    """Return the workers, as soon as there is one.

    A cluster that adapts grows only when there is something to do, so that it is given
    a small task. It is given up after ``BACK_WITHIN`` seconds if it had workers before,
    which were ``lost``.
    """
    found = living_workers(client)
    if found.threads:
        return found
    with while_open(client):
        wanted = client.submit(int, pure=False)
    began, told = time.monotonic(), False
    while not found.threads:
        waited = time.monotonic() - began
        if lost:
            _give_up(waited)
        if wanted.status == "error":
            result_of(wanted, client)
        told = told or _tell(waited)
        time.sleep(min(0.5, 0.05 + waited / 10))
        found = living_workers(client)
    return found


def result_of(future: Any, client: Any) -> Any:
    """Return what a future becomes; ask, while waiting, whether the cluster lives."""
    alone, told = time.monotonic(), False
    while True:
        try:
            return future.result(timeout=ASK_AFTER)
        except TimeoutError:
            if future.status == "error":  # the task's own
                raise
        except Exception as error:
            _explain(error, future)
            raise
        now = time.monotonic()
        if living_workers(client).threads:
            alone = now
        told = told or _tell(now - alone)
        _give_up(now - alone)


def _give_up(seconds: float) -> None:
    """Say that all workers are lost, if it has been so for long."""
    if seconds > BACK_WITHIN:
        raise ClusterError(
            f"all workers of the cluster were lost, and none came back within "
            f"{BACK_WITHIN:g} seconds; {RESUME}"
        )


def _tell(seconds: float) -> bool:
    """Tell that there are no workers, if it has been so for long; return whether."""
    if seconds < TELL_AFTER:
        return False
    warnings.warn(
        f"the cluster has had no worker that runs for {seconds:.0f} seconds; the fit "
        "waits until there is one: start workers, with more memory if they pause, or "
        "end the fit with Ctrl-C",
        ClusterWarning,
        stacklevel=4,
    )
    return True


def _explain(error: Exception, future: Any) -> None:
    """Raise what a failure of the cluster means; return where the task failed."""
    kind = type(error).__name__
    if kind == "KilledWorker":
        raise ClusterError(
            f"workers died again and again while they ran {future.key} ({error}); "
            f"{MEMORY}"
        ) from error
    if kind in ("NoValidWorkerError", "NoWorkerError"):
        raise ClusterError(
            f"no worker of the cluster could run {future.key}: {error}; {RESUME}"
        ) from error
