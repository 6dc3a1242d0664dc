"""Zarr stores at an address: read again what fails, notice what is lost or changed.

A store that is read through fsspec answers a name that does not exist like one that was
never written, and Zarr takes either for the fill value. So the objects of an array are
listed once, with their stamps, when the fit begins; whoever reads one of them asks for
its stamp, too, at the same time.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterable, Mapping
from hashlib import blake2b
from typing import Any, Self

import zarr
from zarr.abc.store import ByteRequest
from zarr.core.buffer import Buffer, BufferPrototype
from zarr.core.sync import sync
from zarr.storage import FsspecStore, WrapperStore

from dlogreg.errors import DataError
from dlogreg.source.chunk_files import BrokenChunkError, GivenUpError
from dlogreg.source.remote import (
    Options,
    await_with_retries,
    is_absent,
    is_of_access,
    naming_faults,
    reason,
    shown,
    stamp_of,
    with_defaults,
)

AT_ONCE = 64
"""Objects whose stamps are asked for at the same time, where they cannot be listed."""


GONE = "it was there when the fit began; put it back, or leave its rows out"


class ChangedError(Exception):
    """An object that is not what it was when the fit began."""


class SteadyStore(WrapperStore[FsspecStore]):
    """A store that is read with patience and with suspicion."""

    def __init__(
        self, store: FsspecStore, stamps: Mapping[str, bytes] | None = None
    ) -> None:
        super().__init__(store)
        self.stamps = {} if stamps is None else stamps
        """Digests of the objects that must be there, by their keys."""

    def _with_store(self, store: FsspecStore) -> Self:
        return type(self)(store, self.stamps)

    def __str__(self) -> str:
        """Return the address, without what is secret in it."""
        return shown(self._store.fs.unstrip_protocol(self._store.path))

    def __repr__(self) -> str:
        """Return the same."""
        return f"SteadyStore({self})"

    async def get(
        self,
        key: str,
        prototype: BufferPrototype,
        byte_range: ByteRequest | None = None,
    ) -> Buffer | None:
        """Return the content of an object, or None if it was never there."""

        async def once() -> Buffer | None:
            if key not in self.stamps:
                return await self._store.get(key, prototype, byte_range)
            content, stamp = await asyncio.gather(
                self._store.get(key, prototype, byte_range), self._digest(key)
            )
            if content is None or stamp is None:
                raise FileNotFoundError(GONE)
            if stamp != self.stamps[key]:
                raise ChangedError
            return content

        try:
            return await await_with_retries(once)
        except Exception as error:
            if is_of_access(error) or isinstance(error, ChangedError):
                raise GivenUpError(key, error) from error
            raise

    async def get_partial_values(
        self,
        prototype: BufferPrototype,
        key_ranges: Iterable[tuple[str, ByteRequest | None]],
    ) -> list[Buffer | None]:
        """Return parts of objects, each as ``get`` does."""
        parts = [self.get(key, prototype, part) for key, part in key_ranges]
        return list(await asyncio.gather(*parts))

    async def _get_many(
        self, requests: Iterable[tuple[str, BufferPrototype, ByteRequest | None]]
    ) -> AsyncGenerator[tuple[str, Buffer | None], None]:
        for request in requests:
            yield request[0], await self.get(*request)

    async def _digest(self, key: str) -> bytes | None:
        """Return what tells one version of an object from another; None: absent."""
        self._store.fs.invalidate_cache()
        try:
            found = await self._store.fs._info(f"{self._store.path}/{key}")
        except FileNotFoundError as error:
            if not is_absent(error):
                raise
            return None
        return digest(found)

    async def digests(self, prefix: str, keys: Iterable[str]) -> dict[str, bytes]:
        """Return the digests of those of the objects under a prefix that exist."""
        if "http" not in self._store.fs.protocol:
            folder = f"{self._store.path}/{prefix}"
            fs = self._store.fs
            listed = await await_with_retries(lambda: fs._find(folder, detail=True))
            start = len(self._store.path) + 1
            found = {path[start:]: digest(info) for path, info in listed.items()}
            return {key: found[key] for key in keys if key in found}
        limit = asyncio.Semaphore(AT_ONCE)

        async def ask(key: str) -> tuple[str, bytes | None]:
            async with limit:
                return key, await await_with_retries(lambda: self._digest(key))

        answers = await asyncio.gather(*map(ask, keys))
        return {key: stamp for key, stamp in answers if stamp is not None}


def digest(info: Mapping[str, Any]) -> bytes:
    """Return eight bytes that differ between versions of an object."""
    return blake2b(repr(stamp_of(info)).encode(), digest_size=8).digest()


def open_remote_group(url: str, options: Options) -> zarr.Group:
    """Open a group at an address.

    Raises
    ------
    DataError
        If it cannot be read; a group that is not there is a FileNotFoundError.
    """
    given = with_defaults(url, options)
    with naming_faults(url):
        store = FsspecStore.from_url(url, storage_options=given, read_only=True)
    try:
        return zarr.open_group(SteadyStore(store), mode="r")
    except BrokenChunkError as broken:
        raise DataError(
            f"{shown(url)} cannot be opened: {broken.name} is unreachable "
            f"({reason(broken.error)})"
        ) from broken


def fsspec_store(store: Any) -> FsspecStore | None:
    """Return the store of fsspec that lies below, if there is one."""
    inner = store._store if isinstance(store, SteadyStore) else store
    return inner if isinstance(inner, FsspecStore) else None


def stamped(array: zarr.Array[Any], names: Iterable[str]) -> zarr.Array[Any]:
    """Return the array with the stamps of those of the named chunks that exist."""
    inner = fsspec_store(array.store)
    if inner is None:
        return array
    keys = [f"{array.path}/{name}".lstrip("/") for name in names]
    try:
        stamps = sync(SteadyStore(inner).digests(array.path, keys))
    except Exception as error:
        if not is_of_access(error):
            raise
        where = SteadyStore(inner)
        raise DataError(
            f"the chunks of {where}/{array.path} cannot be listed ({reason(error)})"
        ) from error
    store = SteadyStore(inner, stamps)
    return zarr.open_array(store, path=array.path, mode="r")
