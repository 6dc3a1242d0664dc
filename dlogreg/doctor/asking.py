"""Asks every process of a cluster what it is made of, and has it read the data."""

from __future__ import annotations

import ssl
import time
import uuid
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from distributed import wait

from dlogreg.doctor.answers import Answers, Facts
from dlogreg.doctor.findings import Finding
from dlogreg.doctor.judging import judge
from dlogreg.doctor.probe import first_block, probe, probe_scheduler

TIMEOUT = 60
"""Seconds that a worker has to answer and to read a block."""


def examine(
    client: Any = None, data: str | None = None, n_workers: int | None = None
) -> tuple[list[Finding], Any]:
    """Return the findings about this process or a cluster, and the facts behind them.

    Parameters
    ----------
    client : distributed.Client, optional
        Of the cluster; None: this process alone is examined.
    data : str, optional
        A Zarr store or Parquet files, which every worker is asked to read.
    n_workers : int, optional
        So many are waited for, at most ``TIMEOUT`` seconds.
    """
    here = _timed(probe)
    if data is not None:
        here["data"] = _attempt(lambda: first_block(data))
    if client is None:
        answers = Answers(here)
    else:
        if n_workers is not None:
            with suppress(TimeoutError):
                client.wait_for_workers(n_workers, timeout=TIMEOUT)
        answers = Answers(
            here,
            _timed(lambda: _attempt(lambda: _scheduler(client))),
            _workers(client, data),
            _connection(client),
            n_workers,
        )
    return judge(answers), _plain(answers)


def _plain(answers: Answers) -> Facts:
    return {
        "client": answers.client,
        "scheduler": answers.scheduler,
        "workers": answers.workers,
        "connection": answers.connection,
    }


def _timed(ask: Callable[[], Facts]) -> Facts:
    """Return an answer with the times between which it was given."""
    began = time.time()
    facts = ask()
    return {**facts, "asked": began, "answered": time.time()}


def _attempt(ask: Callable[[], Facts]) -> Facts:
    try:
        return ask()
    except Exception as error:  # whatever a process says is for the table
        return {"error": _reason(error)}


def _reason(error: BaseException) -> str:
    lines = str(error).strip().splitlines() or [""]
    return f"{type(error).__name__}: {lines[0]}".rstrip(": ")


def _scheduler(client: Any) -> Facts:
    facts: Facts = client.run_on_scheduler(probe_scheduler)
    return facts


def _workers(client: Any, data: str | None) -> dict[str, Facts]:
    """Ask each worker in a task of its own, as a fit would use it."""
    token, began = uuid.uuid4().hex[:12], time.time()
    addresses = list(client.scheduler_info(n_workers=-1)["workers"])
    futures = {
        address: client.submit(
            _answer,
            data,
            key=f"doctor-{token}-{i}",
            workers=[address],
            pure=False,
        )
        for i, address in enumerate(addresses)
    }
    with suppress(TimeoutError):
        wait(list(futures.values()), timeout=TIMEOUT)
    found = {address: _result(future) for address, future in futures.items()}
    ended = time.time()
    for future in futures.values():
        future.release()
    return {
        address: {**facts, "asked": began, "answered": ended}
        for address, facts in found.items()
    }


def _answer(data: str | None) -> Facts:
    facts = probe()
    if data is not None:
        facts["data"] = _attempt(lambda: first_block(data))
    return facts


def _result(future: Any) -> Facts:
    if future.status == "finished":
        facts: Facts = future.result()
        return facts
    if future.status == "error":
        return {"error": _reason(future.exception())}
    return {"error": f"gave no answer within {TIMEOUT} s ({future.status})"}


def _connection(client: Any) -> Facts:
    """Return the address that the client uses, and when the certificates end."""
    security, comm = client.security, client.scheduler_comm.comm
    peer = getattr(comm, "extra_info", {}).get("peercert") or {}
    key = security.tls_client_key
    return {
        "address": client.scheduler.address,
        "encryption required": bool(security.require_encryption),
        "scheduler's certificate ends": _seconds(peer.get("notAfter")),
        "authority's certificate ends": _authority_ends(security.tls_ca_file),
        "key's permissions": _permissions(key),
    }


def _seconds(date: str | None) -> float | None:
    return None if date is None else float(ssl.cert_time_to_seconds(date))


def _authority_ends(file: str | None) -> float | None:
    if file is None or not Path(file).is_file():
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(file)
    ends = [_seconds(str(found["notAfter"])) for found in context.get_ca_certs()]
    return min((end for end in ends if end), default=None)


def _permissions(file: str | None) -> int | None:
    if file is None or not Path(file).is_file():
        return None
    return Path(file).stat().st_mode & 0o777
