"""CSV, Parquet and Arrow files, streamed in batches; pandas and pyarrow are extras."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

import numpy as np
import numpy.typing as npt

from dlogreg.errors import DataError
from dlogreg.evaluation import FloatArray, Label
from dlogreg.repeated_name import repeated_name
from dlogreg.source.csv_file import CsvFile
from dlogreg.source.files import NO_OPTIONS, DataFile, find_files
from dlogreg.source.parquet_file import ArrowFile, ParquetFile
from dlogreg.source.remote import Options, is_url

BATCH_BYTES = 2**24
"""Decoded bytes of a batch; while it is parsed it takes several times as much."""
CSV_ENDINGS = (".csv", ".csv.gz")
PARQUET_ENDINGS = (".parquet", ".parq", ".pq")
ARROW_ENDINGS = (".arrow", ".feather", ".ipc")


@dataclass(frozen=True, slots=True, eq=False)
class Coded:
    """A column of labels in some rows."""

    values: tuple[Label, ...]
    """Distinct values."""
    codes: npt.NDArray[np.intp]
    """Position of every row's value in ``values``; -1 where it is missing."""

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.codes)


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """Consecutive rows of one file."""

    numbers: dict[str, FloatArray]
    """Numeric columns as float64; NaN where a value is missing."""
    coded: dict[str, Coded]
    """Columns of labels, text or numbers."""
    n_rows: int
    file: str
    first_row: int
    """Position of the first row within the file."""
    share: float
    """How much of the whole table has been read."""

    def place(self, row: int) -> str:
        """Name a row for an error message."""
        return f"data row {self.first_row + row} (counted from 0) of {self.file}"


class File(Protocol):
    """One file of a table."""

    file: DataFile

    def names(self) -> list[str]:
        """Return the names of the columns."""
        ...

    def batches(
        self, numeric: Sequence[str], coded: Sequence[str], n_rows: int
    ) -> Iterator[tuple[dict[str, FloatArray], dict[str, Any], float]]:
        """Yield numbers, labels (values and codes) and share read."""
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
    def open(cls, path: str | Path, options: Options = NO_OPTIONS) -> Table:
        """Open a file, a folder of Parquet files, or a pattern such as *.csv."""
        files = tuple(_file(found) for found in _find(str(path), options))
        names = files[0].names()
        for file in files:
            _check_names(file.names(), str(file.file))
        for other in files[1:]:
            if sorted(other.names()) != sorted(names):
                differing = sorted(set(other.names()) ^ set(names))
                raise DataError(
                    f"{other.file} has other columns than {files[0].file}: "
                    f"{', '.join(map(repr, differing[:5]))} in one of them only"
                )
        return cls(files, tuple(names))

    def batches(self, numeric: Sequence[str], coded: Sequence[str]) -> Iterator[Batch]:
        """Read everything once, in bounded memory."""
        width = 8 * (len(numeric) + len(coded))
        n_rows = int(np.clip(BATCH_BYTES // width, 1000, 2**19))
        for position, file in enumerate(self.files):
            row = 0
            for numbers, labels, share in file.batches(numeric, coded, n_rows):
                columns = {name: Coded(*found) for name, found in labels.items()}
                length = len(columns[coded[0]])
                done = (position + share) / len(self.files)
                yield Batch(numbers, columns, length, str(file.file), row, done)
                row += length


def _find(path: str, options: Options) -> list[DataFile]:
    """Return files; of a folder those of Parquet."""
    endings = (*CSV_ENDINGS, *PARQUET_ENDINGS, *ARROW_ENDINGS)
    last = urlsplit(path).path if is_url(path) else path
    by_name = last.lower().endswith(endings) and not Path(path).is_dir()
    if not by_name and not Path(path).is_file() and "*" not in path:
        return find_files(path, PARQUET_ENDINGS, "Parquet", options)
    return find_files(path, endings, "CSV, Parquet or Arrow", options)


def _file(file: DataFile) -> File:
    if file.name.endswith(CSV_ENDINGS):
        return CsvFile(file)
    return ArrowFile(file) if file.name.endswith(ARROW_ENDINGS) else ParquetFile(file)


def _check_names(names: Sequence[str], path: str) -> None:
    repeated = repeated_name(names)
    if repeated is not None:
        raise DataError(
            f"column name {repeated!r} occurs twice in {path}; names must differ"
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
