"""The generated data that every program fits, stored or in memory."""

from __future__ import annotations

import json
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

SEED = 20
CHUNK_BYTES = 8_000_000
"""Of a chunk of the Zarr store, of a block that is generated, decoded."""
BLOCKS_PER_THREAD = 4
"""Fewest blocks of a dask array over data in memory."""

SMALL = 2_000_000
"""Values of X."""

Arrays = tuple[np.ndarray, np.ndarray]


@dataclass(frozen=True)
class Data:
    """X and y in a folder; ``kind`` tells whether a fit reads them from there."""

    folder: Path
    kind: str
    """zarr: float32 in a store, read by the fit. memory: float64, loaded before it."""
    rows: int
    columns: int
    rows_per_chunk: int

    @classmethod
    def of(
        cls, folder: Path, kind: str, rows: int, columns: int, chunk: int | None = None
    ) -> Data:
        """Lay out data in chunks of 8 MB, or of so many rows."""
        itemsize = 4 if kind == "zarr" else 8
        chunk = chunk or max(1, CHUNK_BYTES // (itemsize * columns))
        return cls(folder, kind, rows, columns, min(rows, chunk))

    @property
    def is_small(self) -> bool:
        """Whether a fit is so short that it is timed many times."""
        return self.rows * self.columns <= SMALL

    @property
    def dtype(self) -> str:
        """Type of X."""
        return "f4" if self.kind == "zarr" else "f8"

    def to_json(self) -> str:
        """Return what ``from_json`` takes, in another process."""
        return json.dumps({**asdict(self), "folder": str(self.folder)})

    @classmethod
    def from_json(cls, text: str) -> Data:
        """Return the data that another process has written."""
        fields = json.loads(text)
        return cls(**{**fields, "folder": Path(fields["folder"])})

    def blocks(self) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
        """Generate the rows block by block: first row, X and y."""
        for low in range(0, self.rows, self.rows_per_chunk):
            length = min(self.rows_per_chunk, self.rows - low)
            X, y = generate(low, length, self.columns)
            yield low, X.astype(self.dtype), y

    def write(self) -> None:
        """Write the store, or the files that are loaded."""
        X, finish = self._writable()
        labels = np.empty(self.rows, dtype="i1")
        for low, block, y in self.blocks():
            X[low : low + len(y)] = block
            labels[low : low + len(y)] = y
        finish(labels)

    def _writable(self) -> tuple[np.ndarray, Callable[[np.ndarray], None]]:
        shape, path = (self.rows, self.columns), self.folder / "X.npy"
        if self.kind == "zarr":
            return self._writable_store(shape)
        X = np.lib.format.open_memmap(path, "w+", self.dtype, shape)
        return X, lambda labels: np.save(self.folder / "y.npy", labels)

    def _writable_store(self, shape: tuple[int, int]):
        """Create a store compressed with blosc-lz4 and bitshuffle, as dlogreg does."""
        import zarr
        from zarr.codecs import BloscCodec

        group = zarr.create_group(self.folder / "data.zarr")
        X = group.create_array(
            "X",
            shape=shape,
            chunks=(self.rows_per_chunk, self.columns),
            dtype="f4",
            compressors=[BloscCodec(cname="lz4", shuffle="bitshuffle")],
        )
        y = group.create_array("y", shape=shape[:1], chunks=shape[:1], dtype="i1")

        def finish(labels: np.ndarray) -> None:
            y[:] = labels

        return X, finish

    def open(self):
        """Return X and y: as Zarr arrays, or loaded."""
        if self.kind == "memory":
            return np.load(self.folder / "X.npy"), np.load(self.folder / "y.npy")
        import zarr

        group = zarr.open_group(self.folder / "data.zarr", mode="r")
        return group["X"], group["y"]

    def loader(self) -> Callable[[], Arrays]:
        """Return what gives float64 arrays in memory; a store is read when called."""
        X, y = self.open()
        if self.kind == "memory":
            return lambda: (X, y)
        return lambda: (read_as_float64(X), y[:])

    def as_dask(self, threads: int):
        """Return dask arrays in blocks of 8 MB: larger ones are slower for dask-ml."""
        import dask.array as da

        X, y = self.open()
        if self.kind == "zarr":
            lazy = da.from_zarr(X)
            return lazy, da.from_array(y[:], chunks=lazy.chunks[0])
        rows = min(self.rows_per_chunk, -(-self.rows // (BLOCKS_PER_THREAD * threads)))
        return da.from_array(X, chunks=(rows, -1)), da.from_array(y, chunks=rows)

    def stored_bytes(self) -> int:
        """Return the bytes of the chunk files of X."""
        files = (self.folder / "data.zarr" / "X").rglob("*")
        return sum(file.stat().st_size for file in files if file.is_file())

    def write_parquet(self) -> None:
        """Write the same rows for Spark, which does not read Zarr."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        kind = pa.list_(pa.from_numpy_dtype(np.dtype(self.dtype)))
        schema = pa.schema([("features", kind), ("label", pa.float64())])
        path = self.folder / "data.parquet"
        with pq.ParquetWriter(
            path, schema, compression="lz4", use_dictionary=False
        ) as file:
            for _, X, y in self.blocks():
                ends = np.arange(0, X.size + 1, self.columns, dtype="i4")
                rows = pa.ListArray.from_arrays(ends, X.ravel())
                file.write_table(
                    pa.table([rows, y.astype(float)], schema=schema),
                )


def generate(seed: int, rows: int, columns: int) -> Arrays:
    """Return normal columns, some correlated, and labels by a logistic model."""
    rng = np.random.default_rng([SEED, seed])
    X = rng.standard_normal((rows, columns), dtype=np.float32).astype(float)
    X[:, 1::4] += 0.7 * X[:, ::4][:, : X[:, 1::4].shape[1]]
    slope = np.random.default_rng(SEED).normal(size=columns) / np.sqrt(columns)
    eta = X @ slope - 0.5
    y = rng.random(rows) < 1 / (1 + np.exp(-eta))
    return X, y.astype("i1")


def read_as_float64(X) -> np.ndarray:
    """Read a Zarr array chunk by chunk, without holding it twice."""
    whole, step = np.empty(X.shape), X.chunks[0]
    for low in range(0, len(whole), step):
        whole[low : low + step] = X[low : low + step]
    return whole


@contextmanager
def data_folder(parent: Path | None) -> Iterator[Path]:
    """Make a folder for the data; it goes when the benchmark ends, also by SIGTERM."""
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    folder = Path(tempfile.mkdtemp(prefix="dlogreg-benchmark-", dir=parent))
    try:
        yield folder
    finally:
        shutil.rmtree(folder)
