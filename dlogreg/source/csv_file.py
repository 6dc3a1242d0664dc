"""A CSV file in batches of rows."""

from __future__ import annotations

import gzip
import os
import warnings
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from dlogreg.errors import DataError
from dlogreg.evaluation import FloatArray
from dlogreg.extras import require
from dlogreg.source.files import DataFile
from dlogreg.source.remote import is_of_access, reason

TEXT_ADVICE = (
    "keep it as codes of its levels with categories (--categories), or name the "
    "numeric columns to keep with features (--features)"
)


@dataclass(eq=False)
class CsvFile:
    """A CSV file with a first line of names, read by pandas."""

    file: DataFile
    _pandas: Any = field(init=False)

    def __post_init__(self) -> None:
        """Import pandas."""
        self._pandas = require("pandas", "frames")

    def names(self) -> list[str]:
        """Return the names in the first line."""
        options = {"header": None, "nrows": 1, "dtype": str, "keep_default_na": False}
        with self.file.open(in_order=True) as handle:
            source = {"filepath_or_buffer": handle, **options}
            first = self._guarded(lambda: self._read(**source))
        names = list(map(str, first.iloc[0]))
        for position, name in enumerate(names):
            if not name.strip():
                raise DataError(
                    f"column {position + 1} of {self.file} has no name; name it in the "
                    "first line, or leave it out when writing the file"
                )
        return names

    def _read(self, **options: Any) -> Any:
        compression = "gzip" if self.file.name.endswith(".gz") else None
        return self._pandas.read_csv(
            compression=compression, index_col=False, **options
        )

    def _guarded(self, read: Any) -> Any:
        """Read, and turn what is wrong with the file into a DataError."""
        errors = self._pandas.errors
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error", errors.ParserWarning)
                return read()
        except errors.EmptyDataError as error:
            raise DataError(f"{self.file} is empty") from error
        except (errors.ParserError, errors.ParserWarning) as error:
            told = str(error).strip().removeprefix("Error tokenizing data. C error: ")
            raise DataError(
                f"{self.file} is not a regular table: {told}; every line must have "
                "as many fields as the first"
            ) from error
        except (UnicodeDecodeError, EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise DataError(f"{self.file} cannot be read: {error}") from error
        except Exception as error:
            if not self.file.is_remote or not is_of_access(error):
                raise
            raise DataError(f"{self.file} cannot be read ({reason(error)})") from error

    def batches(
        self, numeric: Sequence[str], coded: Sequence[str], n_rows: int
    ) -> Iterator[tuple[dict[str, FloatArray], dict[str, Any], float]]:
        """Yield the columns of so many rows at a time."""
        # before version 3 pandas rounded decimals unless told not to
        old = int(self._pandas.__version__.partition(".")[0]) < 3
        exact = {"float_precision": "round_trip"} if old else {}
        with self.file.open(in_order=True) as handle:
            size = max(1, handle.seek(0, os.SEEK_END))
            handle.seek(0)
            reader = self._guarded(
                lambda: self._read(
                    filepath_or_buffer=handle,
                    chunksize=n_rows,
                    dtype=dict.fromkeys(coded, str),
                    low_memory=False,
                    **exact,
                )
            )
            row = 0
            while (frame := self._guarded(lambda: next(reader, None))) is not None:
                numbers = {name: self._numbers(frame[name], row) for name in numeric}
                labels = {name: self._labels(frame[name]) for name in coded}
                yield numbers, labels, min(1.0, handle.tell() / size)
                row += len(frame)

    def _labels(self, column: Any) -> Any:
        codes, values = self._pandas.factorize(column)
        return tuple(values), codes

    def _numbers(self, column: Any, first_row: int) -> FloatArray:
        if column.dtype.kind in "fiub":
            return np.asarray(column.to_numpy(dtype=np.float64))
        numbers = self._pandas.to_numeric(column, errors="coerce")
        text = np.flatnonzero(numbers.isna() & column.notna())
        if len(text):
            value = column.iloc[text[0]]
            raise DataError(
                f"column {column.name!r} is text ({value!r} in data row "
                f"{first_row + int(text[0])} of {self.file}); {TEXT_ADVICE}"
            )
        return np.asarray(numbers.to_numpy(dtype=np.float64))
