"""Reading a Zarr array and doing nothing: the floor of every pass over a store.

Three ways, each with reused buffers and the same number of threads: zarr-python, its
codec pipeline ``zarrs``, and dlogreg's own reader of chunk files.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from importlib.util import find_spec
from pathlib import Path

import numpy as np

ReadAll = Callable[[], None]
READERS = ("zarr-python", "zarrs", "chunk files")


def available_readers() -> list[str]:
    """Return the readers whose packages are installed."""
    return [name for name in READERS if name != "zarrs" or find_spec("zarrs")]


def reader(name: str, store: Path, threads: int) -> ReadAll:
    """Return a function that reads all of X once."""
    import zarr

    with _pipeline(name, threads):
        X = zarr.open_group(store, mode="r")["X"]
    read = _chunk_files(X) if name == "chunk files" else _selections(X)
    step = X.chunks[0]
    starts = range(0, X.shape[0], step)

    def read_all() -> None:
        with ThreadPoolExecutor(threads) as pool:
            for _ in pool.map(lambda low: read(low, low + step), starts):
                pass

    return read_all


def _pipeline(name: str, threads: int):
    import zarr

    if name != "zarrs":
        return nullcontext()
    return zarr.config.set(
        {
            "codec_pipeline.path": "zarrs.ZarrsCodecPipeline",
            "threading.max_workers": threads,
        }
    )


def _selections(X) -> Callable[[int, int], None]:
    from zarr.core.buffer import default_buffer_prototype

    own, wrap = threading.local(), default_buffer_prototype().nd_buffer

    def read(low: int, high: int) -> None:
        if not hasattr(own, "rows"):
            own.rows = np.empty(X.chunks, X.dtype)
        rows = own.rows[: min(high, X.shape[0]) - low]
        X.get_basic_selection(slice(low, low + len(rows)), out=wrap(rows))

    return read


def _chunk_files(X) -> Callable[[int, int], None]:
    from dlogreg.source.chunk_files import ChunkFiles

    own = threading.local()

    def read(low: int, high: int) -> None:
        if not hasattr(own, "files"):
            own.files = ChunkFiles.of(X)
        if own.files.read(low, min(high, X.shape[0])) is None:
            raise FileNotFoundError(f"a chunk from row {low} on has no file")

    return read
