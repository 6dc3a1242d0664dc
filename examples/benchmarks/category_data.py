"""Tables with categories as Parquet files: generated ones, and the flights repeated."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from dlogreg.demo import FACTORS, LATE, MILES, flights_path

SEED = 21
GROUP_ROWS = 250_000
"""Rows of a row group."""
NUMBERS = ("x0", "x1", "x2")
LEVELS = {"c10": 10, "c50": 50, "c100": 100, "c500": 500, "c1000": 1000}
FORMULA = f"y ~ {' + '.join((*NUMBERS, *LEVELS))}"
FLIGHT_FACTORS = (*FACTORS, "dest")
FLIGHT_FORMULA = f"late ~ {' + '.join(FLIGHT_FACTORS)} + distance"


def write_generated(path: Path, rows: int) -> None:
    """Write three columns of numbers, five categories, and labels."""
    _write(path, (generate(low, n) for low, n in _blocks(rows)))


def generate(seed: int, rows: int) -> pa.Table:
    """Return some rows; levels are not equally frequent."""
    effects = np.random.default_rng(SEED)
    rng = np.random.default_rng([SEED, seed])
    eta, columns = np.full(rows, -1.0), {}
    for j, name in enumerate(NUMBERS):
        columns[name] = rng.normal(j, 1 + j, rows)
        eta += 0.1 * columns[name]
    for name, size in LEVELS.items():
        codes = (rng.random(rows) ** 1.5 * size).astype(np.int32)
        eta += effects.normal(scale=0.4, size=size)[codes]
        labels = pa.array([f"level {i:04d}" for i in range(size)])
        columns[name] = pa.DictionaryArray.from_arrays(codes, labels)
    columns["y"] = rng.random(rows) < 1 / (1 + np.exp(-eta))
    return pa.table(columns)


def write_flights(path: Path, rows: int) -> None:
    """Write the flights whose delay is known, again and again up to so many rows."""
    columns = [*FLIGHT_FACTORS, "distance", "arr_delay"]
    table = pd.read_csv(flights_path(), usecols=columns)
    table = table[table["arr_delay"].notna()]
    for name in FLIGHT_FACTORS:
        table[name] = table[name].astype(str).astype("category")
    table["late"] = table["arr_delay"] > LATE
    table["distance"] /= MILES
    once = pa.Table.from_pandas(table.drop(columns="arr_delay"), preserve_index=False)
    _write(path, _repeated(once, rows))


def _repeated(once: pa.Table, rows: int) -> Iterator[pa.Table]:
    for _, n in _blocks(rows, len(once)):
        yield once.slice(0, n)


def _blocks(rows: int, length: int = GROUP_ROWS) -> Iterator[tuple[int, int]]:
    for low in range(0, rows, length):
        yield low, min(length, rows - low)


def _write(path: Path, tables: Iterator[pa.Table]) -> None:
    writer: pq.ParquetWriter | None = None
    for table in tables:
        writer = writer or pq.ParquetWriter(path, table.schema)
        writer.write_table(table, row_group_size=GROUP_ROWS)
    assert writer is not None
    writer.close()
