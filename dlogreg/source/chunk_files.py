"""Chunk files of a local Zarr array, read and decoded into reused buffers.

zarr-python decodes every chunk into fresh memory and sends all reads of a process
through one event loop. For the usual local store, compressed with blosc or zstd or not
at all, reading the files directly is twice as fast, and a truncated file is noticed,
which blosc by itself does not. Everything else goes through zarr-python.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import zarr
from numcodecs import blosc, zstd
from zarr.storage import LocalStore

Bytes = npt.NDArray[np.uint8]
Decode = Callable[[Bytes, Bytes], None]

BLOSC_HEADER = 16
ZSTD_HEADER = 6
ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"


class BrokenChunkError(Exception):
    """A chunk file that cannot be read or decoded."""

    def __init__(self, name: str, error: Exception) -> None:
        self.name, self.error = name, error
        super().__init__(f"{name}: {type(error).__name__}: {error}")


class GivenUpError(BrokenChunkError):
    """A chunk that was tried again already, or for which that is no use."""


@dataclass(eq=False)
class ChunkFiles:
    """Reads runs of whole chunks; what it returns is overwritten by the next read."""

    array: zarr.Array[Any]
    folder: Path
    decode: Decode
    _decoded: npt.NDArray[Any] = field(default_factory=lambda: np.empty(0))
    _scratch: npt.NDArray[Any] = field(default_factory=lambda: np.empty(0))
    _stored: Bytes = field(default_factory=lambda: np.empty(0, np.uint8))

    @classmethod
    def of(cls, array: zarr.Array[Any]) -> ChunkFiles | None:
        """Return a reader, or None for an array that needs zarr-python."""
        store, codec = array.store, codec_name(array)
        plain = (
            type(store) is LocalStore
            and array.ndim in (1, 2)
            and array.shards is None
            and array.dtype.kind in "fiub"
            and array.dtype.isnative
        )
        if not plain or codec not in DECODERS:
            return None
        root: Any = getattr(store, "root", "")
        return cls(array, Path(root) / array.path, DECODERS[codec])

    def read(self, low: int, high: int) -> npt.NDArray[Any] | None:
        """Return these rows, or None if a chunk has no file; low begins a chunk."""
        step, *rest = self.array.chunks
        shape = self.array.shape[1:]
        first, last = low // step, -(-high // step)
        rows = (last - first) * step
        if len(self._decoded) < rows:
            self._decoded = np.empty((rows, *shape), self.array.dtype)
        beside = [-(-n // width) for n, width in zip(shape, rest, strict=True)]
        for i, *j in np.ndindex(last - first, *beside):
            name = self.array.metadata.encode_chunk_key((first + i, *j))
            cut = [slice(k * w, (k + 1) * w) for k, w in zip(j, rest, strict=True)]
            box = self._decoded[(slice(i * step, (i + 1) * step), *cut)]
            try:
                if not self._read_chunk(name, box):
                    return None
            except (OSError, ValueError, RuntimeError) as error:
                raise BrokenChunkError(name, error) from error
        return self._decoded[: high - low]

    def _read_chunk(self, name: str, box: npt.NDArray[Any]) -> bool:
        """Decode one chunk into its box; False if it has no file."""
        stored = self._stored_bytes(name)
        if stored is None:
            return False
        chunk = box
        if box.shape != self.array.chunks or not box.flags.c_contiguous:
            if not self._scratch.size:
                self._scratch = np.empty(self.array.chunks, self.array.dtype)
            chunk = self._scratch
        self.decode(stored, chunk.reshape(-1).view(np.uint8))
        if chunk is not box:
            box[...] = chunk[tuple(map(slice, box.shape))]
        return True

    def _stored_bytes(self, name: str) -> Bytes | None:
        try:
            file = open(self.folder / name, "rb", buffering=0)  # noqa: SIM115
        except FileNotFoundError:
            return None
        with file:
            size = os.fstat(file.fileno()).st_size
            if len(self._stored) < size:
                self._stored = np.empty(size, np.uint8)
            filled = 0
            while filled < size:
                got = file.readinto(self._stored[filled:size].data)
                if not got:
                    break
                filled += got
        return self._stored[:filled]


def codec_name(array: zarr.Array[Any]) -> str:
    """Return "", "blosc" or "zstd" if chunks are stored that way, else "other"."""
    metadata: Any = array.metadata
    if metadata.zarr_format == 2:
        if metadata.order != "C" or metadata.filters:
            return "other"
        compressor = metadata.compressor
        return "" if compressor is None else str(compressor.codec_id)
    codecs = [codec.to_dict() for codec in metadata.codecs]
    if not codecs or codecs[0]["name"] != "bytes" or len(codecs) > 2:
        return "other"
    order: Any = codecs[0].get("configuration") or {}
    if order.get("endian", sys.byteorder) != sys.byteorder:
        return "other"
    return str(codecs[1]["name"]) if len(codecs) == 2 else ""


def _copy(stored: Bytes, chunk: Bytes) -> None:
    if len(stored) != len(chunk):
        raise ValueError(f"{len(stored)} bytes instead of {len(chunk)}")
    chunk[:] = stored


def _decode_blosc(stored: Bytes, chunk: Bytes) -> None:
    """Decode after comparing the header: blosc itself trusts the sizes it names."""
    if len(stored) < BLOSC_HEADER:
        raise ValueError(f"{len(stored)} bytes, less than a blosc header")
    sizes = stored[4:BLOSC_HEADER].view("<u4")
    decoded, encoded = int(sizes[0]), int(sizes[2])
    if encoded != len(stored) or decoded != len(chunk):
        raise ValueError(
            f"blosc names {encoded} stored and {decoded} decoded bytes, "
            f"but there are {len(stored)} for {len(chunk)}"
        )
    blosc.decompress(stored, chunk)


def _decode_zstd(stored: Bytes, chunk: Bytes) -> None:
    """Decode after comparing the size: zstd leaves alone what it does not fill."""
    size = zstd_content_size(stored)
    if size is None:
        return _copy(np.frombuffer(zstd.decompress(stored), np.uint8), chunk)
    if size != len(chunk):
        raise ValueError(f"zstd names {size} decoded bytes instead of {len(chunk)}")
    zstd.decompress(stored, chunk)
    return None


def zstd_content_size(stored: Bytes) -> int | None:
    """Return the decoded size that a zstd frame names, or None if it does not.

    The header (RFC 8878, 3.1.1.1) is four bytes of magic number, a descriptor, one
    byte of window unless it is a single segment, the dictionary's number, the size.
    """
    if len(stored) < ZSTD_HEADER or stored[:4].tobytes() != ZSTD_MAGIC:
        raise ValueError(f"{len(stored)} bytes that are not a zstd frame")
    descriptor = int(stored[4])
    single = descriptor >> 5 & 1
    start = 5 + (1 - single) + (0, 1, 2, 4)[descriptor & 3]
    length = (single, 2, 4, 8)[descriptor >> 6]
    if not length:
        return None
    size = int.from_bytes(stored[start : start + length].tobytes(), "little")
    return size + 256 * (length == 2)


DECODERS: dict[str, Decode] = {
    "": _copy,
    "blosc": _decode_blosc,
    "zstd": _decode_zstd,
}
