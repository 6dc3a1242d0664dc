"""CSV and Parquet files, streamed in batches of rows; pandas and pyarrow are extras."""

from __future__ import annotations

import glob
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from dlogreg.errors import DataError
from dlogreg.evaluation import FloatArray, Label
from dlogreg.source.csv_file import CsvFile
from dlogreg.source.parquet_file import ParquetFile

BATCH_BYTES = 2**24
"""Decoded bytes of a batch; while it is parsed it takes several times as much."""
CSV_ENDINGS = (".csv", ".csv.gz")
PARQUET_ENDINGS = (".parquet", ".parq", ".pq")


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """Consecutive rows of one file."""

    numbers: dict[str, FloatArray]
    """Numeric columns as float64; NaN where a value is missing."""
    values: tuple[Label, ...]
    """Distinct values of the text-or-number column."""
    codes: npt.NDArray[np.intp]
    """Position of every row's value in ``values``; -1 where it is missing."""
    file: str
    first_row: int
    """Position of the first row within the file."""
    share: float
    """How much of the whole table has been read."""


class File(Protocol):
    """One file of a table."""

    path: Path

    def names(self) -> list[str]:
        """Return the names of the columns."""
        ...

    def batches(
        self, numeric: Sequence[str], label: str, n_rows: int
    ) -> Iterator[tuple[dict[str, FloatArray], Any, float]]:
        """Yield numbers, labels (a pandas Index of values, codes) and share read."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """Files with the same columns, one after the other."""

    files: tuple[File, ...]
    names: tuple[str, ...]

    @property
    def typed(self) -> bool:
        """Tell whether the files say which labels are text."""
        return not any(isinstance(file, CsvFile) for file in self.files)

    @classmethod
    def open(cls, path: str | Path) -> Table:
        """Open a CSV or Parquet file, a folder of them, or a pattern such as *.csv."""
        files = tuple(_file(found) for found in _find(str(path)))
        names = files[0].names()
        _check_names(names, files[0].path)
        for other in files[1:]:
            if sorted(other.names()) != sorted(names):
                differing = sorted(set(other.names()) ^ set(names))
                raise DataError(
                    f"{other.path} has other columns than {files[0].path}: "
                    f"{', '.join(map(repr, differing[:5]))} in one of them only"
                )
        return cls(files, tuple(names))

    def batches(self, numeric: Sequence[str], label: str) -> Iterator[Batch]:
        """Read everything once, in bounded memory."""
        n_rows = int(np.clip(BATCH_BYTES // (8 * (len(numeric) + 1)), 1000, 2**19))
        for position, file in enumerate(self.files):
            row = 0
            for numbers, labels, share in file.batches(numeric, label, n_rows):
                values, codes = labels
                done = (position + share) / len(self.files)
                yield Batch(numbers, values, codes, str(file.path), row, done)
                row += len(codes)


def _find(path: str) -> list[Path]:
    endings = (*CSV_ENDINGS, *PARQUET_ENDINGS)
    if Path(path).is_dir():
        inside = sorted(Path(path).rglob("*"))
        found = [file for file in inside if file.name.lower().endswith(PARQUET_ENDINGS)]
        for file in found:
            keys = [part for part in file.relative_to(path).parts[:-1] if "=" in part]
            if keys:
                raise DataError(
                    f"{path} keeps column {keys[0].partition('=')[0]!r} in the names "
                    "of its folders, which are not read; write it into the files"
                )
        if not found:
            raise DataError(f"folder {path} holds no Parquet files (*.parquet)")
        return found
    found = [Path(path)] if Path(path).exists() else sorted(map(Path, glob.glob(path)))
    if not found:
        raise DataError(f"there is no file {path}; check the path")
    for file in found:
        if not file.name.lower().endswith(endings):
            raise DataError(
                f"{file} is neither CSV nor Parquet by its name; it must end in one of "
                + ", ".join(endings)
            )
    return found


def _file(path: Path) -> File:
    csv = path.name.lower().endswith(CSV_ENDINGS)
    return CsvFile(path) if csv else ParquetFile(path)


def _check_names(names: Sequence[str], path: Path) -> None:
    repeated = [name for name in dict.fromkeys(names) if names.count(name) > 1]
    if repeated:
        raise DataError(
            f"column name {repeated[0]!r} occurs twice in {path}; names must differ"
        )
    if names and all(map(_is_number, names)):
        raise DataError(
            f"{path} begins with numbers ({', '.join(names[:3])}, ...) instead of the "
            "names of its columns; add a first line with names"
        )


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
