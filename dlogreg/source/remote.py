"""Addresses such as s3://bucket/table.parquet: file systems, and what is tried again.

What goes wrong for a moment (time-outs, broken connections, the statuses 408, 425, 429
and 500 to 504) is tried again, at most ``len(WAITS)`` times, after a pause that grows.
Everything else, as a name that does not exist or a missing permission, is an error at
once. Options of a file system may hold secrets: no message and no ``repr`` shows them.
"""

from __future__ import annotations

import asyncio
import errno
import random
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeVar
from urllib.parse import urlsplit, urlunsplit

import fsspec

from dlogreg.errors import DataError
from dlogreg.extras import advice

Result = TypeVar("Result")
Options = Mapping[str, Any]
"""What a file system of fsspec takes: endpoint, credentials and so on."""

WAITS = (0.2, 1.0, 4.0, 10.0)
"""Seconds between the tries, at most; half of it at least, by chance, so that the
tasks of a cluster do not all come back at once."""
EXTRAS = {"s3": "s3", "s3a": "s3", "gs": "gcs", "gcs": "gcs"}
EXTRAS |= {"http": "http", "https": "http"}
TRANSIENT_STATUS = frozenset((408, 425, 429, 500, 502, 503, 504))
TRANSIENT_ERRNO = frozenset(
    getattr(errno, name)
    for name in ("EBUSY", "EREMOTEIO", "ETIMEDOUT", "ECONNRESET", "EPIPE", "EAGAIN")
    if hasattr(errno, name)
)
TRANSIENT_NAMES = frozenset(
    (
        *("ClientPayloadError", "ClientConnectionError", "ServerDisconnectedError"),
        *("ClientOSError", "FSTimeoutError", "IncompleteRead", "IncompleteReadError"),
        *("EndpointConnectionError", "ConnectionClosedError", "ReadTimeoutError"),
        *("ConnectTimeoutError", "ResponseStreamingError", "ResponseParserError"),
        *("HTTPClientError", "ClientConnectorError"),
    )
)
"""Errors of aiohttp, botocore and fsspec, by name: none of them need be installed."""
PERMANENT = (FileNotFoundError, PermissionError, IsADirectoryError, NotADirectoryError)
ON_S3 = {"config_kwargs": {"retries": {"max_attempts": 0}}}
"""Leave trying again to us, or tries of tries would multiply."""


def is_url(path: Any) -> bool:
    """Tell whether a path is an address of a file system of fsspec."""
    return "://" in str(path)


def open_filesystem(url: str, options: Options) -> tuple[Any, str]:
    """Return the file system of an address, and the path on it."""
    with naming_faults(url):
        system, path = fsspec.url_to_fs(url, **with_defaults(url, options))
    return system, path


def with_defaults(url: str, options: Options) -> dict[str, Any]:
    """Return the options of a file system: nothing cached, nothing tried twice."""
    scheme = url.partition("://")[0]
    ours = ON_S3 if EXTRAS.get(scheme) == "s3" else {}
    return {"use_listings_cache": False, **ours, **options}


@contextmanager
def naming_faults(url: str) -> Iterator[None]:
    """Turn what is wrong with an address and its options into advice.

    Raises
    ------
    ImportError
        If a package is missing; it says how to install it.
    DataError
        If the scheme of the address is not known, or the options do not fit it.
    """
    scheme = url.partition("://")[0]
    try:
        yield
    except DataError:
        raise
    except ImportError as error:
        raise ImportError(advice(_package(scheme), EXTRAS.get(scheme, "s3"))) from error
    except (TypeError, ValueError, AttributeError) as error:
        raise DataError(
            f"{shown(url)} cannot be opened: {type(error).__name__}; check the scheme "
            "of the address, and the names of storage_options"
        ) from None  # its message might show the options


def _package(scheme: str) -> str:
    return {"s3": "s3fs", "gcs": "gcsfs", "http": "aiohttp"}.get(
        EXTRAS.get(scheme, ""), "fsspec"
    )


def shown(url: Any) -> str:
    """Return an address without password and without the signature in its query."""
    if not is_url(url):
        return str(url)
    parts = urlsplit(str(url))
    return urlunsplit(
        (parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", "")
    )


CHECKSUMS = ("ETag", "etag", "generation", "md5Hash", "Content-MD5", "Digest")
TIMES = ("mtime", "created", "LastModified", "last_modified", "Last-Modified")


def stamp_of(info: Mapping[str, Any]) -> tuple[str, ...]:
    """Return what tells one version of an object from another.

    That are its size and checksums, and only where it has none its times, since these
    come in whole seconds from one request and in parts of them from another.
    """
    for names in (CHECKSUMS, TIMES):
        found = tuple(f"{name}={info[name]}" for name in names if info.get(name))
        if found:
            return (f"size={info.get('size')}", *found)
    return (f"size={info.get('size')}",)


def is_transient(error: BaseException | None) -> bool:
    """Tell whether what failed may well succeed when it is tried again."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        if _status(error) is not None:
            return _status(error) in TRANSIENT_STATUS
        if isinstance(error, TimeoutError | ConnectionError):
            return True
        if any(kind.__name__ in TRANSIENT_NAMES for kind in type(error).__mro__):
            return True
        if isinstance(error, OSError) and error.errno in TRANSIENT_ERRNO:
            return True
        if isinstance(error, PERMANENT):  # but HTTP has one name for all that fails
            error = error.__cause__
        else:
            error = error.__cause__ or error.__context__
    return False


def is_absent(error: FileNotFoundError) -> bool:
    """Tell whether there is no such object, rather than no answer or no permission."""
    cause = error.__cause__
    return cause is None or (_status(cause) or 404) in (404, 410)


def is_of_access(error: BaseException) -> bool:
    """Tell whether something could not be fetched, rather than not be understood."""
    fetched = isinstance(error, PERMANENT) or _status(error) is not None
    return fetched or is_transient(error)


def _status(error: BaseException) -> int | None:
    """Return the status of a response that was an error, of aiohttp, boto or gcsfs."""
    response = getattr(error, "response", None)
    if isinstance(response, dict):
        status = response.get("ResponseMetadata", {}).get("HTTPStatusCode")
        return status if isinstance(status, int) else None
    status = getattr(error, "status", getattr(error, "code", None))
    return status if isinstance(status, int) else None


def _pauses() -> Iterator[float]:
    for wait in WAITS:
        yield wait * random.uniform(0.5, 1.0)


def with_retries(call: Callable[[], Result]) -> Result:
    """Return what a call returns, trying again what is transient."""
    for pause in _pauses():
        try:
            return call()
        except Exception as error:
            if not is_transient(error):
                raise
        time.sleep(pause)
    return call()


async def await_with_retries(call: Callable[[], Awaitable[Result]]) -> Result:
    """Return what a call returns that is awaited, trying again what is transient."""
    for pause in _pauses():
        try:
            return await call()
        except Exception as error:
            if not is_transient(error):
                raise
        await asyncio.sleep(pause)
    return await call()


def reason(error: BaseException) -> str:
    """Return an error as one line, with how often it was tried and what may help."""
    statuses = (_status(error), error.__cause__ and _status(error.__cause__))
    first = str(error).strip().splitlines()[:1]
    text = f"{type(error).__name__}: {first[0] if first else ''}".rstrip(": ")
    if is_transient(error):
        return f"{text}, {len(WAITS) + 1} times; try again later"
    if isinstance(error, PermissionError) or 403 in statuses or 401 in statuses:
        return (
            f"{text}; check that the credentials, in the environment or in "
            "storage_options, may read it"
        )
    return text
