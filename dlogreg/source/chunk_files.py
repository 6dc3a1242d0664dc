"""Chunk files of a local Zarr array, read and decoded into re-used buffers.

zarr-python decodes every chunk into fresh memory and sends all reads of a process
through one event loop. For the usual local store, whole-width chunks compressed with
blosc or zstd or not at all, reading the files directly is twice as fast. Everything
else goes through zarr-python.
"""

from __future__ import annotations

import os
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


@dataclass(eq=False)
class ChunkFiles:
    """Reads runs of whole chunks; what it returns is overwritten by the next read."""

    array: zarr.Array[Any]
    folder: Path
    decode: Decode
    _decoded: npt.NDArray[Any] = field(default_factory=lambda: np.empty(0))
    _stored: Bytes = field(default_factory=lambda: np.empty(0, np.uint8))

    @classmethod
    def of(cls, array: zarr.Array[Any]) -> ChunkFiles | None:
        """Return a reader, or None for an array that needs zarr-python."""
        store, codec = array.store, codec_name(array)
        plain = (
            type(store) is LocalStore
            and array.ndim == 2
            and array.shards is None
            and array.chunks[1] == array.shape[1]
            and array.dtype.kind in "fiub"
            and array.dtype.isnative
        )
        if not plain or codec not in DECODERS:
            return None
        root: Any = getattr(store, "root", "")
        return cls(array, Path(root) / array.path, DECODERS[codec])

    def read(self, low: int, high: int) -> npt.NDArray[Any] | None:
        """Return these rows, or None if a chunk has no file; low begins a chunk."""
        step = self.array.chunks[0]
        first, last = low // step, -(-high // step)
        rows = (last - first) * step
        if len(self._decoded) < rows:
            self._decoded = np.empty((rows, self.array.shape[1]), self.array.dtype)
        for i in range(first, last):
            chunk = self._decoded[(i - first) * step : (i - first + 1) * step]
            stored = self._stored_bytes(i)
            if stored is None:
                return None
            self.decode(stored, chunk.reshape(-1).view(np.uint8))
        return self._decoded[: high - low]

    def _stored_bytes(self, i: int) -> Bytes | None:
        name = self.array.metadata.encode_chunk_key((i, 0))
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
    zstd.decompress(stored, chunk)


DECODERS: dict[str, Decode] = {
    "": _copy,
    "blosc": _decode_blosc,
    "zstd": _decode_zstd,
}
