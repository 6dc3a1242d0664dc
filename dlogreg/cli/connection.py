"""The Dask cluster that a command uses, and the certificates it shows there.

Dask's protocol runs code: whoever is let in can run anything as the cluster's user.
Beyond this machine a cluster therefore belongs behind TLS, where both sides show
certificates of one authority (see ``cluster/README.md``).
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import wraps
from importlib import import_module
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import click

from dlogreg.addresses import is_open
from dlogreg.errors import DataError

TIMEOUT = "10s"
"""Time that a scheduler has to answer."""
TLS_OPTIONS = {
    "tls_ca_file": ("--tls-ca", "ca-file"),
    "tls_client_cert": ("--tls-cert", "client.cert"),
    "tls_client_key": ("--tls-key", "client.key"),
}
"""Fields of ``distributed.Security``: our options, and keys of dask's configuration
below ``distributed.comm.tls``."""


@dataclass(frozen=True, slots=True)
class Scheduler:
    """Where a Dask scheduler answers, and the files of certificates for it."""

    address: str
    """tls://HOST:PORT or tcp://HOST:PORT, or the path of a scheduler file."""
    files: dict[str, str | None]
    """By field of ``distributed.Security``; None: what dask's configuration says."""

    @property
    def is_file(self) -> bool:
        """Whether the address stands in a file that the scheduler wrote."""
        return "://" not in self.address and Path(self.address).is_file()


_FILE = click.Path(exists=True, dir_okay=False)
_OPTIONS = (
    click.option(
        "--scheduler",
        metavar="ADDRESS",
        envvar="DLOGREG_SCHEDULER",
        help="Use the Dask cluster at tls://... or tcp://..., or that of a scheduler "
        "file; default: all cores of this machine.",
    ),
    click.option(
        "--tls-ca",
        type=_FILE,
        metavar="FILE",
        help="Authority whose certificates scheduler and workers show; this and the "
        "next two default to dask's configuration.",
    ),
    click.option("--tls-cert", type=_FILE, metavar="FILE", help="Our certificate."),
    click.option("--tls-key", type=_FILE, metavar="FILE", help="Its private key."),
)


def SCHEDULER(command: Callable[..., Any]) -> Callable[..., Any]:  # noqa: N802
    """Add the options of a cluster; the command gets them as one Scheduler or None."""

    @wraps(command)
    def with_scheduler(
        *,
        scheduler: str | None,
        tls_ca: str | None,
        tls_cert: str | None,
        tls_key: str | None,
        **others: Any,
    ) -> Any:
        given = (tls_ca, tls_cert, tls_key)
        if scheduler is None and any(given):
            raise click.UsageError("the --tls options need --scheduler")
        files = dict(zip(TLS_OPTIONS, given, strict=True))
        found = None if scheduler is None else Scheduler(scheduler, files)
        return command(scheduler=found, **others)

    decorated: Callable[..., Any] = with_scheduler
    for option in reversed(_OPTIONS):
        decorated = option(decorated)
    return decorated


@contextmanager
def cluster(scheduler: Scheduler | None, *, warn: bool = True) -> Iterator[Any]:
    """Use this cluster while the context lasts, and give its client; None: threads.

    With ``warn`` an unencrypted way to another machine is warned of.
    """
    if scheduler is None:
        yield None
        return
    distributed = import_module("distributed")  # takes 0.3 s, seldom needed
    address = scheduler.address
    where = {"scheduler_file" if scheduler.is_file else "address": address}
    try:
        security = _security(scheduler, distributed.Security)
        # not as default, because one that failed to connect would stay the default
        client = distributed.Client(
            **where, security=security, timeout=TIMEOUT, set_as_default=False
        )
    except (OSError, ValueError, TypeError) as error:
        if isinstance(error, DataError):
            raise
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        message = f"no Dask scheduler answers at {address} ({reason})"
        raise DataError(
            f"{message}; check the address, that it runs, and that its certificates "
            "and ours are of one authority"
        ) from error
    with client, client.as_current():
        if warn:
            _warn_if_open(client.scheduler.address)
        yield client


def _security(scheduler: Scheduler, make: Callable[..., Any]) -> Any:
    """Return the certificates for a scheduler; None for dask's own choice."""
    given = {key: file for key, file in scheduler.files.items() if file is not None}
    scheme = urlsplit(scheduler.address).scheme
    if given and scheme and scheme != "tls" and not scheduler.is_file:
        raise DataError(
            f"{scheduler.address} is not encrypted, so it takes no certificates; give "
            "tls://... (and start the scheduler with TLS)"
        )
    if not given and scheme != "tls":
        return None
    security = make(**given, require_encryption=True)
    for field, (option, key) in TLS_OPTIONS.items():
        if getattr(security, field) is None:
            raise DataError(
                f"TLS needs {option}, or distributed.comm.tls.{key} in dask's "
                "configuration; cluster/certificates makes the files"
            )
    return security


def _warn_if_open(address: str) -> None:
    if is_open(address):
        warnings.warn(
            f"the scheduler at {address} takes anybody in, without encryption, and "
            "whoever reaches it can run code there; start it with TLS "
            "(cluster/README.md)",
            stacklevel=3,
        )
