"""CSV and Parquet files, streamed in batches of rows; pandas and pyarrow are extras."""

from __future__ import annotations

import glob
import gzip
import warnings
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from dlogreg.errors import DataError
from dlogreg.evaluation import FloatArray, Label

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


def extra(module: str) -> Any:
    """Import an optional package, or say how to get it."""
    try:
        return import_module(module)
    except ImportError as error:
        package = module.partition(".")[0]
        raise ImportError(
            f"reading this file needs {package}, which is not installed; run "
            'pip install "dlogreg[frames]"'
        ) from error


@dataclass(eq=False)
class CsvFile:
    """A CSV file with a first line of names, read by pandas."""

    path: Path
    _pandas: Any = field(init=False)

    def __post_init__(self) -> None:
        """Import pandas."""
        self._pandas = extra("pandas")

    def names(self) -> list[str]:
        """Return the names in the first line."""
        options = {"header": None, "nrows": 1, "dtype": str, "keep_default_na": False}
        first = self._guarded(lambda: self._read(**options))
        names = list(map(str, first.iloc[0]))
        for position, name in enumerate(names):
            if not name.strip():
                raise DataError(
                    f"column {position + 1} of {self.path} has no name; name it in the "
                    "first line, or leave it out when writing the file"
                )
        return names

    def _read(self, **options: Any) -> Any:
        compression = "gzip" if self.path.name.lower().endswith(".gz") else None
        source = options.pop("handle", self.path)
        return self._pandas.read_csv(
            source, compression=compression, index_col=False, **options
        )

    def _guarded(self, read: Any) -> Any:
        """Read, and turn what is wrong with the file into a DataError."""
        errors = self._pandas.errors
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error", errors.ParserWarning)
                return read()
        except errors.EmptyDataError as error:
            raise DataError(f"{self.path} is empty") from error
        except (errors.ParserError, errors.ParserWarning) as error:
            reason = str(error).strip().removeprefix("Error tokenizing data. C error: ")
            raise DataError(
                f"{self.path} is not a regular table: {reason}; every line must have "
                "as many fields as the first"
            ) from error
        except (UnicodeDecodeError, EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise DataError(f"{self.path} cannot be read: {error}") from error

    def batches(
        self, numeric: Sequence[str], label: str, n_rows: int
    ) -> Iterator[tuple[dict[str, FloatArray], Any, float]]:
        """Yield the columns of so many rows at a time."""
        size = max(1, self.path.stat().st_size)
        # before version 3 pandas rounded decimals unless told not to
        old = int(self._pandas.__version__.partition(".")[0]) < 3
        exact = {"float_precision": "round_trip"} if old else {}
        with self.path.open("rb") as handle:
            reader = self._guarded(
                lambda: self._read(
                    handle=handle,
                    chunksize=n_rows,
                    dtype={label: str},
                    low_memory=False,
                    **exact,
                )
            )
            row = 0
            while (frame := self._guarded(lambda: next(reader, None))) is not None:
                numbers = {name: self._numbers(frame[name], row) for name in numeric}
                codes, values = self._pandas.factorize(frame[label])
                yield numbers, (tuple(values), codes), min(1.0, handle.tell() / size)
                row += len(frame)

    def _numbers(self, column: Any, first_row: int) -> FloatArray:
        if column.dtype.kind in "fiub":
            return np.asarray(column.to_numpy(dtype=np.float64))
        numbers = self._pandas.to_numeric(column, errors="coerce")
        text = np.flatnonzero(numbers.isna() & column.notna())
        if len(text):
            value = column.iloc[text[0]]
            raise DataError(
                f"column {column.name!r} is text ({value!r} in data row "
                f"{first_row + int(text[0])} of {self.path}); {TEXT_ADVICE}"
            )
        return np.asarray(numbers.to_numpy(dtype=np.float64))


TEXT_ADVICE = (
    "name the numeric columns to keep with features (--features), or encode it as "
    "indicator (0/1) columns first"
)


@dataclass(eq=False)
class ParquetFile:
    """A Parquet file, read by pyarrow."""

    path: Path
    _file: Any = field(init=False)
    _arrow: Any = field(init=False)

    def __post_init__(self) -> None:
        """Read the file's footer."""
        parquet = extra("pyarrow.parquet")
        self._arrow = extra("pyarrow")
        try:
            self._file = parquet.ParquetFile(self.path)
        except self._arrow.ArrowException as error:
            raise DataError(f"{self.path} is not a Parquet file: {error}") from error

    def names(self) -> list[str]:
        """Return the names of the columns."""
        return list(self._file.schema_arrow.names)

    def batches(
        self, numeric: Sequence[str], label: str, n_rows: int
    ) -> Iterator[tuple[dict[str, FloatArray], Any, float]]:
        """Yield the columns of so many rows at a time."""
        self._check_types(numeric)
        total, row = max(1, self._file.metadata.num_rows), 0
        columns = list(dict.fromkeys([*numeric, label]))
        batches = self._file.iter_batches(n_rows, columns=columns)
        try:
            for batch in batches:
                numbers = {name: self._numbers(batch[name]) for name in numeric}
                row += batch.num_rows
                yield numbers, self._labels(batch[label], label), row / total
        except (self._arrow.ArrowException, OSError) as error:
            raise DataError(f"{self.path} cannot be read: {error}") from error

    def _check_types(self, numeric: Sequence[str]) -> None:
        types, schema = self._arrow.types, self._file.schema_arrow
        for name in numeric:
            kind = schema.field(name).type
            known = (types.is_integer, types.is_floating, types.is_boolean)
            if not any(is_kind(kind) for is_kind in (*known, types.is_decimal)):
                raise DataError(
                    f"column {name!r} of {self.path} is not numeric (type {kind}); "
                    + TEXT_ADVICE
                )

    def _numbers(self, column: Any) -> FloatArray:
        doubles = column.cast(self._arrow.float64())
        return np.asarray(doubles.to_numpy(zero_copy_only=False), dtype=np.float64)

    def _labels(self, column: Any, name: str) -> Any:
        types = self._arrow.types
        if types.is_decimal(column.type):
            column = column.cast(self._arrow.float64())
        if not types.is_dictionary(column.type):
            column = column.dictionary_encode()
        values = column.dictionary.to_pylist()
        if not all(isinstance(value, (bool, int, float, str)) for value in values):
            raise DataError(
                f"column {name!r} of {self.path} has type {column.type.value_type}; "
                "labels must be bool, whole numbers, numbers or text"
            )
        codes = column.indices.fill_null(-1).to_numpy(zero_copy_only=False)
        return tuple(values), codes.astype(np.intp)
